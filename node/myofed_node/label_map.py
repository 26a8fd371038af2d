"""One label map: read as it was delivered, checked against its image, written with canonical values and table."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from myofed_node.label_exchange.midline import is_right
from myofed_node.label_exchange.reader_table import read_table
from myofed_node.label_exchange.refusal import LabelRefusedError
from myofed_node.label_exchange.translation import Canonical, Translation
from myofed_node.mids.nifti import AFFINE_TOLERANCE_MM, nifti_bytes, read_nifti
from myofed_schemas.anatomy import MUSCLES_VERSION, Side, muscles_digest
from myofed_schemas.files import write_atomically
from myofed_schemas.mids import PROFILE, ImageName
from myofed_schemas.muscle_sets import (
    Level,
    is_single_muscle,
    label_name,
    structure_of_label_value,
    structures,
)

PIPELINE = PurePosixPath("derivatives", "labels")
"""Maps of single muscles alone: what training reads."""
GROUPS_PIPELINE = PurePosixPath("derivatives", "label-groups")
"""Maps with a value that stands for several muscles; nothing trains on them."""
TABLE_COLUMNS = ("value", "muscle", "side")
UNREADABLE = (OSError, EOFError, ValueError, ImageFileError, zlib.error)
Origin = Literal["manual", "edited", "automatic"]
"""Drawn by a person; corrected by one; left as a program made it."""

__all__ = [
    "GROUPS_PIPELINE",
    "PIPELINE",
    "DrawnMap",
    "LabelRefusedError",
    "Origin",
    "canonical_map",
    "drawn_map",
    "read_label_map",
    "read_table",
    "sidecar_bytes",
    "table_bytes",
    "write_label_map",
]


@dataclass(frozen=True)
class DrawnMap:
    """A label map in canonical values.

    Attributes:
        values: (i, j, k) int16, on the image's grid.
        affine_ras: (4, 4), the image's.
        labels: Canonical values that were looked for, increasing; also those that were not drawn here.
        values_present: Canonical values that occur.
        scheme: Name of the table that the delivery's values were read with.
        derived: The level that the map was aggregated to, None where it is as drawn.
    """

    values: NDArray[np.int16]
    affine_ras: NDArray[np.float64]
    labels: tuple[int, ...]
    values_present: tuple[int, ...]
    scheme: str = "table"
    derived: Level | None = None

    @property
    def coarse(self) -> tuple[int, ...]:
        """Labels that stand for several muscles."""
        return tuple(value for value in self.labels if not is_single_muscle(value))

    @property
    def lossy(self) -> bool:
        """Whether who drew it knew some muscles only together; such a value can never be split."""
        return bool(self.coarse) and self.derived is None


def drawn_map(
    path: Path, image_path: Path, table: Mapping[int, int] | Translation, *, split_midline: bool = False
) -> DrawnMap:
    """The delivered map in canonical values, proven to lie on exactly the image's grid.

    Args:
        path: NIfTI.
        image_path: NIfTI that it was drawn on.
        table: The reader's value -> canonical value, or a tool's table.
        split_midline: Left and right are told apart by the gap between them where one value stands for both.

    Raises:
        LabelRefusedError: LABEL_FILE_UNREADABLE, LABEL_GRID, LABEL_NOT_INTEGER, LABEL_VALUE_UNKNOWN, LABEL_NAME_UNKNOWN,
            LABEL_NOT_MUSCLE, LABEL_SIDE_MISSING, LABEL_MIDLINE, LABELS_EMPTY, LABEL_SIDES_SWAPPED.
    """
    try:
        delivered, image = read_nifti(path), read_nifti(image_path)
        values = np.asanyarray(delivered.dataobj)
    except UNREADABLE:
        raise LabelRefusedError("LABEL_FILE_UNREADABLE") from None
    same_affine = np.allclose(delivered.affine, image.affine, atol=AFFINE_TOLERANCE_MM)
    if values.shape != image.shape[:3] or not same_affine:
        raise LabelRefusedError("LABEL_GRID")
    translation = table if isinstance(table, Translation) else Translation.of_table(table)
    affine_ras = np.asarray(image.affine, dtype=np.float64)
    return canonical_map(_whole(values), affine_ras, translation, split_midline=split_midline)


def _whole(values: NDArray[Any]) -> NDArray[np.int64]:
    whole = np.rint(values.astype(np.float64))
    if not np.array_equal(whole, values) or whole.min(initial=0) < 0:
        raise LabelRefusedError("LABEL_NOT_INTEGER")
    return whole.astype(np.int64)


def canonical_map(
    values: NDArray[np.int64], affine_ras: NDArray[np.float64], translation: Translation, *, split_midline: bool = False
) -> DrawnMap:
    """A delivery's values, on the image's grid, as canonical ones.

    Args:
        values: (i, j, k) int64, 0 is background.
        affine_ras: (4, 4), the image's.
        translation: What the values stand for.
        split_midline: As for drawn_map.

    Raises:
        LabelRefusedError: As drawn_map, but for file and grid.
    """
    found = _drawn_values(values)
    meaning = translation.canonical(found)
    if not meaning.sided and not meaning.unsided:
        raise LabelRefusedError("LABELS_EMPTY")
    canonical = _looked_up(values, meaning.sided)
    if meaning.unsided:
        canonical += _split(values, affine_ras, meaning, asked=split_midline)
    _check_sides(canonical, affine_ras)
    present = _drawn_values(canonical)
    listed = translation.all_canonical() if translation.lists_all else present
    return DrawnMap(canonical, affine_ras, labels=listed, values_present=present, scheme=translation.scheme)


def _drawn_values(values: NDArray[np.integer]) -> tuple[int, ...]:
    """The values that occur, without background, increasing; counting is faster than sorting."""
    if values.max(initial=0) <= np.iinfo(np.uint16).max:
        return tuple(int(value) for value in np.flatnonzero(np.bincount(values.ravel())) if value)
    return tuple(int(value) for value in np.unique(values) if value)


def _looked_up(values: NDArray[np.int64], table: Mapping[int, int]) -> NDArray[np.int16]:
    keys = np.asarray([0, *sorted(table)])
    canonical = np.asarray([table.get(int(key), 0) for key in keys], dtype=np.int16)
    places = np.minimum(np.searchsorted(keys, values), keys.size - 1)
    found: NDArray[np.int16] = np.where(keys[places] == values, canonical[places], 0).astype(np.int16)
    return found


def _split(
    values: NDArray[np.int64], affine_ras: NDArray[np.float64], meaning: Canonical, *, asked: bool
) -> NDArray[np.int16]:
    if not asked:
        raise LabelRefusedError(
            "LABEL_SIDE_MISSING",
            f"expected one side a value, found {len(meaning.unsided)} values for both",
            hint="--split-midline tells left from right by the image's geometry",
        )
    right = is_right(values, affine_ras, tuple(meaning.unsided))
    left_of = {value: structures()[name].label_value(Side.LEFT) for value, name in meaning.unsided.items()}
    left = _looked_up(values, left_of)
    both: NDArray[np.int16] = np.where(left > 0, left + right, 0).astype(np.int16)
    taken = set(meaning.sided.values()) & {value + side for value in left_of.values() for side in (0, 1)}
    if taken:
        raise LabelRefusedError("LABEL_TABLE_INVALID")
    return both


def _check_sides(values: NDArray[np.int16], affine_ras: NDArray[np.float64]) -> None:
    """Returns when the left one of every muscle drawn on both sides lies to the patient's left of the right one.

    A table with its sides exchanged would teach the muscle as background: each leg is cut out by the image's geometry.
    """
    voxels = np.nonzero(values)
    right_mm = sum(place * step for place, step in zip(voxels, affine_ras[0, :3], strict=True))
    counts = np.bincount(values[voxels])
    sums = np.bincount(values[voxels], weights=right_mm)
    towards_right_mm = {int(value): sums[value] / counts[value] for value in np.flatnonzero(counts)}
    for value, place in towards_right_mm.items():
        named, side = structure_of_label_value(value)
        opposite = named.label_value(Side.RIGHT) if side is Side.LEFT else None
        if opposite in towards_right_mm and place > towards_right_mm[opposite]:
            raise LabelRefusedError("LABEL_SIDES_SWAPPED")


def write_label_map(
    dataset: Path, name: ImageName, drawn: DrawnMap, *, origin: Origin = "manual"
) -> tuple[PurePosixPath, str]:
    """Table, sidecar and, last, the label map lie under derivatives; the same bytes for the same map.

    Returns:
        Path of the map relative to the data set (derivatives/labels, or derivatives/label-groups where a value stands for
        several muscles), and its SHA-256.

    Raises:
        LabelRefusedError: LABEL_EXISTS, the image has another map already, which is left as it is.
    """
    pipeline = GROUPS_PIPELINE if drawn.coarse else PIPELINE
    relative = pipeline / name.folder / f"{name.stem}_dseg.nii.gz"
    stem = dataset / relative.with_name(f"{name.stem}_dseg")
    content = nifti_bytes(drawn.values, drawn.affine_ras)
    target = dataset / relative
    if target.exists() and target.read_bytes() != content:
        raise LabelRefusedError("LABEL_EXISTS")
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(dataset / pipeline / "dataset_description.json", _description())
    write_atomically(stem.with_suffix(".tsv"), table_bytes(drawn))
    write_atomically(stem.with_suffix(".json"), sidecar_bytes(name, drawn, origin=origin))
    write_atomically(target, content)
    return relative, hashlib.sha256(content).hexdigest()


def _description() -> bytes:
    content = {"Name": "Label maps", "Format": "ORMIR-MIDS", "Profile": PROFILE, "DatasetType": "derivative"}
    return (json.dumps(content, indent=2) + "\n").encode()


def table_bytes(drawn: DrawnMap) -> bytes:
    """The map's TSV: index, name, abbreviation, side, group."""
    rows = ["index\tname\tabbreviation\tside\tgroup"]
    for value in drawn.labels:
        named, side = structure_of_label_value(value)
        group = getattr(named, "group", named.id)
        rows.append(f"{value}\t{label_name(value)}\t{named.id}\t{side.word}\t{group}")
    return ("\n".join(rows) + "\n").encode()


