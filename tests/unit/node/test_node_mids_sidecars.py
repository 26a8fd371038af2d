"""The sidecar of an image."""

from __future__ import annotations

import json

import pytest
from mids_factories import Kind, classic

from myofed_node.mids.classify import classify
from myofed_node.mids.headers import read_series
from myofed_node.mids.sidecars import sidecar
from myofed_schemas.sidecar import Provenance

PROVENANCE = Provenance(
    source_series_instance_uid="2.25.1",
    source_digest="a" * 64,
    source_files=1,
    policy_digest="b" * 64,
    image_digest="c" * 64,
    value_scaling="stored",
    tools={"myofed": "0"},
)


def document(kind: Kind, *numbers: dict[str, tuple[float, ...]]) -> dict[str, object]:
    series = read_series(classic(kind))
    image = classify(series)[0]
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
