"""MR Image Storage: one file per slice and echo, as Siemens and GE export them (PS3.3 A.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from myofed_demo.dicom_header import decimal
from myofed_demo.exam import Exam
from myofed_demo.scanner import ScannerPreset

AXIAL = ("1", "0", "0", "0", "1", "0")


@dataclass(frozen=True)
class Stored:
    """How magnitudes become stored integers.

    Attributes:
        bits: BitsStored.
        signed: PixelRepresentation 1.
        full_scale: Stored value of the brightest voxel.
    """

    bits: int
    signed: bool
    full_scale: int


@dataclass(frozen=True, eq=False)
class Slice:
    """One file's image.

    Attributes:
        pixels: (rows, columns) stored integers.
        position_mm: ImagePositionPatient.
        orientation: ImageOrientationPatient.
        echo_index: From 0.
        echo_time_ms: Of this file.
    """

    pixels: NDArray[np.int16]
    position_mm: tuple[float, float, float]
    orientation: tuple[str, ...]
    echo_index: int
    echo_time_ms: float


def stored_values(magnitude: NDArray[np.float32], stored: Stored) -> NDArray[np.int16]:
    """Magnitudes scaled so that the brightest one is `full_scale`, rounded; one factor for the whole array."""
    factor = stored.full_scale / float(magnitude.max())
    return np.asarray(np.rint(magnitude * factor), dtype=np.int16)


def axial_slices(
    volume: NDArray[np.int16], affine_lps: NDArray[np.float64], *, echo_index: int, echo_time_ms: float
) -> Iterator[Slice]:
    """The slices of a volume (i, j, k), distal first; rows are j, columns are i."""
    for k in range(volume.shape[2]):
        x, y, z = (float(v) for v in (affine_lps @ (0, 0, k, 1))[:3])
        yield Slice(np.ascontiguousarray(volume[:, :, k].T), (x, y, z), AXIAL, echo_index, echo_time_ms)


def add_technique(dataset: Dataset, preset: ScannerPreset) -> None:
    """The data set says how the images were made (PS3.3 C.8.3.1); echo time and position come with each slice."""
    dataset.ScanningSequence = "GR"
    dataset.SequenceVariant = "SP"
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "2D"
    dataset.SliceThickness = decimal(preset.slice_thickness_mm)
    dataset.SpacingBetweenSlices = decimal(preset.spacing_mm[2])
    dataset.RepetitionTime = decimal(preset.repetition_time_ms)
    dataset.FlipAngle = decimal(preset.flip_angle_degrees)
    dataset.NumberOfAverages = "1"
    dataset.ImagingFrequency = decimal(preset.imaging_frequency_mhz)
    dataset.ImagedNucleus = "1H"
    dataset.MagneticFieldStrength = decimal(preset.field_tesla)
    dataset.EchoTrainLength = len(preset.echo_times_ms)
    dataset.PixelBandwidth = "890"
    dataset.PercentSampling = dataset.PercentPhaseFieldOfView = "100"
    dataset.InPlanePhaseEncodingDirection = "COL"
    dataset.AcquisitionMatrix = [0, preset.shape[0], preset.shape[1], 0]
    dataset.PixelSpacing = [decimal(preset.spacing_mm[1]), decimal(preset.spacing_mm[0])]


def add_pixel_format(dataset: Dataset, stored: Stored) -> None:
    """The data set says how its pixels are stored (PS3.3 C.7.6.3)."""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 16
    dataset.BitsStored = stored.bits
    dataset.HighBit = stored.bits - 1
    dataset.PixelRepresentation = int(stored.signed)


def put_slice(dataset: Dataset, exam: Exam, item: Slice, *, number: int) -> None:
    """The data set is the instance of this slice; what the last slice left in it is replaced."""
    dataset.SOPInstanceUID = exam.uid(f"series {dataset.SeriesNumber} instance {number}")
    dataset.InstanceNumber = number
    dataset.AcquisitionNumber = 1
    dataset.EchoTime = decimal(item.echo_time_ms)
    dataset.EchoNumbers = item.echo_index + 1
    dataset.ImagePositionPatient = [decimal(v) for v in item.position_mm]
    dataset.ImageOrientationPatient = list(item.orientation)
    dataset.SliceLocation = decimal(item.position_mm[2])
    dataset.Rows, dataset.Columns = item.pixels.shape
    dataset.SmallestImagePixelValue = int(item.pixels.min())
    dataset.LargestImagePixelValue = int(item.pixels.max())
    dataset.PixelData = item.pixels.astype("<i2").tobytes()
