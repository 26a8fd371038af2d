"""Runs in dicom-anonymizer's own environment: its verb on every file, with the newest table that it ships."""

import sys
from functools import partial
from pathlib import Path

from dicomanonymizer.simpledicomanonymizer import anonymize_dicom_file, initialize_actions
from one_by_one import each

RULES = partial(initialize_actions, "dicomfields_2026c")


def treat(source: Path, folder: Path) -> None:
    """The output keeps the input's name, as the tool's command does it."""
    anonymize_dicom_file(str(source), str(folder / source.name), base_rules_gen=RULES)


if __name__ == "__main__":
    each(treat, sys.argv[1], sys.argv[2])
