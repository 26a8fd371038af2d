"""Paths as a report may show them: a name that is not made of ORMIR-MIDS entities is often the patient's."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

_ENTITIES = re.compile(
    r"([0-9]{3}_)?(sub|ses)-[A-Za-z0-9]+(_[a-z]+-[A-Za-z0-9]+)*(_[A-Za-z0-9-]{1,16}){0,3}(\.[A-Za-z0-9]{1,5}){0,2}"
)
_KNOWN = re.compile(
    r"mr-anat|mr-quant|ct|rx|anat|derivatives|labels|label-groups|myofed-[a-z-]+|code|sourcedata|"
    r"dataset_description\.json|(participants|samples)\.(tsv|json)|(README|CHANGES|LICENSE|CITATION)(\.[A-Za-z]{1,4})?"
)
_ENDING = re.compile(r"(\.nii)?\.[A-Za-z0-9]{1,5}$")


def shown_path(root: Path, path: PurePosixPath) -> str:
    """The path with every other name as its place among the names of its folder: `sub-A/[name 2].dcm`.

    Args:
        root: The data set.
        path: Relative to it; `.` for the data set itself.

    Returns:
        `[name 2]` is the second name in the order of its code points, hidden ones not counted.
    """
    shown = [
        part if _is_shown(part) else _numbered(root.joinpath(*path.parts[:depth]), part)
        for depth, part in enumerate(path.parts)
    ]
    return "/".join(shown) or "."


def _is_shown(name: str) -> bool:
    return _ENTITIES.fullmatch(name) is not None or _KNOWN.fullmatch(name) is not None


def _numbered(folder: Path, name: str) -> str:
    try:
        place = sum(one.name <= name for one in folder.iterdir() if not one.name.startswith("."))
    except OSError:
        place = 0
    ending = _ENDING.search(name)
    return f"[name {place}]{ending[0] if ending else ''}"
