"""Named checks of a data set's folders and files: what lies where under which name, and whether it can be read."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from myofed_node.mids.dataset_files import DESCRIPTION, PARTICIPANTS
from myofed_node.mids.validation.bounded_read import read_json
from myofed_node.mids.validation.checks import DATASET, ENTRY, FILE, PIPELINE, SUBJECT, Found
from myofed_node.mids.validation.dataset_tree import EntryKind, Region
from myofed_node.mids.validation.dataset_view import (
    FORBIDDEN_ENDINGS,
    DatasetView,
    EntryView,
    FileView,
    PipelineView,
    SubjectView,
    table_of,
)
from myofed_node.mids.validation.tolerant_name import IMAGE_ENDING, SIDECAR_ENDING
from myofed_schemas.mids import PROFILE
from myofed_schemas.rules import Rule

FORBIDDEN_NAMES = ("dicomdir",)
_DICOM = b"DICM"
_TOP_FILES = re.compile(
    r"dataset_description\.json|participants\.(tsv|json)|(README|CHANGES|LICENSE)(\.(md|rst|txt))?|CITATION\.cff|"
    r"[a-z]+-report\.(json|html)",
    re.IGNORECASE,
)
_IMAGES = (IMAGE_ENDING, ".nii", SIDECAR_ENDING)
_LINKS = (EntryKind.LINK_OUTSIDE, EntryKind.LINK_BROKEN, EntryKind.LINK_FOLDER)
_NO_FILES = (EntryKind.SPECIAL, EntryKind.FOLDER_UNREADABLE)


@DATASET.needs()
def has_images(dataset: DatasetView, _rule: Rule) -> Found:
    """At least one image has a valid name."""
    return () if dataset.images else ("none",)


@DATASET.needs()
def has_description(dataset: DatasetView, _rule: Rule) -> Found:
    """dataset_description.json names format and profile."""
    content = read_json(dataset.root / DESCRIPTION).value
    if not isinstance(content, dict):
        return ("no such JSON object",)
    agrees = (content.get("Format"), content.get("Profile")) == ("ORMIR-MIDS", PROFILE)
    return () if agrees else ("another format or profile",)


@DATASET.needs()
def participants_agree(dataset: DatasetView, _rule: Rule) -> Found:
    """The table's rows are the folders."""
    rows = table_of(dataset, dataset_path(PARTICIPANTS))
    if rows is None:
        return ("no table",)
    return _rows_agree(rows, tuple(subject.path.name for subject in dataset.subjects))


@DATASET.needs()
def participants_columns(dataset: DatasetView, _rule: Rule) -> Found:
    """The table has no other column."""
    return _only_column(table_of(dataset, dataset_path(PARTICIPANTS)), "participant_id")


@SUBJECT.needs()
def has_sessions_table(subject: SubjectView, _rule: Rule) -> Found:
    """The subject has a table of sessions."""
    return ("none",) if subject.table is None else ()


@SUBJECT.needs()
def sessions_agree(subject: SubjectView, _rule: Rule) -> Found:
    """Where there is a table of sessions, its rows are the folders."""
    return () if subject.table is None else _rows_agree(subject.table, subject.sessions)


@SUBJECT.needs()
def sessions_columns(subject: SubjectView, _rule: Rule) -> Found:
    """The table has no other column."""
    return _only_column(subject.table, "session_id")


def _rows_agree(rows: list[list[str]], folders: tuple[str, ...]) -> Found:
    return () if sorted(row[0] for row in rows[1:]) == list(folders) else ("other rows than folders",)


def _only_column(rows: list[list[str]] | None, name: str) -> Found:
    if not rows:
        return ()
    if rows[0][0] != name:
        return ("another first column",)
    widest = max(len(row) for row in rows)
    return () if widest == 1 else (f"{widest} columns",)


@PIPELINE.needs()
def is_described(pipeline: PipelineView, _rule: Rule) -> Found:
    """The folder says that it is derived, in which format and profile."""
    content = read_json(pipeline.dataset.root / pipeline.path / DESCRIPTION).value
    if not isinstance(content, dict):
        return ("no such JSON object",)
    said = tuple(content.get(key) for key in ("Format", "Profile", "DatasetType"))
    return () if said == ("ORMIR-MIDS", PROFILE, "derivative") else ("another format, profile or type",)


@ENTRY.needs()
def is_file_or_folder(view: EntryView, _rule: Rule) -> Found:
    """It can be read without waiting for anybody."""
    return (view.entry.kind.value,) if view.entry.kind in _NO_FILES else ()


@ENTRY.needs()
def link_stays_inside(view: EntryView, _rule: Rule) -> Found:
    """A link leads to a file of the data set."""
    return (view.entry.kind.value,) if view.entry.kind in _LINKS else ()


@ENTRY.needs()
def name_differs_by_more_than_case(view: EntryView, _rule: Rule) -> Found:
    """A file system that does not tell case apart keeps both."""
    return ("another spelling of it",) if view.dataset.folded[view.entry.folded] > 1 else ()


@FILE.needs()
def not_forbidden(file: FileView, _rule: Rule) -> Found:
    """The file is no header dump of the reference implementation and no file of a scanner."""
    name = file.path.name.lower()
    endings = tuple(ending for ending in FORBIDDEN_ENDINGS if name.endswith(ending))
    if endings:
        return endings
    if name in FORBIDDEN_NAMES or (not name.endswith((*_IMAGES, ".tsv")) and file.opening[128:] == _DICOM):
        return ("DICOM",)
    return ()


