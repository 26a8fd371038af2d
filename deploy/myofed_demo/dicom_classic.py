"""MR Image Storage: one file per slice and echo, as Siemens and GE export them (PS3.3 A.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from myofed_demo.dicom_header import decimal
from myofed_demo.dicom_technique import Technique
from myofed_demo.exam import Exam

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


def oblique_slices(
    volume: NDArray[np.int16], affine_lps: NDArray[np.float64], *, echo_index: int, echo_time_ms: float
) -> Iterator[Slice]:
    """The slices of a volume (i, j, k) whose axes lie anywhere in the patient, in order of k; rows are j, columns are i."""
    orientation = orientation_text(affine_lps)
    for k in range(volume.shape[2]):
        x, y, z = (float(v) for v in (affine_lps @ (0, 0, k, 1))[:3])
        yield Slice(np.ascontiguousarray(volume[:, :, k].T), (x, y, z), orientation, echo_index, echo_time_ms)


def orientation_text(affine_lps: NDArray[np.float64]) -> tuple[str, ...]:
    """ImageOrientationPatient: unit vectors of growing i, then of growing j (PS3.3 C.7.6.2.1.1)."""
    axes = affine_lps[:3, :2] / np.linalg.norm(affine_lps[:3, :2], axis=0)
    return tuple(decimal(float(v)) for v in axes.T.ravel())


def add_technique(dataset: Dataset, technique: Technique) -> None:
    """The data set says how the images were made (PS3.3 C.8.3.1); echo time and position come with each slice."""
    dataset.ScanningSequence = list(technique.scanning_sequence)
    dataset.SequenceVariant = list(technique.sequence_variant)
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = technique.acquisition_type
    dataset.SliceThickness = decimal(technique.slice_thickness_mm)
    dataset.SpacingBetweenSlices = decimal(technique.spacing_mm[2])
    dataset.RepetitionTime = decimal(technique.repetition_time_ms)
    dataset.FlipAngle = decimal(technique.flip_angle_degrees)
    dataset.NumberOfAverages = "1"
    dataset.ImagingFrequency = decimal(technique.imaging_frequency_mhz)
    dataset.ImagedNucleus = "1H"
    dataset.MagneticFieldStrength = decimal(technique.field_tesla)
    dataset.EchoTrainLength = technique.echo_train_length
    dataset.PixelBandwidth = "890"
    dataset.PercentSampling = dataset.PercentPhaseFieldOfView = "100"
    if technique.inversion_time_ms is not None:
        dataset.InversionTime = decimal(technique.inversion_time_ms)
    if technique.phase_encoding is not None:
        dataset.InPlanePhaseEncodingDirection = technique.phase_encoding
    dataset.AcquisitionMatrix = [0, technique.columns, technique.rows, 0]
    dataset.PixelSpacing = [decimal(technique.spacing_mm[1]), decimal(technique.spacing_mm[0])]


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
