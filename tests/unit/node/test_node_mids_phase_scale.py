"""What stored values of a phase mean."""

from __future__ import annotations

import math

import pytest

from myofed_node.mids.dicom_input.frames import RealWorldValue, ValueMapping, Vendor
from myofed_node.mids.judging.overrides import SeriesOverride
from myofed_node.mids.phase_scale import LinearMap, radians
from myofed_node.mids.refusal import SeriesRefusedError


def mapping(slope: float = 1.0, intercept: float = 0.0, **said: object) -> ValueMapping:
    facts = {"rescale_type": "", "philips_scale_slope": None, "real_world": None, "bits_stored": 12, "signed": False}
    return ValueMapping(slope, intercept, **{**facts, **said})  # type: ignore[arg-type]


def override(low: float, high: float) -> SeriesOverride:
    return SeriesOverride("8" * 64, phase_range=(low, high))


def refused(found: ValueMapping, vendor: Vendor, said: SeriesOverride | None = None) -> str:
    with pytest.raises(SeriesRefusedError) as refusal:
        radians(found, vendor, said)
    return refusal.value.code


@pytest.mark.parametrize("vendor", list(Vendor))
def test_scale_that_nothing_proves_is_refused(vendor: Vendor) -> None:
    """12 bits without rescale: any scale would be a guess, whoever made the scanner."""
    assert refused(mapping(), vendor) == "PHASE_SCALE_UNKNOWN"


def test_site_that_contradicts_the_header_is_refused() -> None:
    """A scale that the header proves is not to be overridden."""
    known = mapping(2.0, -4096.0)
    assert refused(known, Vendor.SIEMENS, override(0, 2048)) == "OVERRIDE_CONTRADICTS_HEADERS"
    assert radians(known, Vendor.SIEMENS, override(0, 4095)).at(2048) == pytest.approx(0.0, abs=2e-3)


@pytest.mark.parametrize(
    ("found", "vendor", "half_turn"),
    [
        (mapping(2.0, -4096.0), Vendor.SIEMENS, 4096.0),
        (mapping(1.534, -3141.59), Vendor.PHILIPS, (1000 * math.pi + 3141.59) / 1.534),
        (mapping(0.001534, -math.pi), Vendor.PHILIPS, 2 * math.pi / 0.001534),
        (mapping(signed=True, bits_stored=16), Vendor.GE, 1000 * math.pi),
        (mapping(rescale_type="MRAD", signed=True), Vendor.CANON, 1000 * math.pi),
        (mapping(0.5, rescale_type="RADIANS"), Vendor.OTHER, 2 * math.pi),
        (mapping(real_world=RealWorldValue(0.01, 0.0, "rad")), Vendor.UNITED_IMAGING, 100 * math.pi),
        (mapping(7.0, real_world=RealWorldValue(1.0, 0.0, "mrad")), Vendor.OTHER, 1000 * math.pi),
    ],
)
def test_half_a_turn_by_vendor_or_by_the_headers_unit(found: ValueMapping, vendor: Vendor, half_turn: float) -> None:
    """Siemens, Philips and GE by their conventions; anybody's where RescaleType or the real-world unit says it."""
    assert radians(found, vendor, None).at(half_turn) == pytest.approx(math.pi, abs=1e-5)


def test_other_real_world_units_say_nothing_of_a_phase() -> None:
    """Arbitrary units are no angle."""
    assert refused(mapping(real_world=RealWorldValue(1.0, 0.0, "1")), Vendor.OTHER) == "PHASE_SCALE_UNKNOWN"


def test_range_of_the_site_maps_its_ends_to_half_turns() -> None:
    """Stored low and high mean -pi and pi."""
    told = radians(mapping(), Vendor.SIEMENS, override(-100, 300))
    assert (told.at(-100), told.at(300)) == (pytest.approx(-math.pi), pytest.approx(math.pi))
    assert not told.is_identity
    assert LinearMap(1.0, 0.0).is_identity
