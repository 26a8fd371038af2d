"""Labelled subjects of an ORMIR-MIDS data set, prepared once and kept: on disk where there is a store, in memory always."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from myofed_node.learning.channels import ChannelImage, channel_images, on_grid
from myofed_node.learning.input_store import TRANSFORMS_VERSION, InputKey, InputStore
from myofed_node.learning.subjects import LabelledVolume, Slices, slices_of
from myofed_node.mids.dataset import Dataset
from myofed_node.mids.image import LabelMap
from myofed_schemas.canonical import digest
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import Channel, InputChannels, StudyInput, StudyManifest
from myofed_schemas.study_options import SiteLabels

MAX_CACHED_BYTES = 2 << 30


@dataclass(frozen=True)
class _Session:
    """One labelled session.

    Attributes:
        chosen: The image that the labels were drawn on.
        labels: The label map.
        others: Images of the study's channels, the chosen one among them; empty for a study of one channel.
    """

    chosen: ChannelImage
    labels: LabelMap
    others: tuple[ChannelImage, ...] = ()


def labelled_subjects(dataset: Path) -> tuple[str, ...]:
    """Labels of the subjects that have a label map, sorted: whom a study can count on; none where there is no data set."""
    return tuple(sorted({label_map.name.subject for label_map in Dataset(dataset).label_maps()}))


def read_subject(dataset: Path, subject: str, *, manifest: StudyManifest, labels: SiteLabels | None = None) -> Slices:
    """All labelled slices of one subject, over its sessions.

    Args:
        dataset: ORMIR-MIDS folder.
        subject: Label without `sub-`.
        manifest: Grid of the input and muscles.
        labels: What the site draws; None: every muscle singly.

    Raises:
        MyofedError: SUBJECT_NOT_LABELLED, LABEL_GRID, LABELS_EMPTY, LABEL_VALUE_UNKNOWN, LABEL_TOO_COARSE, IMAGE_*.
    """
    return _prepared(_sessions(Dataset(dataset), subject, image=manifest.image), manifest=manifest, labels=labels)


def _prepared(sessions: Sequence[_Session], *, manifest: StudyManifest, labels: SiteLabels | None) -> Slices:
    parts = [
        slices_of(_volume(session), image=manifest.image, muscles=manifest.muscles, labels=labels)
        for session in sessions
    ]
    return Slices(images=torch.cat([p.images for p in parts]), classes=torch.cat([p.classes for p in parts]))


def _unreadable() -> MyofedError:
    return MyofedError(
        "IMAGE_UNREADABLE",
        "expected NIfTI files that can be read, found another",
        hint="myofed-node validate DATASET names the file",
        exit_code=ExitCode.INVALID_DATASET,
    )


def _sessions(dataset: Dataset, subject: str, *, image: StudyInput) -> list[_Session]:
    sessions = sorted({label_map.name.session for label_map in dataset.label_maps(subject=subject)})
    found = [labelled for session in sessions for labelled in _labelled(dataset, subject, session, image=image)[:1]]
    if not found:
        _check_sidecars(dataset, subject)
        raise MyofedError(
            "SUBJECT_NOT_LABELLED",
            "expected a label map on an image that the study takes of each subject, found a subject without",
            hint="import the reader's label maps, then approve the study again",
            exit_code=ExitCode.INVALID_DATASET,
        )
    return found


def _check_sidecars(dataset: Dataset, subject: str) -> None:
    """A labelled image whose sidecar cannot be read is no candidate: its own code says more than that nothing is labelled."""
    for image in dataset.images(part=None, subject=subject):
        if image.find_labels() is not None:
            image.sidecar  # noqa: B018  raises SIDECAR_INVALID


def _labelled(dataset: Dataset, subject: str, session: str, *, image: StudyInput) -> list[_Session]:
    """The session's images of the study's channels that have a label map, best first."""
    candidates = channel_images(dataset, subject, session, channels=image.channel_names)
    firsts = {c.channel: c for c in reversed(candidates)}
    found = [(chosen, chosen.image.find_labels()) for chosen in candidates]
    return [
        _Session(chosen, labels, _others(chosen, firsts) if isinstance(image, InputChannels) else ())
        for chosen, labels in found
        if labels is not None
    ]


def _others(chosen: ChannelImage, firsts: Mapping[Channel, ChannelImage]) -> tuple[ChannelImage, ...]:
    """One image a channel: the labelled one for its own, the first for each other."""
    return tuple(chosen if name == chosen.channel else first for name, first in sorted(firsts.items()))


def _volume(session: _Session) -> LabelledVolume:
    chosen = session.chosen
    values, affine_ras = _finite(chosen), chosen.image.affine_ras
    others: dict[Channel, npt.NDArray[np.generic]] = {
        other.channel: on_grid(_finite(other), other.image.affine_ras, shape=values.shape, target_ras=affine_ras)
        for other in session.others
    }
    return LabelledVolume(image=values, labels=session.labels.on_image_grid(), affine_ras=affine_ras, channels=others)


def _finite(chosen: ChannelImage) -> npt.NDArray[np.float32]:
    values = chosen.image.values(chosen.volume).astype(np.float32)
    if not np.isfinite(values).all():
        raise MyofedError(
            "IMAGE_NOT_FINITE",
            "expected finite numbers in an image, found others",
            hint="convert the session again from its source",
            exit_code=ExitCode.INVALID_DATASET,
        )
    return values


@dataclass(frozen=True)
class SubjectCache:
    """Subjects in memory, by file state and input grid; the oldest go first when the limit is reached.

    Attributes:
        store: Where prepared subjects lie on disk as well; None: nowhere.
        max_bytes: Of memory.
    """

    store: InputStore | None = None
    max_bytes: int = MAX_CACHED_BYTES
    _kept: OrderedDict[tuple[object, ...], Slices] = field(default_factory=OrderedDict)

    def read(
        self, dataset: Path, subjects: Sequence[str], *, manifest: StudyManifest, labels: SiteLabels | None = None
    ) -> list[Slices]:
        """The subjects in this order, from memory where nothing on disk changed.

        Raises:
            MyofedError: As `read_subject`.
        """
        if self.store:
            self.store.forget(lambda subject: not (dataset / f"sub-{subject}").exists())
        return [self._one(dataset, subject, manifest=manifest, labels=labels) for subject in subjects]

    def _one(self, dataset: Path, subject: str, *, manifest: StudyManifest, labels: SiteLabels | None) -> Slices:
        asked = (digest(manifest.image), manifest.muscles, labels.structures if labels else ())
        key = (str(dataset), subject, *asked, _state(Dataset(dataset), subject))
        if key not in self._kept:
            self._kept[key] = self._stored(dataset, subject, manifest=manifest, labels=labels)
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and sum(s.bytes() for s in self._kept.values()) > self.max_bytes:
            self._kept.popitem(last=False)
        return self._kept[key]

    def _stored(self, dataset: Path, subject: str, *, manifest: StudyManifest, labels: SiteLabels | None) -> Slices:
        """From the store where it has an entry made of the very same bytes, else prepared and put there."""
        if self.store is None:
            return read_subject(dataset, subject, manifest=manifest, labels=labels)
        before, sessions = _state(Dataset(dataset), subject), _sessions(Dataset(dataset), subject, image=manifest.image)
        key = InputKey(subject, asked=_asked_digest(manifest, labels), content=_content_digest(sessions))
        found = self.store.get(key)
        if found is None:
            found = _prepared(sessions, manifest=manifest, labels=labels)
            if _state(Dataset(dataset), subject) == before:  # else the key is of other bytes than were read
                self.store.put(key, found)
        return found


def _asked_digest(manifest: StudyManifest, labels: SiteLabels | None) -> str:
    parts = (TRANSFORMS_VERSION, digest(manifest.image), manifest.muscles, labels.structures if labels else ())
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _content_digest(sessions: Sequence[_Session]) -> str:
    """Of the bytes of every image and label map, and of which volume is taken."""
    parts = [
        (
            _file_digest(s.labels.file),
            *((o.channel, o.volume, _file_digest(o.image.file)) for o in (s.chosen, *s.others)),
        )
        for s in sessions
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        raise _unreadable() from None


def _state(dataset: Dataset, subject: str) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of change of every image and label map of the subject."""
    found = [*dataset.images(subject=subject), *dataset.label_maps(subject=subject)]
    states = [(item.file, item.file.stat()) for item in found]
    return tuple((str(file.relative_to(dataset.root)), s.st_size, s.st_mtime_ns) for file, s in states)
