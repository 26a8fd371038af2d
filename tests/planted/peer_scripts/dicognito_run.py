"""Runs in dicognito's own environment: one anonymizer for all files, outputs named as its command does."""

import sys
from pathlib import Path

import pydicom
from dicognito.anonymizer import Anonymizer
from one_by_one import each

ANONYMIZER = Anonymizer()


def treat(source: Path, folder: Path) -> None:
    """The file is read strictly, as the tool's command does it."""
    with pydicom.dcmread(source, force=False) as dataset:
        ANONYMIZER.anonymize(dataset)
        dataset.save_as(folder / f"{dataset.SOPInstanceUID}.dcm")


if __name__ == "__main__":
    each(treat, sys.argv[1], sys.argv[2])
