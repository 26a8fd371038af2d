r"""GE classic export: all echoes of a gradient echo in one series, echo fastest, the kind of image in (0043,xx2F).

As in DV/MR29: `ImageType` is `ORIGINAL\PRIMARY\OTHER` for every kind of image; the private element (0043,xx2F) of `GEMS_PARM_01`
says magnitude (0), phase (1), real (2) or imaginary (3); 16 bit signed pixels without rescale. Private content is made up.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from myofed_demo.dicom_classic import (
    Slice,
    Stored,
    add_pixel_format,
    add_technique,
    axial_slices,
    put_slice,
    stored_values,
)
from myofed_demo.dicom_header import Equipment, Series, header, write_instance
from myofed_demo.dicom_technique import technique_of
from myofed_demo.exam import Exam, WrittenSeries
from myofed_demo.phantom import Subject

EQUIPMENT = {
    1.5: Equipment("GE MEDICAL SYSTEMS", "SIGNA Artist", "29\\LX\\MR Software release:MR29.1", "ISO_IR 100"),
    3.0: Equipment("GE MEDICAL SYSTEMS", "SIGNA Premier", "29\\LX\\MR Software release:MR29.1", "ISO_IR 100"),
}
STORED = Stored(bits=16, signed=True, full_scale=12000)
MAGNITUDE = 0


def write_images(folder: Path, exam: Exam, subject: Subject) -> tuple[WrittenSeries, ...]:
    """The subject's multi-echo series lies in `folder`; a reader labels it."""
    dataset = template(exam, subject, Series(3, "Ax MERGE thigh 3 echo", MRImageStorage))
    return (write_slices(folder, exam, dataset, _echo_fastest(subject, subject.preset.echo_times_ms), labelled=True),)


def write_quarantine(folder: Path, exam: Exam, subject: Subject) -> WrittenSeries:
    """All echoes claim the same EchoTime, as research sequences do: which echo is which cannot be known (dcm2niix #359)."""
    dataset = template(exam, subject, Series(7, "Ax research multi echo", MRImageStorage))
    same = (subject.preset.echo_times_ms[0],) * len(subject.preset.echo_times_ms)
    slices = [Slice(s.pixels, s.position_mm, s.orientation, 0, s.echo_time_ms) for s in _echo_fastest(subject, same)]
    written = write_slices(folder, exam, dataset, slices, labelled=False)
    return WrittenSeries("quarantine", written.series_instance_uid, written.files)


def template(exam: Exam, subject: Subject, series: Series) -> Dataset:
    """Everything that is the same in all files of a GE series, private blocks included."""
    dataset = header(exam, series, EQUIPMENT[subject.preset.field_tesla])
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    add_technique(dataset, technique_of(subject.preset))
    dataset.ScanOptions = ["FAST_GEMS", "ACC_GEMS"]
    add_pixel_format(dataset, STORED)
    add_private(dataset, exam, echoes=len(subject.preset.echo_times_ms))
    return dataset


def add_private(dataset: Dataset, exam: Exam, *, echoes: int) -> None:
    """Private blocks as GE writes them, with made-up identities where free text can stand; the image is a magnitude."""
    identity = dataset.private_block(0x0009, "GEMS_IDEN_01", create=True)
    identity.add_new(0x02, "SH", exam.hospital.station)
    identity.add_new(0xE3, "UI", exam.uid("equipment"))
    acquisition = dataset.private_block(0x0019, "GEMS_ACQU_01", create=True)
    acquisition.add_new(0x9C, "LO", "merge")
    acquisition.add_new(0x7E, "SS", echoes)
    series_block = dataset.private_block(0x0025, "GEMS_SERS_01", create=True)
    series_block.add_new(0x14, "SL", 1)
    series_block.add_new(0x1A, "SH", exam.patient.name.split("^")[0][:16])
    parameters = dataset.private_block(0x0043, "GEMS_PARM_01", create=True)
    parameters.add_new(0x2F, "SS", MAGNITUDE)
    parameters.add_new(0x9A, "LO", exam.patient.comment[:64])


def _echo_fastest(subject: Subject, echo_times_ms: tuple[float, ...]) -> list[Slice]:
    """Slices ordered as GE numbers them: all echoes of a position, then the next position."""
    values = stored_values(np.abs(subject.echoes), STORED)
    by_echo = [
        list(axial_slices(values[..., index], subject.affine_lps, echo_index=index, echo_time_ms=te_ms))
        for index, te_ms in enumerate(echo_times_ms)
    ]
    return [by_echo[index][k] for k in range(values.shape[2]) for index in range(len(echo_times_ms))]


def write_slices(
    folder: Path, exam: Exam, dataset: Dataset, slices: Iterable[Slice], *, labelled: bool
) -> WrittenSeries:
    """One file per slice and echo lies in a folder of this series, named as a GE export names them."""
    target = folder / f"S{dataset.SeriesNumber:03d}"
    target.mkdir(parents=True)
    number = 0
    for number, item in enumerate(slices, start=1):
        put_slice(dataset, exam, item, number=number)
        write_instance(dataset, target / f"i{9_000_000 - number}.MRDC.{number}", station=exam.hospital.station)
    return WrittenSeries("image", str(dataset.SeriesInstanceUID), number, labelled)
