"""What values the dimensions of a count cube take; docs/disclosure.md lists them for people."""

from __future__ import annotations

from typing import get_args

from myofed_schemas.cube import DimensionName
from myofed_schemas.mids import Suffix
from myofed_schemas.subject_facts import Ambulation, GeneticConfirmation, Sex

UNKNOWN = "unknown"
SEVERAL = "several"
"""Of a dimension that takes one value, where the last visit has more."""
AGE_BANDS: tuple[tuple[str, int], ...] = (
    ("0-9", 9),
    ("10-19", 19),
    ("20-39", 39),
    ("40-59", 59),
    ("60-79", 79),
    ("80+", 200),
)
"""Cube band and the highest age in it; wider than the register's, for cohorts are small."""
VENDOR_VALUES = {
    "Siemens": "Siemens",
    "Philips": "Philips",
    "GE": "GE",
    "Canon": "Canon",
    "United Imaging": "United-Imaging",
    "other": "other",
}
"""The card's name of a vendor -> the cube's, which has no spaces."""
DIMENSIONS: tuple[DimensionName, ...] = get_args(DimensionName)

VALUES: dict[DimensionName, tuple[str, ...]] = {
    "genetic": get_args(GeneticConfirmation),
    "sex": get_args(Sex),
    "age": (*(band for band, _ in AGE_BANDS), UNKNOWN),
    "ambulation": get_args(Ambulation),
    "vendor": (*VENDOR_VALUES.values(), SEVERAL),
    "field-strength": ("0.3T", "0.55T", "1T", "1.5T", "3T", "7T", SEVERAL, UNKNOWN),
    "sequence": tuple(suffix.value for suffix in Suffix),
    "labels": ("none", "groups", "single-muscles"),
    "visits": ("1", "2", "3+"),
}
"""All values of each dimension but `diagnosis`, which takes ORPHA codes and `unknown`."""


def age_value(age_band: str) -> str:
    """The cube's age band for one of the register's, e.g. `40-59` for `40-44`."""
    first = int(age_band.removesuffix("+").split("-")[0])
    return next(band for band, highest in AGE_BANDS if first <= highest)
