"""Named checks of a data set and its files. Each returns what it found wrong, in words without values; nothing when all is well."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from myofed_node.mids.dataset_files import DESCRIPTION, PARTICIPANTS
from myofed_node.mids.dataset_view import IMAGE_ENDING, SIDECAR_ENDING, DatasetView, FileView, name_of, read_json
from myofed_schemas.mids import PROFILE
from myofed_schemas.rules import Rule

Found = tuple[str, ...]
DatasetCheck = Callable[[DatasetView, Rule], Found]
FileCheck = Callable[[FileView, Rule], Found]

FORBIDDEN_ENDINGS = ("_patient.json", "_extra.json")
IDENTIFYING_WORDS = re.compile(
    r"Patient(?!Position)|OtherNames|Birth|Physician|Operator|Institution|Address|Accession|Telephone|Occupation|"
    r"DeviceSerial|StationName|(Study|Series|Acquisition|Content|InstanceCreation)(Date|Time)|Comments|(^|_)(Age|Sex)$|"
    r"^(Study|SOP|FrameOfReference)[A-Za-z]*UID$"
)
"""Keys as ormir-mids and dcm2niix write them; SourceSeriesInstanceUID is our own, keyed one."""
DATE = re.compile(
    r"(19|20)\d{2}-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])([T ]?\d{2}(:?\d{2}(:?\d{2}(\.\d+)?)?)?)?([+-]\d{4}|Z)?"
)


def has_images(dataset: DatasetView, _rule: Rule) -> Found:
    """At least one image has a valid name."""
    return () if dataset.images else ("none",)


def has_description(dataset: DatasetView, _rule: Rule) -> Found:
    """dataset_description.json names format and profile."""
    content = read_json(dataset.root / DESCRIPTION)
    if content is None:
        return ("no such JSON object",)
    return (
        ()
        if (content.get("Format"), content.get("Profile")) == ("ORMIR-MIDS", PROFILE)
        else ("another format or profile",)
    )


def _participants(dataset: DatasetView) -> list[list[str]] | None:
    path = dataset.root / PARTICIPANTS
    if not path.is_file():
        return None
    return [line.split("\t") for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line]


def participants_agree(dataset: DatasetView, _rule: Rule) -> Found:
    """The table's rows are the folders."""
    rows = _participants(dataset)
    if rows is None:
        return ("no table",)
    return () if sorted(row[0] for row in rows[1:]) == list(dataset.subjects) else ("other rows than folders",)


def participants_columns(dataset: DatasetView, _rule: Rule) -> Found:
    """The table has no other column."""
    rows = _participants(dataset) or [["participant_id"]]
    return () if rows[0] == ["participant_id"] and {len(row) for row in rows} == {1} else (f"{len(rows[0])} columns",)


def not_forbidden(file: FileView, _rule: Rule) -> Found:
    """The file is no header dump of the reference implementation."""
    return tuple(ending for ending in FORBIDDEN_ENDINGS if file.path.name.lower().endswith(ending))


def _is_forbidden(file: FileView) -> bool:
    return file.path.name.lower().endswith(FORBIDDEN_ENDINGS)


def name_is_valid(file: FileView, _rule: Rule) -> Found:
    """Entities, suffix and ending are the profile's."""
    known = file.path.name.endswith((IMAGE_ENDING, SIDECAR_ENDING))
    return () if _is_forbidden(file) or (known and name_of(file.path)) else ("another name",)


def folder_agrees(file: FileView, _rule: Rule) -> Found:
    """Subject, session and kind of the folder are those of the name."""
    name = name_of(file.path)
    return () if name is None or file.path.parent == name.folder else ("another folder",)


def has_sidecar(file: FileView, _rule: Rule) -> Found:
    """An image has its sidecar."""
    if not file.path.name.endswith(IMAGE_ENDING):
        return ()
    beside = file.path.with_name(file.path.name.removesuffix(IMAGE_ENDING) + SIDECAR_ENDING)
    return () if (file.root / beside).is_file() else ("none",)


def has_image(file: FileView, _rule: Rule) -> Found:
    """A sidecar has its image."""
    if not file.path.name.endswith(SIDECAR_ENDING) or _is_forbidden(file):
        return ()
    beside = file.path.with_name(file.path.name.removesuffix(SIDECAR_ENDING) + IMAGE_ENDING)
    return () if (file.root / beside).is_file() else ("none",)


def sidecar_parses(file: FileView, _rule: Rule) -> Found:
    """A sidecar is a JSON object."""
    return ("none",) if file.path.name.endswith(SIDECAR_ENDING) and file.sidecar is None else ()


def no_identifying_key(file: FileView, _rule: Rule) -> Found:
    """No key, at any depth, tells who, where or when."""
    if not file.path.name.endswith(SIDECAR_ENDING):
        return ()
    return tuple(sorted({key for key, _ in _walk(file.sidecar or {}) if IDENTIFYING_WORDS.search(key)}))


def no_date(file: FileView, _rule: Rule) -> Found:
    """No text value, at any depth, is a date or date-time; the key is named, not the value."""
    if not file.path.name.endswith(SIDECAR_ENDING):
        return ()
    values = _walk(file.sidecar or {})
    return tuple(sorted({f"one in {key}" for key, v in values if isinstance(v, str) and DATE.fullmatch(v.strip())}))


def _walk(value: object, key: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield str(name), None
            yield from _walk(item, str(name))
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, key)
    else:
        yield key, value


DATASET_CHECKS: dict[str, DatasetCheck] = {
    check.__name__: check for check in (has_images, has_description, participants_agree, participants_columns)
}
FILE_CHECKS: dict[str, FileCheck] = {
    check.__name__: check
    for check in (
        not_forbidden,
        name_is_valid,
        folder_agrees,
        has_sidecar,
        has_image,
        sidecar_parses,
        no_identifying_key,
        no_date,
    )
}
