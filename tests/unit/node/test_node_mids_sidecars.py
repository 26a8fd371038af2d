"""The sidecar of an image."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mids_factories import Kind, classic, enhanced

from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.judging.classify import classify
from myofed_node.mids.judging.overrides import Level, SeriesOverride
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_node.mids.sidecars import sidecar
from myofed_schemas.mids import Suffix
from myofed_schemas.sidecar import AnatomicalLevel, Provenance, Sidecar

PROVENANCE = Provenance(
    source_series_instance_uid="2.25.1",
    source_digest="a" * 64,
    source_files=1,
    policy_digest="b" * 64,
    image_digest="c" * 64,
    value_scaling="stored",
    tools={"myofed": "0"},
)


TRAIN = tuple(10.0 * n for n in range(1, 8))
DIGEST = "d" * 64


def document(
    kind: Kind, *numbers: dict[str, tuple[float, ...]], override: SeriesOverride | None = None
) -> dict[str, object]:
    series = read_series(classic(kind))
    image = classify(series, override)[0]
    made = sidecar(image, series.acquisition, provenance=PROVENANCE, numbers=numbers)
    content: dict[str, object] = json.loads(made.to_json())
    return content


def test_absent_element_leaves_no_key() -> None:
    """What a header does not tell is not invented, not null and not empty."""
    made = document(Kind(extra={"InPlanePhaseEncodingDirection": None, "FlipAngle": None, "PixelBandwidth": None}))
    assert not {"PhaseEncodingDirection", "FlipAngle", "PixelBandwidth", "WaterFatShift"} & set(made)
    assert None not in made.values()


def test_times_are_milliseconds() -> None:
    """DICOM and ORMIR-MIDS agree on ms; BIDS would say seconds."""
    made = document(Kind())
    assert (made["EchoTime"], made["RepetitionTime"]) == ([2.3, 4.6], 100.0)


@pytest.mark.parametrize(("direction", "axis"), [("ROW", "i"), ("COL", "j")])
def test_phase_encoding_follows_our_axes(direction: str, axis: str) -> None:
    """Our first axis is the column index, along a row."""
    assert document(Kind(extra={"InPlanePhaseEncodingDirection": direction}))["PhaseEncodingDirection"] == axis


@pytest.mark.parametrize(("direction", "axis"), [("ROW", "i"), ("COLUMN", "j"), ("OTHER", None)])
def test_phase_encoding_of_an_enhanced_object_follows_our_axes(direction: str, axis: str | None) -> None:
    """MRFOVGeometrySequence spells COL in full; of OTHER no axis is told."""
    dataset = enhanced()
    geometry = dataset.SharedFunctionalGroupsSequence[0].MRFOVGeometrySequence[0]
    geometry.InPlanePhaseEncodingDirection = direction
    series = read_series([dataset])
    made = sidecar(classify(series)[0], series.acquisition, provenance=PROVENANCE)
    assert made.phase_encoding_direction == axis


def test_water_fat_shift_is_computed_from_field_and_bandwidth() -> None:
    """3.35 ppm of 123.25 MHz over 260 Hz a pixel."""
    assert document(Kind())["WaterFatShift"] == pytest.approx(3.35 * 123.25 / 260, abs=1e-6)


def test_phase_image_says_radians() -> None:
    """The unit stands in the sidecar."""
    assert document(Kind(image_type=("ORIGINAL", "PRIMARY", "P", "ND")))["Units"] == "rad"
    assert document(Kind())["Units"] == "arbitrary"


@pytest.mark.parametrize(("code", "mode"), [(1.0, "Monopolar"), (2.0, "Bipolar")])
def test_readout_mode_of_a_multi_echo_gradient_echo_is_told(code: float, mode: str) -> None:
    """Bipolar echoes carry a phase error of their own that a fat fraction must not ignore."""
    assert document(Kind(), {"ucReadOutMode": (code,)}, {"ucReadOutMode": (code,)})["ReadoutMode"] == mode


@pytest.mark.parametrize(
    "numbers",
    [
        (),
        ({},),
        ({"ucReadOutMode": (4.0,)},),
        ({"ucReadOutMode": (1.0, 2.0)},),
        ({"ucReadOutMode": (1.0,)}, {"ucReadOutMode": (2.0,)}),
        ({"ucReadOutMode": (1.0,)}, {}),
    ],
)
def test_readout_mode_in_doubt_is_not_told(numbers: tuple[dict[str, tuple[float, ...]], ...]) -> None:
    """Silent, unknown, ambiguous or different between the files: the key is absent."""
    assert "ReadoutMode" not in document(Kind(), *numbers)


def test_readout_mode_of_one_echo_means_nothing() -> None:
    """Siemens writes its code for every sequence."""
    one_echo = Kind(echo_times_ms=(2.3,), extra={"AcquisitionContrast": "T1"})
    assert "ReadoutMode" not in document(one_echo, {"ucReadOutMode": (1.0,)})


def test_bandwidth_in_phase_encoding_direction_is_told() -> None:
    """In Hz a pixel, as the scanner says."""
    assert document(Kind(), {"BandwidthPerPixelPhaseEncode": (18.5,)})["BandwidthPerPixelPhaseEncode"] == 18.5


def test_readout_mode_that_the_protocol_contradicts_is_refused() -> None:
    """A wrong one swaps fat and water; the scanner's own protocol is believed."""
    with pytest.raises(SeriesRefusedError) as refusal:
        document(Kind(), {"ucReadOutMode": (1.0,)}, override=SeriesOverride(DIGEST, readout_mode="Bipolar"))
    assert refusal.value.code == "OVERRIDE_CONTRADICTS_HEADERS"


