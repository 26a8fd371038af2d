"""Real values of stored pixels: per-frame rescale, Philips' scale slope, phase in radians."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myofed_node.mids.dicom_input.frames import FileIndex, Frame, ValueMapping, Vendor
from myofed_node.mids.judging.classify import PlannedImage
from myofed_node.mids.judging.quantity import Quantity
from myofed_node.mids.phase_scale import LinearMap, radians
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Part
from myofed_schemas.sidecar import ScalingKind

PHASE_TOLERANCE_RADIANS = 2e-3
"""One stored step of milliradian phase beyond pi is rounding and is cut; more is another scale and is refused."""

INTEGERS: tuple[type[np.integer], ...] = (np.int16, np.uint16, np.int32)
Stored = Mapping[FileIndex, NDArray[np.generic]]
"""Stored pixels of each file: (frames, rows, columns)."""


@dataclass(frozen=True)
class Voxels:
    """The array to be written.

    Attributes:
        values: (column, row, slice[, echo]); the narrowest of int16, uint16, int32 (float64 for larger ones)
            where stored values are the real ones, else float32.
        scaling: What was done to stored values.
    """

    values: NDArray[np.generic]
    scaling: ScalingKind


def scaling_of(image: PlannedImage, vendor: Vendor) -> tuple[ScalingKind, dict[Frame, LinearMap]]:
    """How each frame of the image is mapped, one kind for all of them.

    Raises:
        SeriesRefusedError: PHASE_SCALE_UNKNOWN, SCALE_SLOPE_INCOMPLETE, MAP_UNIT_UNKNOWN, OVERRIDE_CONTRADICTS_HEADERS.
    """
    frames = [frame for group in image.stack.frames for frame in group]
    if image.part is Part.PHASE:
        return "phase-radians", _of_each(frames, lambda mapping: radians(mapping, vendor, image.override))
    if image.quantity is not None:
        return _of_map(frames, image.quantity)
    with_scale_slope = sum(frame.mapping.philips_scale_slope is not None for frame in frames)
    if vendor is Vendor.PHILIPS and with_scale_slope:
        if with_scale_slope < len(frames):
            raise SeriesRefusedError(
                "SCALE_SLOPE_INCOMPLETE", f"(2005,xx0E)=in {with_scale_slope} of {len(frames)} frames"
            )
        return "philips-scale-slope", _of_each(frames, _precise)
    return _rescaled(_of_each(frames, lambda mapping: LinearMap(mapping.slope, mapping.intercept)))


def _of_each(frames: Sequence[Frame], mapped: Callable[[ValueMapping], LinearMap]) -> dict[Frame, LinearMap]:
    """Most frames say the same, so that few maps are worked out."""
    known = {mapping: mapped(mapping) for mapping in {frame.mapping for frame in frames}}
    return {frame: known[frame.mapping] for frame in frames}


def _rescaled(maps: dict[Frame, LinearMap]) -> tuple[ScalingKind, dict[Frame, LinearMap]]:
    return ("stored" if all(one.is_identity for one in maps.values()) else "rescale"), maps


def _of_map(frames: Sequence[Frame], quantity: Quantity) -> tuple[ScalingKind, dict[Frame, LinearMap]]:
    """A map's values in the unit of its suffix."""
    scale = quantity.scale
    if quantity.base == "rescale":
        return _rescaled(_of_each(frames, lambda m: LinearMap(m.slope * scale, m.intercept * scale)))
    if any(frame.mapping.real_world is None for frame in frames):
        raise SeriesRefusedError("MAP_UNIT_UNKNOWN", "RealWorldValueMappingSequence=not in every frame")
    return "real-world", _of_each(frames, lambda m: _real_world(m, scale))


def _real_world(mapping: ValueMapping, scale: float) -> LinearMap:
    found = mapping.real_world
    assert found is not None, "seen in every frame before"
    return LinearMap(found.slope * scale, found.intercept * scale)


def _precise(mapping: ValueMapping) -> LinearMap:
    """Philips' precise value (PV * RS + RI) / (RS * SS) (Chenevert 2014, Transl Oncol 7:65, eq. 2)."""
    divisor = mapping.slope * (mapping.philips_scale_slope or 0.0)
    if not divisor:
        raise SeriesRefusedError("SCALE_SLOPE_INCOMPLETE", "RescaleSlope=0")
    return LinearMap(mapping.slope / divisor, mapping.intercept / divisor)


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
    rows, columns = image.stack.frames[0][0].plane.shape
    planes = [[_plane_of(frame, stored) for frame in group] for group in image.stack.frames]
    shape = (columns, rows, len(planes), len(planes[0]))
    values = np.empty(shape, dtype=_stored_dtype(planes) if scaling == "stored" else np.float32, order="F")
    for k, group in enumerate(image.stack.frames):
        for echo, frame in enumerate(group):
            values[:, :, k, echo] = _real(planes[k][echo], maps[frame], scaling).T
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


def _stored_dtype(planes: Sequence[Sequence[NDArray[np.generic]]]) -> np.dtype[np.generic]:
    """The first of these that holds every value: int16 first, because more tools read it than uint16; float64 holds uint32."""
    low = min(int(plane.min(initial=0)) for group in planes for plane in group)
    high = max(int(plane.max(initial=0)) for group in planes for plane in group)
    fitting = (kind for kind in INTEGERS if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return np.dtype(next(fitting, np.float64))


def _check(image: PlannedImage, values: NDArray[np.generic]) -> None:
    if image.part_assumed and values.min(initial=0) < 0:
        raise SeriesRefusedError("COMPONENT_UNPROVEN", "component=not said, pixel values=negative")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise SeriesRefusedError("VALUES_NOT_FINITE", "RescaleSlope=gives values that are not finite")
