"""Real values of stored pixels: per-frame rescale, Philips' scale slope, phase in radians."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myofed_node.mids.classify import PlannedImage
from myofed_node.mids.frames import FileIndex, Frame, Vendor
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Part
from myofed_schemas.sidecar import ScalingKind

SIEMENS_PHASE_RANGE = 4096.0
"""Siemens writes phase as 12 bits: slope 2, intercept -4096, so that -4096..4096 is -pi..pi (dcm2niix FILENAMING.md; VE11, XA30)."""
MILLIRADIANS = 1000.0 * math.pi
"""Philips and GE write phase in milliradians."""
PHASE_TOLERANCE_RADIANS = 2e-3
"""One stored step of milliradian phase beyond pi is rounding and is cut; more is another scale and is refused."""

Stored = Mapping[FileIndex, NDArray[np.generic]]
"""Stored pixels of each file: (frames, rows, columns)."""


@dataclass(frozen=True)
class LinearMap:
    """real = stored * slope + intercept, of one frame."""

    slope: float
    intercept: float

    @property
    def is_identity(self) -> bool:
        """Whether stored values are the real ones."""
        return (self.slope, self.intercept) == (1.0, 0.0)


@dataclass(frozen=True)
class Voxels:
    """The array to be written.

    Attributes:
        values: (column, row, slice[, echo]); int16 or uint16 where stored values are the real ones, else float32.
        scaling: What was done to stored values.
    """

    values: NDArray[np.generic]
    scaling: ScalingKind


def scaling_of(image: PlannedImage, vendor: Vendor) -> tuple[ScalingKind, dict[Frame, LinearMap]]:
    """How each frame of the image is mapped, one kind for all of them.

    Raises:
        SeriesRefusedError: PHASE_SCALE_UNKNOWN, SCALE_SLOPE_INCOMPLETE.
    """
    frames = [frame for group in image.stack.frames for frame in group]
    if image.part is Part.PHASE:
        return "phase-radians", {frame: _radians(frame, vendor) for frame in frames}
    with_scale_slope = sum(frame.mapping.philips_scale_slope is not None for frame in frames)
    if vendor is Vendor.PHILIPS and with_scale_slope:
        if with_scale_slope < len(frames):
            raise SeriesRefusedError(
                "SCALE_SLOPE_INCOMPLETE", f"(2005,xx0E)=in {with_scale_slope} of {len(frames)} frames"
            )
        return "philips-scale-slope", {frame: _precise(frame) for frame in frames}
    maps = {frame: LinearMap(frame.mapping.slope, frame.mapping.intercept) for frame in frames}
    return ("stored" if all(m.is_identity for m in maps.values()) else "rescale"), maps


def _precise(frame: Frame) -> LinearMap:
    """Philips' precise value (PV * RS + RI) / (RS * SS) (Chenevert 2014, Transl Oncol 7:65, eq. 2)."""
    mapping = frame.mapping
    divisor = mapping.slope * (mapping.philips_scale_slope or 0.0)
    if not divisor:
        raise SeriesRefusedError("SCALE_SLOPE_INCOMPLETE", "RescaleSlope=0")
    return LinearMap(mapping.slope / divisor, mapping.intercept / divisor)


def _radians(frame: Frame, vendor: Vendor) -> LinearMap:
    mapping = frame.mapping
    if vendor is Vendor.SIEMENS and (mapping.slope, mapping.intercept) == (2.0, -SIEMENS_PHASE_RANGE):
        half_turn = SIEMENS_PHASE_RANGE
    elif vendor is Vendor.PHILIPS and abs(mapping.intercept + MILLIRADIANS) < 2.0:
        half_turn = MILLIRADIANS
    elif vendor is Vendor.PHILIPS and abs(mapping.intercept + math.pi) < 2e-3:
        half_turn = math.pi
    elif vendor is Vendor.GE and mapping.signed and (mapping.slope, mapping.intercept) == (1.0, 0.0):
        half_turn = MILLIRADIANS
    else:
        raise SeriesRefusedError(
            "PHASE_SCALE_UNKNOWN", f"RescaleSlope={mapping.slope:g}", f"RescaleIntercept={mapping.intercept:g}"
        )
    return LinearMap(mapping.slope * math.pi / half_turn, mapping.intercept * math.pi / half_turn)


def voxels(image: PlannedImage, stored: Stored, *, vendor: Vendor) -> Voxels:
    """The image's values in the order of its stack.

    Args:
        image: As classified.
        stored: Stored pixels of every file of the series.
        vendor: Whose phase scale applies.

    Raises:
        SeriesRefusedError: PIXELS_SHAPE, PHASE_SCALE_UNKNOWN, SCALE_SLOPE_INCOMPLETE, COMPONENT_UNPROVEN (a magnitude
            that was only assumed has negative voxels), VALUES_NOT_FINITE.
    """
    scaling, maps = scaling_of(image, vendor)
    first = image.stack.frames[0][0]
    rows, columns = first.plane.shape
    shape = (columns, rows, len(image.stack.frames), len(image.stack.frames[0]))
    values = np.empty(shape, dtype=_stored_dtype(stored) if scaling == "stored" else np.float32, order="F")
    for k, group in enumerate(image.stack.frames):
        for echo, frame in enumerate(group):
            values[:, :, k, echo] = _real(_plane_of(frame, stored), maps[frame], scaling).T
    _check(image, values)
    return Voxels(values if image.suffix.stacks_echoes else values[..., 0], scaling)


def _plane_of(frame: Frame, stored: Stored) -> NDArray[np.generic]:
    pixels = stored[frame.file]
    if frame.index >= pixels.shape[0] or pixels.shape[1:] != frame.plane.shape:
        raise SeriesRefusedError("PIXELS_SHAPE", "NumberOfFrames, Rows or Columns=do not fit the pixel data")
    plane: NDArray[np.generic] = pixels[frame.index]
    return plane


def _real(plane: NDArray[np.generic], linear: LinearMap, scaling: ScalingKind) -> NDArray[np.generic]:
    if scaling == "stored":
        return plane
    real = plane.astype(np.float64) * linear.slope + linear.intercept
    if scaling == "phase-radians":
        if np.abs(real).max(initial=0.0) > math.pi + PHASE_TOLERANCE_RADIANS:
            raise SeriesRefusedError("PHASE_SCALE_UNKNOWN", "pixel values=beyond -pi..pi")
        real = np.clip(real, -math.pi, math.pi)
    with np.errstate(over="ignore"):  # infinite values are refused in _check, with a code
        return real.astype(np.float32)


def _stored_dtype(stored: Stored) -> np.dtype[np.generic]:
    """int16 where every value fits, because more tools read it than uint16."""
    low = min(int(pixels.min(initial=0)) for pixels in stored.values())
    high = max(int(pixels.max(initial=0)) for pixels in stored.values())
    if low >= -(2**15) and high < 2**15:
        return np.dtype(np.int16)
    return np.dtype(np.uint16) if low >= 0 and high < 2**16 else np.dtype(np.float32)


def _check(image: PlannedImage, values: NDArray[np.generic]) -> None:
    if image.part_assumed and values.min(initial=0) < 0:
        raise SeriesRefusedError("COMPONENT_UNPROVEN", "component=not said, pixel values=negative")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise SeriesRefusedError("VALUES_NOT_FINITE", "RescaleSlope=gives values that are not finite")
