"""Labelled subjects of an ORMIR-MIDS data set, read once and kept in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from myofed_node.learning.subjects import LabelledVolume, Slices, slices_of
from myofed_node.mids.dataset import Dataset
from myofed_node.mids.image import LabelMap
from myofed_node.mids.inphase import InPhaseImage, in_phase_images
from myofed_schemas.canonical import digest
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import StudyManifest

MAX_CACHED_BYTES = 2 << 30


@dataclass(frozen=True)
class _Session:
    """One labelled session."""

    chosen: InPhaseImage
    labels: LabelMap


def labelled_subjects(dataset: Path) -> tuple[str, ...]:
    """Labels of the subjects that have a label map, sorted: whom a study can count on; none where there is no data set."""
    return tuple(sorted({label_map.name.subject for label_map in Dataset(dataset).label_maps()}))


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
        for session in _sessions(Dataset(dataset), subject)
    ]
    return Slices(images=torch.cat([p.images for p in parts]), classes=torch.cat([p.classes for p in parts]))


def _sessions(dataset: Dataset, subject: str) -> list[_Session]:
    sessions = sorted({label_map.name.session for label_map in dataset.label_maps(subject=subject)})
    found = [labelled for session in sessions for labelled in _labelled(dataset, subject, session)[:1]]
    if not found:
        raise MyofedError(
            "SUBJECT_NOT_LABELLED",
            "expected a label map on the in-phase image of each subject, found a subject without",
            hint="import the reader's label maps, then approve the study again",
            exit_code=ExitCode.INVALID_DATASET,
        )
    return found


def _labelled(dataset: Dataset, subject: str, session: str) -> list[_Session]:
    """The session's in-phase images that have a label map, best first."""
    candidates = [(chosen, chosen.image.find_labels()) for chosen in in_phase_images(dataset.root, subject, session)]
    return [_Session(chosen, labels) for chosen, labels in candidates if labels is not None]


def _volume(session: _Session) -> LabelledVolume:
    image = session.chosen.image
    return LabelledVolume(
        image=image.values(session.chosen.volume).astype(np.float32),
        labels=session.labels.on_image_grid(),
        affine_ras=image.affine_ras,
    )


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
        key = (str(dataset), subject, digest(manifest.image), manifest.muscles, _state(Dataset(dataset), subject))
        if key not in self._kept:
            self._kept[key] = read_subject(dataset, subject, manifest=manifest)
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and sum(_bytes(s) for s in self._kept.values()) > self.max_bytes:
            self._kept.popitem(last=False)
        return self._kept[key]


def _state(dataset: Dataset, subject: str) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of change of every image and label map of the subject."""
    found = [*dataset.images(subject=subject), *dataset.label_maps(subject=subject)]
    states = [(item.file, item.file.stat()) for item in found]
    return tuple((str(file.relative_to(dataset.root)), s.st_size, s.st_mtime_ns) for file, s in states)


def _bytes(slices: Slices) -> int:
    return slices.images.nbytes + slices.classes.nbytes