def _is_named(file: FileView) -> bool:
    return file.region is Region.SUBJECT and file.path.name.endswith(_IMAGES) and not file.is_forbidden_by_name


@FILE.needs()
def is_of_the_profile(file: FileView, _rule: Rule) -> Found:
    """The profile has a place for such a file."""
    if file.region is Region.DERIVATIVE or file.is_forbidden_by_name or _is_named(file) or file.opening[128:] == _DICOM:
        return ()
    if file.region is Region.TOP:
        known = len(file.path.parts) == 1 and _TOP_FILES.fullmatch(file.path.name)
        return () if known else ("another file",)
    table = SubjectView(file.dataset, dataset_path(file.path.parts[0])).table_path
    return () if file.path == table else ("another file",)


def dataset_path(name: str) -> PurePosixPath:
    """A name at the top of the data set."""
    return PurePosixPath(name)


@FILE.needs()
def name_is_valid(file: FileView, _rule: Rule) -> Found:
    """The name has the form of the draft standard."""
    if not _is_named(file):
        return ()
    if file.path.name.endswith(".nii"):
        return ("an image that is not compressed",)
    return () if file.name else ("another name",)


@FILE.needs()
def suffix_is_known(file: FileView, _rule: Rule) -> Found:
    """Draft or profile say what such an image is."""
    if not _is_named(file) or file.name is None or file.name.is_known:
        return ()
    return ("a label map outside of derivatives",) if file.name.written_suffix.endswith("dseg") else ("another suffix",)


@FILE.needs()
def suffix_is_of_the_profile(file: FileView, _rule: Rule) -> Found:
    """The profile uses this suffix of the draft."""
    draft_only = _is_named(file) and file.name and file.name.is_known and file.name.kind is None
    return (file.name.written_suffix,) if draft_only and file.name else ()


@FILE.needs()
def suffix_is_spelled(file: FileView, _rule: Rule) -> Found:
    """Upper and lower case are those of the profile."""
    name = file.name if _is_named(file) else None
    spelled = name is None or name.kind is None or name.written_suffix == name.kind.value
    return () if spelled or name is None else (name.written_suffix,)


@FILE.needs()
def has_session(file: FileView, _rule: Rule) -> Found:
    """The name says the session, as its folder does."""
    return ("none",) if _is_named(file) and file.name and file.name.session is None else ()


@FILE.needs()
def has_no_series_number(file: FileView, _rule: Rule) -> Found:
    """The name begins with sub-."""
    return ("a number before it",) if _is_named(file) and file.name and file.name.prefix else ()


@FILE.needs()
def entities_are_of_the_profile(file: FileView, _rule: Rule) -> Found:
    """Between session and suffix stand acq, run and part only, in this order."""
    if not _is_named(file) or file.name is None or file.name.has_entities_of_the_profile:
        return ()
    return ("others, or another order",)


@FILE.needs()
def folder_agrees(file: FileView, _rule: Rule) -> Found:
    """Subject, session and method of the folder are those of the name."""
    name = file.name if _is_named(file) else None
    if name is None:
        return ()
    folders = file.path.parent.parts
    sessions = folders[1:-1]
    if folders[0] != f"sub-{name.subject}":
        return ("the folder of another subject",)
    if name.is_known and folders[-1] != name.method:
        return (f"a folder other than {name.method}",)
    if len(sessions) > 1 or not all(session.startswith("ses-") for session in sessions):
        return ("folders between subject and method that are no session",)
    if name.session is not None and sessions != (f"ses-{name.session}",):
        return ("the folder of another session",)
    return ()


@FILE.needs()
def has_sidecar(file: FileView, _rule: Rule) -> Found:
    """An image has its sidecar."""
    if not _is_named(file) or not file.path.name.endswith(IMAGE_ENDING):
        return ()
    beside = file.path.with_name(file.path.name.removesuffix(IMAGE_ENDING) + SIDECAR_ENDING)
    return () if beside in file.dataset.paths else ("none",)


@FILE.needs()
def has_image(file: FileView, _rule: Rule) -> Found:
    """A sidecar has its image."""
    if not _is_named(file) or not file.path.name.endswith(SIDECAR_ENDING) or file.name is None:
        return ()
    beside = file.path.with_name(file.path.name.removesuffix(SIDECAR_ENDING) + IMAGE_ENDING)
    return () if beside in file.dataset.paths else ("none",)


@FILE.needs()
def sidecar_parses(file: FileView, _rule: Rule) -> Found:
    """A sidecar is a JSON object."""
    if not file.is_sidecar or file.json is None or isinstance(file.json.value, dict):
        return ()
    return (file.json.problem or "another JSON value",)


@FILE.needs()
def json_keys_differ(file: FileView, _rule: Rule) -> Found:
    """No object has a key twice."""
    return file.json.repeated if file.json else ()


@FILE.needs()
def json_numbers_are_numbers(file: FileView, _rule: Rule) -> Found:
    """NaN and infinity do not stand where a number should."""
    return file.json.no_numbers if file.json else ()
