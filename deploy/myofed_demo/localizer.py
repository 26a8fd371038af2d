"""Series beside the images of interest: the localizer of every exam, and a screen capture with the patient's name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage, SecondaryCaptureImageStorage

from myofed_demo import dicom_ge, dicom_siemens
from myofed_demo.dicom_classic import AXIAL, Slice, Stored, add_pixel_format, add_technique, put_slice, stored_values
from myofed_demo.dicom_header import Equipment, Series, header, write_instance
from myofed_demo.dicom_philips import EQUIPMENT as PHILIPS
from myofed_demo.dicom_technique import technique_of
from myofed_demo.exam import Exam, WrittenSeries
from myofed_demo.phantom import Subject, in_phase

CORONAL = ("1", "0", "0", "0", "0", "-1")
SAGITTAL = ("0", "1", "0", "0", "0", "-1")
PIXELS = 48
FIELD_MM = 384.0
STORED = Stored(bits=12, signed=False, full_scale=2000)
EQUIPMENT = {"siemens": dicom_siemens.EQUIPMENT, "ge": dicom_ge.EQUIPMENT, "philips": PHILIPS}
DESCRIPTION = {"siemens": "localizer", "ge": "3-Plane Loc", "philips": "SURVEY"}


def write_localizer(folder: Path, exam: Exam, subject: Subject) -> WrittenSeries:
    """Three planes through the isocentre, coarse, lie in `folder` as one series of three files."""
    preset = subject.preset
    series = Series(1, DESCRIPTION[preset.vendor], MRImageStorage)
    dataset = _template(exam, subject, series)
    add_technique(dataset, technique_of(preset))
    dataset.ImageType = (
        ["ORIGINAL", "PRIMARY", "M", "ND"] if preset.vendor != "ge" else ["ORIGINAL", "PRIMARY", "OTHER"]
    )
    dataset.PixelSpacing = [FIELD_MM / PIXELS, FIELD_MM / PIXELS]
    dataset.AcquisitionMatrix = [0, PIXELS, PIXELS, 0]
    target = folder / f"{series.number:03d}_{series.description.replace(' ', '_')}"
    target.mkdir(parents=True)
    number = 0
    for number, item in enumerate(_planes(subject), start=1):
        put_slice(dataset, exam, item, number=number)
        write_instance(dataset, target / f"{number:03d}.dcm", station=exam.hospital.station)
    return WrittenSeries("localizer", str(dataset.SeriesInstanceUID), number)


def write_screen_capture(folder: Path, exam: Exam, subject: Subject) -> WrittenSeries:
    """A screen save that says it has the patient's data burned in lies in `folder`: to be held back whatever it shows."""
    series = Series(99, "screen save", SecondaryCaptureImageStorage)
    dataset = _template(exam, subject, series)
    dataset.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]
    dataset.ConversionType, dataset.BurnedInAnnotation = "WSD", "YES"
    dataset.SOPInstanceUID = exam.uid("screen save")
    dataset.InstanceNumber = 1
    dataset.Rows = dataset.Columns = PIXELS
    dataset.PixelData = _plane(in_phase(subject)[:, :, 0].T).astype("<i2").tobytes()
    folder.mkdir(parents=True, exist_ok=True)
    write_instance(dataset, folder / "screen_save.dcm", station=exam.hospital.station)
    return WrittenSeries("screen-capture", str(dataset.SeriesInstanceUID), 1)


def _template(exam: Exam, subject: Subject, series: Series) -> Dataset:
    equipment: Equipment = EQUIPMENT[subject.preset.vendor][subject.preset.field_tesla]
    dataset = header(exam, series, equipment)
    add_pixel_format(dataset, STORED)
    return dataset


def _planes(subject: Subject) -> Iterator[Slice]:
    """One axial, one coronal and one sagittal plane of the in-phase image."""
    image = in_phase(subject)
    half = FIELD_MM / 2
    cuts = (
        (image[:, :, image.shape[2] // 2].T, (-half, -half, 0.0), AXIAL),
        (image[:, image.shape[1] // 2, ::-1].T, (-half, 0.0, half), CORONAL),
        (image[image.shape[0] // 3, :, ::-1].T, (0.0, -half, half), SAGITTAL),
    )
    for pixels, position, orientation in cuts:
        yield Slice(_plane(pixels), position, orientation, 0, subject.preset.echo_times_ms[0])


def _plane(pixels: NDArray[np.float32]) -> NDArray[np.int16]:
    """The plane stretched to the localizer's matrix by nearest neighbour."""
    rows = np.linspace(0, pixels.shape[0] - 1, PIXELS).round().astype(int)
    columns = np.linspace(0, pixels.shape[1] - 1, PIXELS).round().astype(int)
    return stored_values(np.ascontiguousarray(pixels[np.ix_(rows, columns)]), STORED)