@pytest.mark.parametrize("numbers", [(), ({"ucReadOutMode": (2.0,)},)])
def test_readout_mode_and_precession_of_the_site_are_told(numbers: tuple[dict[str, tuple[float, ...]], ...]) -> None:
    """Where no header says otherwise."""
    said = SeriesOverride(DIGEST, readout_mode="Bipolar", precession_direction="Counterclockwise")
    made = document(Kind(), *numbers, override=said)
    assert (made["ReadoutMode"], made["PrecessionDirection"]) == ("Bipolar", "Counterclockwise")


def test_precession_direction_is_in_no_header() -> None:
    """A person says it or nobody."""
    assert "PrecessionDirection" not in document(Kind())


@pytest.mark.parametrize(
    ("vendor", "angle", "told"),
    [("SIEMENS", "180", 180.0), ("SIEMENS", "90", None), ("SIEMENS", None, None), ("Philips", "90", None)],
)
def test_refocusing_angle_is_told_where_flip_angle_is_it(vendor: str, angle: str | None, told: float | None) -> None:
    """Siemens writes it into FlipAngle of a spin-echo train; 90 degrees would be the excitation."""
    extra = {"ScanningSequence": "SE", "Manufacturer": vendor, "FlipAngle": angle}
    assert document(Kind(echo_times_ms=TRAIN, extra=extra)).get("RefocusingFlipAngle") == told


def test_refocusing_angle_is_of_spin_echo_trains_only() -> None:
    """A gradient echo has none, whatever its flip angle."""
    assert "RefocusingFlipAngle" not in document(Kind(extra={"FlipAngle": "110"}))


def test_dess_says_what_it_is() -> None:
    """As the draft wants it, with the name the scanner gave the sequence."""
    made = document(Kind(echo_times_ms=(4.6,), extra={"SequenceName": "*de3d1"}))
    assert (made["PulseSequenceType"], made["SequenceName"]) == ("DESS", "*de3d1")


def test_level_is_one_number_a_slice() -> None:
    """In order of the third axis, as the site measured it."""
    level = Level(series_instance_uid="2.25.1", bone="femur", proximal_z_mm=400.0, distal_z_mm=0.0)
    made = document(Kind(), override=SeriesOverride(DIGEST, level=level))
    told = made["AnatomicalLevel"]
    assert isinstance(told, dict)
    assert (told["Bone"], len(told["PercentOfLength"])) == ("femur", 3)
    assert "AnatomicalLevel" not in document(Kind())


def test_map_says_its_unit() -> None:
    """T2 in milliseconds."""
    kind = Kind(image_type=("DERIVED", "PRIMARY", "T2 MAP"), echo_times_ms=(4.6,), extra={"RescaleType": "ms"})
    assert document(kind)["Units"] == "ms"


def test_every_key_and_suffix_is_documented(repository: Path) -> None:
    """Who reads a data set finds each on the page of the profile."""
    page = (repository / "docs" / "profile-myofed-1.md").read_text()
    fields = [field for model in (Sidecar, Provenance, AnatomicalLevel) for field in model.model_fields.values()]
    names = [*(field.alias for field in fields), *(suffix.value for suffix in Suffix)]
    assert [name for name in names if f"`{name}`" not in page] == []


@pytest.mark.parametrize(
    ("told", "inversion", "written"),
    [("SPIN", "", "SE"), ("SPIN", "YES", "SE/IR"), ("GRADIENT", "NO", "GR"), ("", "YES", None)],
)
def test_pulse_sequence_of_an_enhanced_object_is_written_in_the_words_of_scanning_sequence(
    told: str, inversion: str, written: str | None
) -> None:
    """A protocol check and the way back to DICOM ask for it."""
    acquisition = replace(
        read_series(classic()).acquisition,
        scanning_sequence=(),
        echo_pulse_sequence=told,
        inversion_recovery=inversion,
    )
    (image,) = classify(read_series(classic()))
    image = replace(image, acquisition=acquisition)
    assert sidecar(image, acquisition, provenance=PROVENANCE).scanning_sequence == written
