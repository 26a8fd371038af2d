"""Each quantity against a value worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocol_factories import SCANS, Scan, multi_echo, put

from myofed_node.protocol.acquisition import Acquisition, Image, Unknown, acquisitions
from myofed_node.protocol.measures import MEASURES, Observation, imaging_frequency, t1_bias
from myofed_node.protocol.profiles import load_profiles
from myofed_schemas.mids import Part, Suffix
from myofed_schemas.protocol import T1BiasLimit
from myofed_schemas.protocol_quantities import QUANTITIES, Quantity


def acquired(suffix: Suffix = Suffix.MEGRE, *parts: Part, **sidecar: object) -> Acquisition:
    """An acquisition without files."""
    images = tuple(Image(Path("x"), suffix, part, sidecar, None) for part in parts or (Part.MAG,))  # type: ignore[arg-type]
    return Acquisition("x", images)


def measured(quantity: Quantity, acquisition: Acquisition) -> Observation:
    return MEASURES[quantity](acquisition)


def bias_limit() -> T1BiasLimit:
    profile = load_profiles().named("fat-fraction-6-echo")
    return next(limit for limit in profile.limits if isinstance(limit, T1BiasLimit))


def test_every_quantity_but_the_t1_bias_has_a_measure() -> None:
    """A profile can ask for each of them."""
    assert {*MEASURES, Quantity.T1_BIAS} == set(Quantity) == set(QUANTITIES)


@pytest.mark.parametrize(
    ("quantity", "times", "value"),
    [
        (Quantity.ECHO_COUNT, [1.0, 2.0, 3.5], 3),
        (Quantity.FIRST_ECHO_TIME, [1.0, 2.0, 3.5], 1.0),
        (Quantity.LAST_ECHO_TIME, [1.0, 2.0, 3.5], 3.5),
        (Quantity.ECHO_SPACING, [1.0, 2.0, 3.5], 1.25),
        (Quantity.ECHO_UNEVENNESS, [1.0, 2.0, 3.5], 0.25),
        (Quantity.ECHO_UNEVENNESS, [1.0, 2.0, 3.0], 0.0),
        (Quantity.WATER_FAT_STEP, [1.0, 2.0, 3.0], 360 * 1e-3 * 3.4 * 3 * 42.577478),
        (Quantity.WATER_FAT_STEP, [1.0, 5.0, 9.0], 360 * (4e-3 * 3.4 * 3 * 42.577478 - 1)),
        (Quantity.HALF_CYCLE_ERROR, [1.1513, 2.3026, 3.4540], 0.0),
        (Quantity.HALF_CYCLE_ERROR, [1.1513 + 0.46052], 20.0),
        (Quantity.HALF_CYCLE_ERROR, [1.1513 - 0.46052], 20.0),
    ],
)
def test_what_follows_from_echo_times(quantity: Quantity, times: list[float], value: float) -> None:
    """3.4 ppm at 3 T are 434.3 Hz, a period of 2.3026 ms."""
    found = measured(quantity, acquired(EchoTime=times, MagneticFieldStrength=3.0))
    assert found == pytest.approx(value, abs=0.02)


@pytest.mark.parametrize(("quantity", "at"), [(Quantity.IN_PHASE_ERROR, 0.0), (Quantity.OPPOSED_PHASE_ERROR, 0.5)])
@given(turns=st.integers(1, 4), off=st.floats(-0.49, 0.49))
def test_phase_error_is_the_distance_to_the_nearest_phase(
    quantity: Quantity, at: float, turns: int, off: float
) -> None:
    """Whatever the number of turns, early or late."""
    suffix = Suffix.INPH if at == 0 else Suffix.OUTPH
    time = (turns + at + off) * 1e3 / (3.4 * 3 * 42.577478)
    found = measured(quantity, acquired(suffix, EchoTime=time, MagneticFieldStrength=3.0))
    assert found == pytest.approx(100 * abs(off), abs=1e-6)


def test_phase_is_told_of_the_image_it_belongs_to(tmp_path: Path) -> None:
    """Opposed-phase timing is that of OUTPH, and without OUTPH it is unknown."""
    dixon = SCANS["vendor-2-point-dixon"]
    (found,) = acquisitions(put(tmp_path / "a", dixon))
    assert measured(Quantity.OPPOSED_PHASE_ERROR, found) == pytest.approx(0.1, abs=0.1)
    assert measured(Quantity.IN_PHASE_ERROR, found) == pytest.approx(0.1, abs=0.1)
    (without,) = acquisitions(put(tmp_path / "b", dixon.without("OUTPH")))
    assert measured(Quantity.OPPOSED_PHASE_ERROR, without) == Unknown("there is no OUTPH image")


def test_single_echo_has_no_spacing() -> None:
    """Unknown, and says why."""
    for quantity in (Quantity.ECHO_SPACING, Quantity.ECHO_UNEVENNESS, Quantity.WATER_FAT_STEP):
        found = measured(quantity, acquired(EchoTime=[2.3], MagneticFieldStrength=3.0))
        assert found == Unknown("EchoTime has fewer than 2 values")


@pytest.mark.parametrize(
    ("sidecar", "frequency"),
    [
        ({"MagneticFieldStrength": 3.0, "ImagingFrequency": 123.25}, 123.25),
        ({"MagneticFieldStrength": 3.0}, 3 * 42.577478),
        ({"ImagingFrequency": 63.8}, 63.8),
        ({}, Unknown("MagneticFieldStrength is missing")),
        (
            {"MagneticFieldStrength": 1.5, "ImagingFrequency": 123.25},
            Unknown("ImagingFrequency does not fit MagneticFieldStrength"),
        ),
        (
            {"MagneticFieldStrength": 3.0, "ImagingFrequency": 123.25e6},
            Unknown("ImagingFrequency does not fit MagneticFieldStrength"),
        ),
    ],
)
def test_frequency_is_the_true_one_where_it_fits_the_field(sidecar: dict[str, float], frequency: object) -> None:
    """Nominal 3 T may be 2.89 T; hertz in place of megahertz is found out."""
    found = imaging_frequency(acquired(**sidecar))
    assert found == (pytest.approx(frequency) if isinstance(frequency, float) else frequency)
    timing = measured(Quantity.WATER_FAT_STEP, acquired(EchoTime=[1.0, 2.0], **sidecar))
    assert isinstance(timing, Unknown) == isinstance(frequency, Unknown)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("SE", "spin echo"),
        ("SE/IR", "spin echo"),
        ("SE\\IR", "spin echo"),
        ("SPIN", "spin echo"),
        ("GR", "gradient echo"),
        ("GR/SE", "gradient echo"),
        ("GRADIENT", "gradient echo"),
        ("EP", "other"),
    ],
)
def test_sequence_is_read_from_its_codes(said: str, found: str) -> None:
    """A mixture counts as the gradient echo it contains."""
    assert measured(Quantity.SCANNING_SEQUENCE, acquired(ScanningSequence=said)) == found


def test_word_that_is_no_choice_is_unknown() -> None:
    """1D is neither 2D nor 3D."""
    assert measured(Quantity.ACQUISITION_TYPE, acquired(MRAcquisitionType="2D")) == "2D"
    found = measured(Quantity.ACQUISITION_TYPE, acquired(MRAcquisitionType="1D"))
    assert found == Unknown("MRAcquisitionType is neither 2D nor 3D")


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ((Part.MAG,), "magnitude only"),
        ((Part.MAG, Part.PHASE), "magnitude and phase"),
        ((Part.REAL, Part.IMAG), "real and imaginary"),
        ((Part.PHASE,), "incomplete"),
        ((Part.REAL,), "incomplete"),
        ((Part.MAG, Part.REAL), "magnitude only"),
    ],
)
def test_components_that_are_there(parts: tuple[Part, ...], found: str) -> None:
    """Every word is one the profile can name."""
    assert measured(Quantity.COMPONENTS, acquired(Suffix.MEGRE, *parts)) == found
    assert found in QUANTITIES[Quantity.COMPONENTS].words


@pytest.mark.parametrize(
    ("names", "found"),
    [(("WAT", "FAT", "FF"), "water and fat"), (("FF",), "fat fraction only"), (("WAT",), "incomplete")],
)
def test_products_that_are_there(tmp_path: Path, names: tuple[str, ...], found: str) -> None:
    """Water without fat is no fat fraction."""
    (seen,) = acquisitions(put(tmp_path, Scan({name: {} for name in names}, {})))
    assert measured(Quantity.PRODUCTS, seen) == found


def test_t1_bias_of_a_fast_two_point_dixon(tmp_path: Path) -> None:
    """From the sidecar to 21.88 points at 3 T, 18.05 at 1.5 T."""
    scan = SCANS["vendor-2-point-dixon"].having(FlipAngle=9.0, RepetitionTime=4.0)
    (at_3t,) = acquisitions(put(tmp_path / "a", scan))
    (at_15t,) = acquisitions(put(tmp_path / "b", scan.having(MagneticFieldStrength=1.5)))
    assert t1_bias(at_3t, bias_limit()) == pytest.approx(21.88, abs=0.01)
    assert t1_bias(at_15t, bias_limit()) == pytest.approx(18.05, abs=0.01)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"FlipAngle": 0.0}, "FlipAngle or RepetitionTime is impossible"),
        ({"FlipAngle": 180.0}, "FlipAngle or RepetitionTime is impossible"),
        ({"RepetitionTime": 0.0}, "FlipAngle or RepetitionTime is impossible"),
        ({"RepetitionTime": -4.0}, "FlipAngle or RepetitionTime is impossible"),
        ({"MagneticFieldStrength": 7.0}, "the profile has no T1 at this field strength"),
    ],
)
def test_t1_bias_that_cannot_be_computed_is_unknown(tmp_path: Path, change: dict[str, float], reason: str) -> None:
    """No division by zero and no T1 of another field."""
    (found,) = acquisitions(put(tmp_path, multi_echo([1.0, 2.0]).having(**change)))
    assert t1_bias(found, bias_limit()) == Unknown(reason)
