"""The tables of a data set: what it is, its subjects, and each subject's sessions; no identifying column, no date."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from myofed_schemas.files import write_atomically
from myofed_schemas.mids import PROFILE

DESCRIPTION = "dataset_description.json"
PARTICIPANTS = "participants.tsv"


def write_description(dataset: Path, *, tools: dict[str, str]) -> None:
    """dataset_description.json says that the folder is a data set of the profile, and who made it."""
    description = {
        "Name": "ORMIR-MIDS data set",
        "Format": "ORMIR-MIDS",
        "Profile": PROFILE,
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": name, "Version": version} for name, version in sorted(tools.items())],
    }
    _write(dataset / DESCRIPTION, json.dumps(description, indent=2) + "\n")


def write_dataset_files(dataset: Path, *, tools: dict[str, str]) -> None:
    """dataset_description.json, participants.tsv and each subject's sessions table are there and name what holds images."""
    write_description(dataset, tools=tools)
    subjects = {}
    for folder in sorted(dataset.glob("sub-*")):
        if sessions := list(_sessions(folder)):
            subjects[folder.name] = sessions
    for subject, sessions in subjects.items():
        _write(dataset / sessions_table(subject), "\n".join(["session_id", *sessions]) + "\n")
    _write(dataset / PARTICIPANTS, "\n".join(["participant_id", *subjects]) + "\n")


def sessions_table(subject: str) -> Path:
    """The sessions table, relative to the data set, of the subject with this folder name."""
    return Path(subject, f"{subject}_sessions.tsv")


def _sessions(subject: Path) -> Iterator[str]:
    """Folders of sessions that hold an image with its sidecar."""
    for folder in sorted(subject.glob("ses-*")):
        if any(folder.glob("mr-*/*.json")):
            yield folder.name


def _write(path: Path, text: str) -> None:
    """A file that says this already is left as it is."""
    content = text.encode()
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content)
