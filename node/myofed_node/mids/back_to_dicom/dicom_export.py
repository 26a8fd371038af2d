"""Converted images back as DICOM, one series each under new UIDs, proven by reading them again."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydicom.filewriter import dcmwrite

from myofed_node.mids.back_to_dicom.dicom_objects import objects_of
from myofed_node.mids.back_to_dicom.dicom_proof import prove_series
from myofed_node.mids.back_to_dicom.dicom_source import DicomSource, read_source
from myofed_node.mids.dataset import Dataset, open_dataset
from myofed_node.mids.image import Image
from myofed_node.mids.listing import Unread
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import fsync_folder
from myofed_schemas.ids import Code

Progress = Callable[[int, int], None]
Outcome = Literal["written", "kept", "refused"]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExportedImage(_Document):
    """One image's one outcome."""

    image: str
    """NIfTI file, relative to the data set."""
    outcome: Outcome
    """written; kept, it was there already and was proven again; refused, with its code."""
    folder: str | None = None
    """Relative to OUT."""
    files: int = 0
    series_instance_uid: str | None = None
    code: Code | None = None
    message: str | None = None
    """What was expected and what was found."""


class UnreadFile(_Document):
    """A file of the data set that is not one of its images, so that it was not exported."""

    path: str
    reason: str


class DicomExportReport(_Document):
    """What became of the images that were asked for."""

    format: Literal["myofed-dicom-export-1"] = "myofed-dicom-export-1"
    images: tuple[ExportedImage, ...]
    unread: tuple[UnreadFile, ...] = ()

    def count(self, outcome: Outcome) -> int:
        """Number of images with this outcome."""
        return Counter(image.outcome for image in self.images)[outcome]

    @property
    def complete(self) -> bool:
        """Everything that was asked for is in OUT."""
        return not self.count("refused") and not self.unread

    def lines(self) -> list[str]:
        """Counts, and each refused image and unread file with its code."""
        counts = ", ".join(f"{self.count(outcome)} {outcome}" for outcome in ("written", "kept", "refused"))
        refused = [f"  {i.image}: {i.code}: {i.message}" for i in self.images if i.outcome == "refused"]
        unread = [f"  {file.path}: not read, {file.reason}" for file in self.unread]
        return [f"{len(self.images)} images: {counts}", *refused, *unread]


def export_dicom(
    dataset: Path,
    out: Path,
    *,
    image: str | None = None,
    subject: str | None = None,
    progress: Progress | None = None,
) -> DicomExportReport:
    """`out` holds a DICOM series for every image asked for that suffices, in sub-*/ses-*/<image stem>; each was read back and proven.

    Each series appears whole or not at all. May be killed at any moment and called again: what is there is proven and kept.

    Args:
        dataset: ORMIR-MIDS data set that our conversion made; only read.
        out: Outside the data set; may hold series of earlier calls.
        image: Path of one image, relative to the data set.
        subject: Label of one subject; all images where neither is given.
        progress: Called with (images done, images in all).

    Raises:
        MyofedError: DATASET_MISSING, DATASET_EMPTY, DATASET_UNREADABLE, OUT_INSIDE_SOURCE, IMAGE_MISSING, SUBJECT_MISSING.
    """
    opened = open_dataset(dataset)
    if out.resolve().is_relative_to(dataset.resolve()):
        raise MyofedError(
            "OUT_INSIDE_SOURCE",
            "expected OUT outside the data set, found it inside",
            hint="choose another",
            exit_code=ExitCode.USAGE,
        )
    chosen, unread = _chosen(opened, image=image, subject=subject)
    if not chosen and not unread:
        raise MyofedError(
            "DATASET_EMPTY",
            "expected images to export, found none",
            hint="check the path",
            exit_code=ExitCode.INVALID_DATASET,
        )
    outcomes = []
    for done, one in enumerate(chosen, start=1):
        outcomes.append(_outcome(one, out))
        if progress:
            progress(done, len(chosen))
    return DicomExportReport(
        images=tuple(outcomes), unread=tuple(UnreadFile(path=str(u.path), reason=u.reason) for u in unread)
    )


def _chosen(opened: Dataset, *, image: str | None, subject: str | None) -> tuple[tuple[Image, ...], tuple[Unread, ...]]:
    if image is not None:
        return (opened.image(PurePosixPath(image)),), ()
    if subject is None:
        return opened.images(), opened.unread
    label = opened.subject(subject).label
    return opened.images(subject=label), tuple(u for u in opened.unread if u.path.parts[0] == f"sub-{label}")


def _outcome(image: Image, out: Path) -> ExportedImage:
    folder = image.path.parent.parent / image.name.stem
    try:
        source = read_source(image)
        kept = (out / folder).exists()
        files = _prove_kept(out / folder, source) if kept else _write(out / folder, source)
    except MyofedError as refusal:
        return ExportedImage(image=str(image.path), outcome="refused", code=refusal.code, message=refusal.message)
    return ExportedImage(
        image=str(image.path),
        outcome="kept" if kept else "written",
        folder=str(folder),
        files=files,
        series_instance_uid=source.series_uid,
    )


def _prove_kept(folder: Path, source: DicomSource) -> int:
    try:
        return prove_series(folder, source)
    except (MyofedError, NotADirectoryError):
        raise MyofedError(
            "EXPORT_EXISTS",
            "expected a free place in OUT, or this image's own series, found something else at its place",
            hint="take it away, or choose another OUT",
            exit_code=ExitCode.USAGE,
        ) from None


def _write(folder: Path, source: DicomSource) -> int:
    """The series lies in `folder`, whole and proven; written under a hidden name, which an earlier call may have left."""
    draft = folder.parent / f".{folder.name}.partial"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    try:
        for dataset in objects_of(source):
            path = draft / f"{dataset.InstanceNumber:05d}.dcm"
            with path.open("xb") as stream:
                dcmwrite(stream, dataset, enforce_file_format=True)
                stream.flush()
                os.fsync(stream.fileno())
        files = prove_series(draft, source)
        fsync_folder(draft)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    fsync_folder(folder.parent)
    return files