def sidecar_bytes(name: ImageName, drawn: DrawnMap, *, origin: str) -> bytes:
    """The map's JSON: image, origin, labels, version of the tables, and what is lossy or derived."""
    content: dict[str, object] = {
        "Profile": PROFILE,
        "Sources": [str(name.image)],
        "LabelOrigin": origin,
        "LabelScheme": f"myofed muscles {MUSCLES_VERSION}",
        "ImportedFrom": drawn.scheme,
        "MusclesVersion": MUSCLES_VERSION,
        "MusclesDigest": muscles_digest(),
        "Labels": {str(value): label_name(value) for value in drawn.labels},
    }
    if drawn.derived:
        content["Derived"] = drawn.derived.value
    if drawn.lossy:
        content["Lossy"] = {str(v): list(structure_of_label_value(v)[0].members) for v in drawn.coarse}
    return (json.dumps(content, indent=2) + "\n").encode()


def read_label_map(path: Path) -> DrawnMap:
    """A map of a data set, as write_label_map wrote it.

    Args:
        path: The NIfTI file; its sidecar lies beside it.

    Raises:
        LabelRefusedError: LABEL_FILE_UNREADABLE, LABEL_NOT_INTEGER, LABEL_VALUE_UNKNOWN.
    """
    try:
        document = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_bytes())
        labels = tuple(sorted(int(value) for value in document["Labels"]))
        derived = Level(document["Derived"]) if "Derived" in document else None
        image = read_nifti(path)
        values = np.asanyarray(image.dataobj)
    except (*UNREADABLE, KeyError, TypeError):
        raise LabelRefusedError("LABEL_FILE_UNREADABLE") from None
    whole = _whole(values)
    present = _drawn_values(whole)
    if not set(present) <= set(labels) or not all(label_name(value) for value in labels):
        raise LabelRefusedError("LABEL_VALUE_UNKNOWN")
    affine_ras = np.asarray(image.affine, dtype=np.float64)
    return DrawnMap(
        whole.astype(np.int16), affine_ras, labels, present, str(document.get("ImportedFrom", "table")), derived
    )
