"""Where images go: labels of subjects and sessions, and a free run number for every image; nothing is overwritten."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from myofed_node.mids.dicom_input.frames import Series
from myofed_node.mids.judging.classify import PlannedImage
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.errors import MyofedError
from myofed_schemas.ids import SessionLabel, SubjectLabel
from myofed_schemas.mids import ImageName, Part
from myofed_schemas.sidecar import Sidecar

SESSION_LABEL_LENGTH = 10
_LABEL = re.compile(r"[A-Za-z0-9]{1,32}")


@dataclass(frozen=True)
class NamedImage:
    """A planned image with the name it will have."""

    name: ImageName
    image: PlannedImage


def session_label(study_uid: str) -> SessionLabel:
    """The session's label: ten base32 characters of SHA-256 of the new StudyInstanceUID; the same in any process.

    The UID is keyed already, so that the label tells nothing of the old one.
    """
    return base64.b32encode(hashlib.sha256(study_uid.encode()).digest()).decode()[:SESSION_LABEL_LENGTH]


def subject_label(series: Series) -> SubjectLabel:
    """The de-identified PatientID, which is the subject's label.

    Raises:
        SeriesRefusedError: SUBJECT_LABEL_INVALID.
    """
    if not _LABEL.fullmatch(series.subject):
        raise SeriesRefusedError("SUBJECT_LABEL_INVALID", "PatientID=not letters and digits only")
    return series.subject


@dataclass(frozen=True)
class _Taken:
    name: ImageName
    source: str


def name_images(
    planned: Sequence[tuple[Series, tuple[PlannedImage, ...]]], *, dataset: Path
) -> dict[str, tuple[NamedImage, ...]]:
    """A name for every image of one session, by new SeriesInstanceUID.

    An image that the data set already holds from this series keeps its name. Magnitudes are numbered in order of
    SeriesNumber; a phase, real or imaginary image takes the run of the magnitude with the same echoes and grid that is
    nearest by SeriesNumber.

    Args:
        planned: All series of one subject and session.
        dataset: May hold images of earlier calls.
    """
    ordered = sorted(planned, key=lambda item: (item[0].number, item[0].uid))
    images = [(series, image) for series, group in ordered for image in group]
    images.sort(key=lambda item: item[1].part is not Part.MAG)
    taken: list[_Taken] = []
    named: dict[str, list[NamedImage]] = {}
    placed: list[tuple[Series, NamedImage]] = []
    for series, image in images:
        name = _bare_name(series, image)
        taken = taken or existing(dataset, name)
        name = _kept_run(name, series, taken) or _new_run(name, series, image, placed, taken)
        taken.append(_Taken(name, series.uid))
        placed.append((series, NamedImage(name, image)))
        named.setdefault(series.uid, []).append(NamedImage(name, image))
    return {uid: tuple(items) for uid, items in named.items()}


def _bare_name(series: Series, image: PlannedImage) -> ImageName:
    part = None if image.part is Part.MAG else image.part
    return ImageName(subject_label(series), session_label(series.study_uid), image.suffix, part)


def existing(dataset: Path, name: ImageName) -> list[_Taken]:
    """Images of this session that are complete (their sidecar is there), with the series they came from."""
    found = []
    for path in sorted((dataset / name.folder.parent).glob("mr-*/*.json")):
        try:
            sidecar = Sidecar.model_validate_json(path.read_bytes())
            found.append(_Taken(ImageName.parse(path.stem), sidecar.provenance.source_series_instance_uid))
        except (ValidationError, MyofedError):
            raise MyofedError(
                "SESSION_NOT_OURS",
                f"expected only sidecars of profile myofed-1 in {name.folder.parent}, found another",
                hint="convert into a new folder",
            ) from None
    return found


def _kept_run(name: ImageName, series: Series, taken: Iterable[_Taken]) -> ImageName | None:
    return next((t.name for t in taken if t.source == series.uid and replace(t.name, run=1) == name), None)


def _new_run(
    name: ImageName,
    series: Series,
    image: PlannedImage,
    placed: Sequence[tuple[Series, NamedImage]],
    taken: Sequence[_Taken],
) -> ImageName:
    used = {t.name for t in taken}
    partners = [(s, n) for s, n in placed if name.part and n.name.part is None and _same_grid(n.image, image)]
    partners.sort(key=lambda item: abs(item[0].number - series.number))
    for _, partner in partners:
        if replace(name, run=partner.name.run) not in used:
            return replace(name, run=partner.name.run)
    busy = {n.run for n in used if n.suffix is name.suffix and (name.part or n.part is None)}
    return replace(name, run=next(run for run in range(1, len(used) + 2) if run not in busy))


def _same_grid(first: PlannedImage, second: PlannedImage) -> bool:
    one, other = first.stack, second.stack
    return (
        first.suffix is second.suffix
        and one.echo_times_ms == other.echo_times_ms
        and len(one.frames) == len(other.frames)
        and bool(np.allclose(one.affine_ras, other.affine_ras, atol=1e-3))
    )
