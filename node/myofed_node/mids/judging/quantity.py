"""The unit of a map: proven by the header, or told by the site; never by the size of its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from myofed_node.mids.dicom_input.frames import Frame
from myofed_node.mids.judging.overrides import CONTRADICTION, SeriesOverride
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Suffix, Unit

RESCALE_UNITS: dict[str, Unit] = {
    **dict.fromkeys(("%", "PERCENT", "PCT"), "percent"),
    **dict.fromkeys(("MS", "MSEC", "MILLISECONDS"), "ms"),
    **dict.fromkeys(("HZ", "HERTZ"), "Hz"),
    **dict.fromkeys(("1/S", "S-1", "/S"), "1/s"),
}
"""RescaleType (0028,1054); `s` alone is not believed, because de-identification leaves it of `1/s`."""
REAL_WORLD_UNITS: dict[str, tuple[Unit, float]] = {
    "%": ("percent", 1.0),
    "ms": ("ms", 1.0),
    "s": ("ms", 1000.0),
    "Hz": ("Hz", 1.0),
    "kHz": ("Hz", 1000.0),
    "/s": ("1/s", 1.0),
    "1/s": ("1/s", 1.0),
    "s-1": ("1/s", 1.0),
    "/ms": ("1/s", 1000.0),
    "1/ms": ("1/s", 1000.0),
    "ms-1": ("1/s", 1000.0),
}
"""MeasurementUnitsCodeSequence of a RealWorldValueMapping, codes of UCUM, with the factor to our unit."""
SAME_UNIT: dict[Unit, Unit] = {"Hz": "1/s"}
"""A rate may be written in hertz, which is 1/s; an off-resonance in 1/s is angular or not, and is not believed."""


@dataclass(frozen=True)
class Quantity:
    """How the stored values of a map become its suffix's unit.

    Attributes:
        base: What maps each frame first: RescaleSlope and -Intercept (never divided by Philips' scale slope), or the frame's
            RealWorldValueMapping (`ValueMapping.real_world`).
        scale: Factor after that.
    """

    base: Literal["rescale", "real-world"]
    scale: float = 1.0


def quantity_of(frames: Sequence[Frame], suffix: Suffix, override: SeriesOverride | None) -> Quantity | None:
    """How the values of a map get its unit; None of a suffix in arbitrary units.

    Raises:
        SeriesRefusedError: MAP_UNIT_UNKNOWN (FAT_FRACTION_UNIT_UNKNOWN of FF), OVERRIDE_CONTRADICTS_HEADERS.
    """
    said = override.unit if override else None
    if suffix.unit == "arbitrary":
        if said is not None:
            raise SeriesRefusedError(CONTRADICTION, f"suffix={suffix}, which has no unit", "override=unit")
        return None
    proven = {_proven(frame, suffix.unit) for frame in frames}
    told = proven.pop() if len(proven) == 1 else None
    if override is None or said is None:
        if told is None:
            code = "FAT_FRACTION_UNIT_UNKNOWN" if suffix is Suffix.FF else "MAP_UNIT_UNKNOWN"
            raise SeriesRefusedError(code, f"suffix={suffix}", f"RescaleType, RealWorldValueMapping=no {suffix.unit}")
        return told
    ours = Quantity("rescale", override.scale or 1.0)
    if said != suffix.unit or (told is not None and told != ours):
        raise SeriesRefusedError(CONTRADICTION, f"suffix={suffix}", f"unit={suffix.unit}", "override=unit")
    return ours


def _proven(frame: Frame, unit: Unit) -> Quantity | None:
    """The mapping that gives this unit; None where the header tells none, or two units that differ."""
    mapping = frame.mapping
    rescale = RESCALE_UNITS.get(mapping.rescale_type)
    world = REAL_WORLD_UNITS.get(mapping.real_world.unit) if mapping.real_world else None
    if rescale is not None and world is not None and _as(rescale, unit) != _as(world[0], unit):
        return None
    if rescale is not None and _as(rescale, unit) == unit:
        return Quantity("rescale")
    return Quantity("real-world", world[1]) if world is not None and _as(world[0], unit) == unit else None


def _as(found: Unit, wanted: Unit) -> Unit:
    return wanted if SAME_UNIT.get(found) == wanted else found
