"""What real DICOM files hold, read here by pydicom alone: one volume an echo and component, placed by the standard elements."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import Dataset

from myofed_demo.vendor_matrix import ImageTruth
from myofed_schemas.mids import Part, Suffix

SIEMENS_HALF_TURN = 4096.0


@dataclass(frozen=True, eq=False)
class _Frame:
    pixels: NDArray[np.float64]
    position: NDArray[np.float64]
    axes: NDArray[np.float64]
    spacing: tuple[float, float]
    echo_time_ms: float
    phase: bool


def volumes_of(folder: Path) -> tuple[ImageTruth, ...]:
    """The volumes of one series, arbitrary units up to a factor, phases in radians; the suffix is a place holder."""
    frames = [frame for dataset in _datasets(folder) for frame in _frames(dataset)]
    kinds = sorted({(frame.phase, frame.echo_time_ms) for frame in frames})
    return tuple(_volume([f for f in frames if (f.phase, f.echo_time_ms) == kind]) for kind in kinds)


def _datasets(folder: Path) -> Iterator[Dataset]:
    for path in sorted(folder.iterdir()):
        if path.read_bytes()[128:132] == b"DICM":
            yield pydicom.dcmread(path)


def _frames(dataset: Dataset) -> Iterator[_Frame]:
    pixels = dataset.pixel_array.astype(np.float64)
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    if groups is None:
        plane, values = dataset, dataset
        words = set(dataset.ImageType)
        yield _frame(pixels, plane, dataset.PixelSpacing, float(dataset.EchoTime), values, phase="P" in words)
        return
    for number, group in enumerate(groups):
        plane = Dataset()
        plane.ImagePositionPatient = group.PlanePositionSequence[0].ImagePositionPatient
        plane.ImageOrientationPatient = group.PlaneOrientationSequence[0].ImageOrientationPatient
        echo = float(group.MREchoSequence[0].EffectiveEchoTime)
        phase = group.MRImageFrameTypeSequence[0].ComplexImageComponent == "PHASE"
        spacing = group.PixelMeasuresSequence[0].PixelSpacing
        yield _frame(pixels[number], plane, spacing, echo, group.PixelValueTransformationSequence[0], phase=phase)


def _frame(
    pixels: NDArray[np.float64], plane: Dataset, spacing: list[float], echo: float, values: Dataset, *, phase: bool
) -> _Frame:
    slope, intercept = float(values.get("RescaleSlope", 1)), float(values.get("RescaleIntercept", 0))
    real = pixels * slope + intercept
    return _Frame(
        pixels=real * math.pi / SIEMENS_HALF_TURN if phase else real,
        position=np.array(plane.ImagePositionPatient, dtype=np.float64),
        axes=np.array(plane.ImageOrientationPatient, dtype=np.float64).reshape(2, 3),
        spacing=(float(spacing[0]), float(spacing[1])),
        echo_time_ms=echo,
        phase=phase,
    )


def _volume(frames: list[_Frame]) -> ImageTruth:
    first = frames[0]
    normal = np.cross(first.axes[0], first.axes[1])
    ordered = sorted(frames, key=lambda f: float(f.position @ normal))
    affine = np.eye(4)
    affine[:3, 0] = first.axes[0] * first.spacing[1]
    affine[:3, 1] = first.axes[1] * first.spacing[0]
    affine[:3, 2] = (ordered[-1].position - ordered[0].position) / (len(ordered) - 1)
    affine[:3, 3] = ordered[0].position
    return ImageTruth(
        suffix=Suffix.T1W,
        part=Part.PHASE if first.phase else Part.MAG,
        echo_times_ms=(first.echo_time_ms,),
        values=np.stack([f.pixels.T for f in ordered], axis=-1)[..., None],
        affine_lps=affine,
        markers_mm=(),
    )
