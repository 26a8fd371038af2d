"""One label map: read as it was delivered, checked against its image, written with canonical values and table."""

from __future__ import annotations

import csv
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from myofed_node.mids.checks_labels import label_name
from myofed_node.mids.nifti import AFFINE_TOLERANCE_MM, nifti_bytes, read_nifti
from myofed_schemas.anatomy import Side, muscle, muscle_of_label_value
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.mids import PROFILE, ImageName

PIPELINE = PurePosixPath("derivatives", "labels")
TABLE_COLUMNS = ("value", "muscle", "side")
UNREADABLE = (OSError, EOFError, ValueError, ImageFileError, zlib.error)


class LabelRefusedError(MyofedError):
    """This row of a delivery is not imported; docs/label-maps.md explains the code."""

    def __init__(self, code: str) -> None:
        super().__init__(
            code,
            "expected a label map on the grid of an image of the data set, with a table of its values, found another",
            hint="docs/label-maps.md lists the codes",
            exit_code=ExitCode.WITHHELD,
        )


@dataclass(frozen=True)
class DrawnMap:
    """A label map in canonical values.

    Attributes:
        values: (i, j, k) int16, on the image's grid.
        affine_ras: (4, 4), the image's.
        labels: Canonical values that the reader's table names, increasing; also those that were not drawn here.
        values_present: Canonical values that occur.
    """

    values: NDArray[np.int16]
    affine_ras: NDArray[np.float64]
    labels: tuple[int, ...]
    values_present: tuple[int, ...]


def read_table(path: Path) -> dict[int, int]:
    """The reader's value -> canonical value.

    Args:
        path: TSV with the columns value, muscle (id of muscles.tsv) and side (left, right).

    Raises:
        LabelRefusedError: LABEL_TABLE_INVALID, MUSCLE_UNKNOWN, SIDE_UNKNOWN.
    """
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines(), delimiter="\t"))
        pairs = [(int(row["value"]), _canonical(row["muscle"], row["side"])) for row in rows]
    except (UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError):
        raise LabelRefusedError("LABEL_TABLE_INVALID") from None
    table = dict(pairs)
    if not pairs or len(table) != len(pairs) or len(set(table.values())) != len(pairs) or min(table) < 1:
        raise LabelRefusedError("LABEL_TABLE_INVALID")
    return table


def _canonical(muscle_id: str, side: str) -> int:
    sides = {s.word: s for s in Side}
    if side.strip().lower() not in sides:
        raise LabelRefusedError("SIDE_UNKNOWN")
    try:
        return muscle(muscle_id.strip()).label_value(sides[side.strip().lower()])
    except KeyError:
        raise LabelRefusedError("MUSCLE_UNKNOWN") from None


def drawn_map(path: Path, image_path: Path, table: Mapping[int, int]) -> DrawnMap:
    """The delivered map in canonical values, proven to lie on exactly the image's grid.

    Raises:
        LabelRefusedError: LABEL_FILE_UNREADABLE, LABEL_GRID, LABEL_NOT_INTEGER, LABEL_VALUE_UNKNOWN, LABELS_EMPTY,
            LABEL_SIDES_SWAPPED.
    """
    try:
        delivered, image = read_nifti(path), read_nifti(image_path)
        values = np.asanyarray(delivered.dataobj)
    except UNREADABLE:
        raise LabelRefusedError("LABEL_FILE_UNREADABLE") from None
    same_affine = np.allclose(delivered.affine, image.affine, atol=AFFINE_TOLERANCE_MM)
    if values.shape != image.shape[:3] or not same_affine:
        raise LabelRefusedError("LABEL_GRID")
    whole = np.rint(values.astype(np.float64))
    if not np.array_equal(whole, values):
        raise LabelRefusedError("LABEL_NOT_INTEGER")
    found = {int(value) for value in np.unique(whole)} - {0}
    if found - set(table):
        raise LabelRefusedError("LABEL_VALUE_UNKNOWN")
    if not found:
        raise LabelRefusedError("LABELS_EMPTY")
    lookup = np.zeros(max(found) + 1, dtype=np.int16)
    for value in found:
        lookup[value] = table[value]
    canonical = lookup[whole.astype(np.int64)]
    _check_sides(canonical, np.asarray(image.affine, dtype=np.float64))
    return DrawnMap(
        values=canonical,
        affine_ras=np.asarray(image.affine, dtype=np.float64),
        labels=tuple(sorted(table.values())),
        values_present=tuple(sorted(table[value] for value in found)),
    )


def _check_sides(values: NDArray[np.int16], affine_ras: NDArray[np.float64]) -> None:
    """Returns when the left one of every muscle drawn on both sides lies to the patient's left of the right one.

    A table with its sides exchanged would teach the muscle as background: each leg is cut out by the image's geometry.
    """
    labels = [int(value) for value in np.unique(values) if value]
    towards_right_mm = {value: float(np.argwhere(values == value).mean(axis=0) @ affine_ras[0, :3]) for value in labels}
    for value, place in towards_right_mm.items():
        named, side = muscle_of_label_value(value)
        opposite = named.label_value(Side.RIGHT) if side is Side.LEFT else None
        if opposite in towards_right_mm and place > towards_right_mm[opposite]:
            raise LabelRefusedError("LABEL_SIDES_SWAPPED")


def write_label_map(dataset: Path, name: ImageName, drawn: DrawnMap) -> tuple[PurePosixPath, str]:
    """Table, sidecar and, last, the label map lie under derivatives/labels; the same bytes for the same map.

    Returns:
        Path of the map relative to the data set, and its SHA-256.

    Raises:
        LabelRefusedError: LABEL_EXISTS, the image has another map already, which is left as it is.
    """
    relative = PIPELINE / name.folder / f"{name.stem}_dseg.nii.gz"
    stem = dataset / relative.with_name(f"{name.stem}_dseg")
    content = nifti_bytes(drawn.values, drawn.affine_ras)
    target = dataset / relative
    if target.exists() and target.read_bytes() != content:
        raise LabelRefusedError("LABEL_EXISTS")
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(dataset / PIPELINE / "dataset_description.json", _description())
    write_atomically(stem.with_suffix(".tsv"), _table(drawn))
    write_atomically(stem.with_suffix(".json"), _sidecar(name, drawn))
    write_atomically(target, content)
    return relative, hashlib.sha256(content).hexdigest()


def _description() -> bytes:
    content = {"Name": "Label maps", "Format": "ORMIR-MIDS", "Profile": PROFILE, "DatasetType": "derivative"}
    return (json.dumps(content, indent=2) + "\n").encode()


def _table(drawn: DrawnMap) -> bytes:
    rows = ["index\tname\tabbreviation\tside\tgroup"]
    for value in drawn.labels:
        named, side = muscle_of_label_value(value)
        rows.append(f"{value}\t{label_name(value)}\t{named.id}\t{side.word}\t{named.group}")
    return ("\n".join(rows) + "\n").encode()


def _sidecar(name: ImageName, drawn: DrawnMap) -> bytes:
    content = {
        "Profile": PROFILE,
        "Sources": [str(name.image)],
        "LabelOrigin": "manual",
        "LabelScheme": "MuscleMap whole body",
        "Labels": {str(value): label_name(value) for value in drawn.labels},
    }
    return (json.dumps(content, indent=2) + "\n").encode()
