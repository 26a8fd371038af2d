r"""Siemens classic export: multi-echo gradient echo in one series, or the Dixon products as one series each.

As in VE11: all echoes in one series with one EchoTime per file, `ImageType` ending in `M\ND`, no rescale for magnitudes, a CSA
header with free text in (0029,xx10), times and positions repeated in (0019,xx) and (0051,xx). Private content is made up.
"""

from __future__ import annotations

import struct
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
from myofed_demo.dicom_header import Equipment, Series, decimal, header, write_instance
from myofed_demo.dicom_technique import technique_of
from myofed_demo.exam import Exam, WrittenSeries
from myofed_demo.phantom import Subject, in_phase
from myofed_demo.scanner import dixon_products

EQUIPMENT = {
    1.5: Equipment("SIEMENS", "Avanto_fit", "syngo MR E11", "ISO_IR 100"),
    3.0: Equipment("SIEMENS", "Prisma_fit", "syngo MR E11", "ISO_IR 100"),
}
STORED = Stored(bits=12, signed=False, full_scale=3900)
PD_T2_ECHO_TIMES_MS = (11.0, 92.0)


def write_images(folder: Path, exam: Exam, subject: Subject) -> tuple[WrittenSeries, ...]:
    """The subject's images lie in `folder`; the first series returned is the one a reader labels."""
    if subject.preset.export == "dixon-products":
        return _write_dixon(folder, exam, subject)
    series = Series(4, "thigh_gre_me6_tra", MRImageStorage)
    values = stored_values(np.abs(subject.echoes), STORED)
    slices = [
        item
        for index, te_ms in enumerate(subject.preset.echo_times_ms)
        for item in axial_slices(values[..., index], subject.affine_lps, echo_index=index, echo_time_ms=te_ms)
    ]
    dataset = template(exam, subject, series)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    return (write_slices(folder, exam, dataset, slices, labelled=True),)


def _write_dixon(folder: Path, exam: Exam, subject: Subject) -> tuple[WrittenSeries, ...]:
    """In-phase, opposed-phase, water and fat as the scanner's Dixon reconstruction gives them, a series each."""
    water, fat = dixon_products(subject.acquisition, subject.preset)
    index_in = subject.preset.in_phase_echo
    te_opposed, te_in = subject.preset.echo_times_ms[1 - index_in], subject.preset.echo_times_ms[index_in]
    opposed = np.abs(subject.echoes[..., 1 - index_in])
    products = (
        (5, "in", "IN_PHASE", te_in, in_phase(subject)),
        (6, "opp", "OPP_PHASE", te_opposed, opposed),
        (7, "F", "FAT", te_in, fat),
        (8, "W", "WATER", te_in, water),
    )
    written = []
    for number, suffix, product, te_ms, image in products:
        series = Series(number, f"thigh_vibe_dixon_tra_{suffix}", MRImageStorage)
        dataset = template(exam, subject, series)
        dataset.ImageType = ["DERIVED", "PRIMARY", "DIXON", product]
        slices = axial_slices(stored_values(image, STORED), subject.affine_lps, echo_index=0, echo_time_ms=te_ms)
        written.append(write_slices(folder, exam, dataset, slices, labelled=product == "IN_PHASE"))
    return tuple(written)


def write_quarantine(folder: Path, exam: Exam, subject: Subject) -> WrittenSeries:
    """A proton density and T2 weighted turbo spin echo: two echo times, but no multi-echo spin echo for T2 mapping."""
    series = Series(9, "thigh_pd_t2_tse_tra", MRImageStorage)
    dataset = template(exam, subject, series)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.SequenceName = "SE", ["SK", "SP", "OSP"], "*tse2d2_7"
    dataset.RepetitionTime, dataset.FlipAngle, dataset.EchoTrainLength = "3200", "150", 7
    first = in_phase(subject)
    values = stored_values(np.stack([first, 0.4 * first], axis=-1), STORED)
    slices = [
        item
        for index, te_ms in enumerate(PD_T2_ECHO_TIMES_MS)
        for item in axial_slices(values[..., index], subject.affine_lps, echo_index=index, echo_time_ms=te_ms)
    ]
    written = write_slices(folder, exam, dataset, slices, labelled=False)
    return WrittenSeries("quarantine", written.series_instance_uid, written.files)


def template(exam: Exam, subject: Subject, series: Series) -> Dataset:
    """Everything that is the same in all files of a Siemens series, private blocks included."""
    dataset = header(exam, series, EQUIPMENT[subject.preset.field_tesla])
    add_technique(dataset, technique_of(subject.preset))
    dataset.SequenceName = f"*fl2d{len(subject.preset.echo_times_ms)}"
    add_pixel_format(dataset, STORED)
    add_private(dataset, exam)
    return dataset


def add_private(dataset: Dataset, exam: Exam) -> None:
    """Private blocks as Siemens writes them, with made-up identities where free text can stand."""
    image = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    image.add_new(0x08, "CS", "IMAGE NUM 4")
    image.add_new(0x0F, "SH", "Normal")
    protocol = f'tPatientName = "{exam.patient.name}" tInstitution = "{exam.hospital.institution}"'
    raw = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    raw.add_new(0x10, "OB", csa_header({"ImaAbsTablePosition": "0", "ImageComments": exam.patient.comment}))
    raw.add_new(0x20, "OB", csa_header({"MrPhoenixProtocol": f"### ASCCONV BEGIN ### {protocol} ### ASCCONV END ###"}))
    workflow = dataset.private_block(0x0029, "SIEMENS MEDCOM HEADER2", create=True)
    workflow.add_new(0x60, "LO", f"com {exam.patient.operator}")
    display = dataset.private_block(0x0051, "SIEMENS MR HEADER", create=True)
    display.add_new(0x0E, "LO", "Tra")
    display.add_new(0x16, "LO", "M/ND")
    display.add_new(0x19, "LO", exam.patient.name)


def csa_header(tags: dict[str, str]) -> bytes:
    """A CSA2 header with one text item per tag (layout: nibabel's description of the Siemens CSA header)."""
    parts = [b"SV10\x04\x03\x02\x01", struct.pack("<II", len(tags), 77)]
    for name, text in tags.items():
        value = text.encode("latin-1") + b"\x00"
        parts.append(struct.pack("<64si4siii", name.encode("ascii"), 1, b"LO", 0, 1, 77))
        parts.append(struct.pack("<4i", len(value), len(value), 77, len(value)) + value + b"\x00" * (-len(value) % 4))
    return b"".join(parts)


def write_slices(
    folder: Path, exam: Exam, dataset: Dataset, slices: Iterable[Slice], *, labelled: bool
) -> WrittenSeries:
    """One file per slice lies in a folder of this series, named as an export from the console names them."""
    target = folder / f"{dataset.SeriesNumber:04d}_{dataset.SeriesDescription}"
    target.mkdir(parents=True)
    number = 0
    for number, item in enumerate(slices, start=1):
        put_slice(dataset, exam, item, number=number)
        dataset.private_block(0x0051, "SIEMENS MR HEADER").add_new(0x0D, "SH", f"SP H{decimal(item.position_mm[2])}")
        name = f"{exam.patient.name.replace('^', '_')}.MR.{dataset.SeriesNumber:04d}.{number:04d}.IMA"
        write_instance(dataset, target / name, station=exam.hospital.station)
    return WrittenSeries("image", str(dataset.SeriesInstanceUID), number, labelled)
