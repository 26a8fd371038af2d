"""The two files at the top of a data set: what it is, and its subjects without an identifying column."""

from __future__ import annotations

import json
from pathlib import Path

from myofed_schemas.files import write_atomically
from myofed_schemas.mids import PROFILE

DESCRIPTION = "dataset_description.json"
PARTICIPANTS = "participants.tsv"


def write_dataset_files(dataset: Path, *, tools: dict[str, str]) -> None:
    """dataset_description.json and participants.tsv are there and name every subject folder."""
    description = {
        "Name": "ORMIR-MIDS data set",
        "Format": "ORMIR-MIDS",
        "Profile": PROFILE,
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": name, "Version": version} for name, version in sorted(tools.items())],
    }
    write_atomically(dataset / DESCRIPTION, (json.dumps(description, indent=2) + "\n").encode())
    subjects = sorted(path.name for path in dataset.glob("sub-*") if path.is_dir())
    write_atomically(dataset / PARTICIPANTS, ("\n".join(["participant_id", *subjects]) + "\n").encode())
