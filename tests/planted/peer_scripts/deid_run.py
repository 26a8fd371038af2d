"""Runs in deid's own environment: identifiers read and replaced with the default recipe, as its documentation shows."""

import sys
from pathlib import Path

from deid.dicom import get_identifiers, replace_identifiers
from one_by_one import each


def treat(source: Path, folder: Path) -> None:
    """The output keeps the input's name, as the tool's functions do it."""
    ids = get_identifiers([str(source)])
    replace_identifiers(dicom_files=[str(source)], ids=ids, save=True, output_folder=str(folder), overwrite=True)


if __name__ == "__main__":
    each(treat, sys.argv[1], sys.argv[2])
