"""Labelled subjects of an ORMIR-MIDS data set, read once and kept in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from myofed_node.learning.subjects import LabelledVolume, Slices, slices_of
from myofed_node.mids.inphase import in_phase_images
from myofed_schemas.canonical import digest
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import StudyManifest

LABELS = Path("derivatives") / "labels"
MAX_CACHED_BYTES = 2 << 30
AFFINE_TOLERANCE_MM = 1e-3


@dataclass(frozen=True)
class _Session:
    """Files of one labelled session.

    Attributes:
        image: NIfTI, 3D or 4D.
        volume: Index along the fourth axis; 0 for 3D.
        labels: NIfTI label map with canonical values.
    """

    image: Path
    volume: int
    labels: Path


def labelled_subjects(dataset: Path) -> tuple[str, ...]:
    """Labels of the subjects that have a label map, sorted: whom a study can count on."""
    return tuple(
        sorted(
            {
                path.parents[2].name.removeprefix("sub-")
                for path in (dataset / LABELS).glob("sub-*/ses-*/*/*_dseg.nii.gz")
            }
        )
    )


def read_subject(dataset: Path, subject: str, *, manifest: StudyManifest) -> Slices:
    """All labelled slices of one subject, over its sessions.

    Args:
        dataset: ORMIR-MIDS folder.
        subject: Label without `sub-`.
        manifest: Grid of the input and muscles.

    Raises:
        MyofedError: SUBJECT_NOT_LABELLED, LABEL_GRID, LABELS_EMPTY, LABEL_VALUE_UNKNOWN, IMAGE_*.
    """
    parts = [
        slices_of(_volume(session), image=manifest.image, muscles=manifest.muscles)
        for session in _sessions(dataset, subject)
    ]
    return Slices(images=torch.cat([p.images for p in parts]), classes=torch.cat([p.classes for p in parts]))


def _sessions(dataset: Path, subject: str) -> list[_Session]:
    folders = sorted((dataset / LABELS / f"sub-{subject}").glob("ses-*"))
    found = [s for folder in folders for s in _labelled(dataset, subject, folder.name.removeprefix("ses-"))[:1]]
    if not found:
        raise MyofedError(
            "SUBJECT_NOT_LABELLED",
            "expected a label map on the in-phase image of each subject, found a subject without",
            hint="import the reader's label maps, then approve the study again",
            exit_code=ExitCode.INVALID_DATASET,
        )
    return found


def _labelled(dataset: Path, subject: str, session: str) -> list[_Session]:
    """The session's in-phase images that have a label map, best first."""
    images = in_phase_images(dataset, subject, session)
    sessions = [_Session(image=i.path, volume=i.volume, labels=_label_map(dataset, i.path)) for i in images]
    return [s for s in sessions if s.labels.exists()]


def _label_map(dataset: Path, image: Path) -> Path:
    return dataset / LABELS / image.parent.relative_to(dataset) / f"{image.name.removesuffix('.nii.gz')}_dseg.nii.gz"


def _volume(session: _Session) -> LabelledVolume:
    image, labels = (nib.nifti1.Nifti1Image.from_filename(path) for path in (session.image, session.labels))
    if not np.allclose(image.affine, labels.affine, atol=AFFINE_TOLERANCE_MM):
        raise MyofedError(
            "LABEL_GRID",
            "expected the label map on the image's grid, found another affine",
            exit_code=ExitCode.BAD_INPUT,
        )
    values = np.asarray(image.dataobj[..., session.volume] if image.ndim == 4 else image.dataobj, dtype=np.float32)
    return LabelledVolume(image=values, labels=np.asarray(labels.dataobj).astype(np.int32), affine_ras=image.affine)


@dataclass(frozen=True)
class SubjectCache:
    """Subjects in memory, by file state and input grid; the oldest go first when the limit is reached."""

    max_bytes: int = MAX_CACHED_BYTES
    _kept: OrderedDict[tuple[object, ...], Slices] = field(default_factory=OrderedDict)

    def read(self, dataset: Path, subjects: Sequence[str], *, manifest: StudyManifest) -> list[Slices]:
        """The subjects in this order, from memory where nothing on disk changed.

        Raises:
            MyofedError: As `read_subject`.
        """
        return [self._one(dataset, subject, manifest=manifest) for subject in subjects]

    def _one(self, dataset: Path, subject: str, *, manifest: StudyManifest) -> Slices:
        key = (str(dataset), subject, digest(manifest.image), manifest.muscles, _state(dataset, subject))
        if key not in self._kept:
            self._kept[key] = read_subject(dataset, subject, manifest=manifest)
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and sum(_bytes(s) for s in self._kept.values()) > self.max_bytes:
            self._kept.popitem(last=False)
        return self._kept[key]


def _state(dataset: Path, subject: str) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of change of every image and label map of the subject."""
    files = sorted(
        [*dataset.glob(f"sub-{subject}/**/*.nii.gz"), *(dataset / LABELS).glob(f"sub-{subject}/**/*.nii.gz")]
    )
    return tuple((str(f.relative_to(dataset)), f.stat().st_size, f.stat().st_mtime_ns) for f in files)


def _bytes(slices: Slices) -> int:
    return slices.images.nbytes + slices.classes.nbytes
