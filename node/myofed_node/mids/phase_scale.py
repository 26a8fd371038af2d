"""What stored values of a phase mean: by what the header proves, by the vendor's convention, or by the site's override."""

from __future__ import annotations

import math
from dataclasses import dataclass

from myofed_node.mids.dicom_input.frames import ValueMapping, Vendor
from myofed_node.mids.judging.overrides import CONTRADICTION, SeriesOverride
from myofed_node.mids.refusal import SeriesRefusedError

SIEMENS_RANGE = 4096.0
"""Siemens writes phase as 12 bits: slope 2, intercept -4096, so that -4096..4096 is -pi..pi (dcm2niix FILENAMING.md; VE11, XA30)."""
MILLIRADIANS = 1000.0
"""To the radian; Philips and GE write phase so."""
UNITS = {"RAD": 1.0, "RADIANS": 1.0, "MRAD": MILLIRADIANS, "MILLIRADIANS": MILLIRADIANS}
"""RescaleType, or UCUM code of a RealWorldValueMapping, in upper case: steps to the radian; holds for every vendor."""
AGREEMENT_RADIANS = 5e-3
"""Ends of two scales that are one: 4095 and 4096 steps differ by 1.5e-3."""


@dataclass(frozen=True)
class LinearMap:
    """real = stored * slope + intercept, of one frame."""

    slope: float
    intercept: float

    @property
    def is_identity(self) -> bool:
        """Whether stored values are the real ones."""
        return (self.slope, self.intercept) == (1.0, 0.0)

    def at(self, stored: float) -> float:
        """The real value."""
        return stored * self.slope + self.intercept


def radians(mapping: ValueMapping, vendor: Vendor, override: SeriesOverride | None) -> LinearMap:
    """The map from stored values to radians.

    Raises:
        SeriesRefusedError: PHASE_SCALE_UNKNOWN, neither header nor site tell; OVERRIDE_CONTRADICTS_HEADERS, they differ.
    """
    known = _by_unit(mapping) or _by_vendor(mapping, vendor)
    told = override.phase_range if override else None
    if told is not None:
        low, high = told
        slope = 2.0 * math.pi / (high - low)
        by_site = LinearMap(slope, -math.pi - low * slope)
        if known is not None and any(abs(known.at(end) - by_site.at(end)) > AGREEMENT_RADIANS for end in told):
            raise SeriesRefusedError(CONTRADICTION, "phase_range=not the scale that the header proves")
        return by_site
    if known is None:
        raise SeriesRefusedError(
            "PHASE_SCALE_UNKNOWN", f"RescaleSlope={mapping.slope:g}", f"RescaleIntercept={mapping.intercept:g}"
        )
    return known


def _by_unit(mapping: ValueMapping) -> LinearMap | None:
    """What the header says itself, in standard elements."""
    steps = UNITS.get(mapping.rescale_type)
    if steps is not None:
        return LinearMap(mapping.slope / steps, mapping.intercept / steps)
    found = mapping.real_world
    steps = UNITS.get(found.unit.upper()) if found else None
    return LinearMap(found.slope / steps, found.intercept / steps) if found and steps else None


def _by_vendor(mapping: ValueMapping, vendor: Vendor) -> LinearMap | None:
    scale = (mapping.slope, mapping.intercept)
    if vendor is Vendor.SIEMENS and scale == (2.0, -SIEMENS_RANGE):
        steps = SIEMENS_RANGE / math.pi
    elif vendor is Vendor.PHILIPS and abs(mapping.intercept + MILLIRADIANS * math.pi) < 2.0:
        steps = MILLIRADIANS
    elif vendor is Vendor.PHILIPS and abs(mapping.intercept + math.pi) < 2e-3:
        steps = 1.0
    elif vendor is Vendor.GE and mapping.signed and scale == (1.0, 0.0):
        steps = MILLIRADIANS
    else:
        return None
    return LinearMap(mapping.slope / steps, mapping.intercept / steps)
