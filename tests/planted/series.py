"""Patients who come again: multi-echo series that refer to a scout and to each other, and segmentations of them."""

from __future__ import annotations

import datetime as dt

from planted.draft import Draft
from planted.images import Study, classic, segmentation
from planted.made_up import MadeUp
from planted.vendor import safe_numbers

INTERVALS_DAYS = (0, 91, 287)
"""Between a patient's first study and the others: within one year, so that no shifted date meets an original one."""


def make_patient(made: MadeUp, *, number: int, studies: int, echoes: int, slices: int) -> list[Draft]:
    """All files of one patient: each study a scout, a Dixon series of several echoes, and two segmentations of it."""
    vendor = ("siemens", "philips", "ge")[number % 3]
    year = made.rng.randrange(1996, 2020)
    begin = dt.date(year, 1, 2) + dt.timedelta(days=made.rng.randrange(60))
    first: Study | None = None
    files: list[Draft] = []
    for visit, days in enumerate(INTERVALS_DAYS[:studies]):
        study = Study.of(made, same=first, year=year, date=f"{begin + dt.timedelta(days=days):%Y%m%d}")
        first = first or study
        files += _visit(made, study, name=f"series/{number:03d}/{visit}", vendor=vendor, images=(echoes, slices))
    return files


def _visit(made: MadeUp, study: Study, *, name: str, vendor: str, images: tuple[int, int]) -> list[Draft]:
    scout = classic(made, study, name=f"{name}/scout.dcm")
    dixon: list[Draft] = []
    series = made.uid()
    for echo in range(images[0]):
        for position in range(images[1]):
            draft = classic(made, study, name=f"{name}/dixon-{echo}-{position}.dcm", series=series)
            dataset = draft.dataset
            dataset.EchoNumbers, dataset.EchoTime = echo + 1, f"{1.15 * (echo + 1):.3f}"
            dataset.ImagePositionPatient = ["-100", "-100", str(-60 + 6.5 * position)]
            dataset.SeriesDescription = dataset.ProtocolName = "gre_dixon_6echo"
            _refer(draft, "ReferencedImageSequence", scout)
            if dixon:
                _refer(draft, "SourceImageSequence", dixon[0])
            safe_numbers(draft, vendor)
            dixon.append(draft)
    first_echo = dixon[: images[1]]
    masks = [
        segmentation(made, study, name=f"{name}/seg-{kind}.dcm", sources=first_echo, binary=kind == "bits")
        for kind in ("bits", "fractions")
    ]
    return [scout, *dixon, *masks]


def _refer(draft: Draft, sequence: str, target: Draft) -> None:
    item, _ = draft.item(sequence)
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = (
        target.dataset.SOPClassUID,
        target.dataset.SOPInstanceUID,
    )
