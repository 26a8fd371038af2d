"""One label map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mids_factories import affine_ras

from myofed_node.label_map import LabelRefusedError, drawn_map, read_table, write_label_map
from myofed_node.mids.nifti import read_nifti, write_nifti
from myofed_schemas.anatomy import Side, muscle
from myofed_schemas.mids import ImageName, Suffix

SHAPE = (5, 4, 3)
NAME = ImageName("A", "1", Suffix.INPH)
TABLE = {1: muscle("VL").label_value(Side.LEFT), 2: muscle("VL").label_value(Side.RIGHT)}


def files(tmp_path: Path, values: np.ndarray, affine: np.ndarray | None = None) -> tuple[Path, Path]:
    write_nifti(tmp_path / "image.nii.gz", np.ones(SHAPE, dtype=np.int16), affine_ras())
    write_nifti(tmp_path / "drawn.nii.gz", values, affine_ras() if affine is None else affine)
    return tmp_path / "drawn.nii.gz", tmp_path / "image.nii.gz"


def labels(**places: int) -> np.ndarray:
    values = np.zeros(SHAPE, dtype=np.int16)
    for number, value in enumerate(places.values()):
        values[number, number, number % 3] = value
    return values


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ("value\tmuscle\tside\n1\tXX\tleft\n", "MUSCLE_UNKNOWN"),
        ("value\tmuscle\tside\n1\tVL\tmiddle\n", "SIDE_UNKNOWN"),
        ("value\tmuscle\n1\tVL\n", "LABEL_TABLE_INVALID"),
        ("value\tmuscle\tside\none\tVL\tleft\n", "LABEL_TABLE_INVALID"),
        ("value\tmuscle\tside\n", "LABEL_TABLE_INVALID"),
        ("value\tmuscle\tside\n1\tVL\tleft\n1\tVM\tleft\n", "LABEL_TABLE_INVALID"),
        ("value\tmuscle\tside\n1\tVL\tleft\n2\tVL\tleft\n", "LABEL_TABLE_INVALID"),
        ("value\tmuscle\tside\n0\tVL\tleft\n", "LABEL_TABLE_INVALID"),
    ],
)
def test_table_that_leaves_a_doubt_is_refused(tmp_path: Path, table: str, code: str) -> None:
    """Unknown muscle or side, missing column, no row, a value or a muscle twice: nothing is guessed."""
    (tmp_path / "t.tsv").write_text(table)
    with pytest.raises(LabelRefusedError) as refusal:
        read_table(tmp_path / "t.tsv")
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("values", "affine", "code"),
    [
        (labels(a=1)[:, :, :2], None, "LABEL_GRID"),
        (labels(a=1), affine_ras() + np.eye(4, k=3) * 0.01, "LABEL_GRID"),
        (labels(a=1) * np.float32(0.5), None, "LABEL_NOT_INTEGER"),
        (labels(a=1, b=7), None, "LABEL_VALUE_UNKNOWN"),
        (labels(), None, "LABELS_EMPTY"),
        (labels(a=1, b=2), None, "LABEL_SIDES_SWAPPED"),
    ],
)
def test_map_that_does_not_fit_is_refused(
    tmp_path: Path, values: np.ndarray, affine: np.ndarray | None, code: str
) -> None:
    """Another grid (even by 0.01 mm), a fraction, an unnamed value, nothing drawn, or left drawn where right is."""
    drawn, image = files(tmp_path, values, affine)
    with pytest.raises(LabelRefusedError) as refusal:
        drawn_map(drawn, image, TABLE)
    assert refusal.value.code == code


def test_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    """Whatever the reader delivered, only a NIfTI file is read."""
    drawn, image = files(tmp_path, labels(a=1))
    drawn.write_bytes(b"no image")
    with pytest.raises(LabelRefusedError) as refusal:
        drawn_map(drawn, image, TABLE)
    assert refusal.value.code == "LABEL_FILE_UNREADABLE"


def test_second_map_of_an_image_is_refused_and_the_first_stays(tmp_path: Path) -> None:
    """A correction is a decision of a person, who takes the old map away first."""
    drawn, image = files(tmp_path, labels(a=1))
    path, _ = write_label_map(tmp_path / "d", NAME, drawn_map(drawn, image, TABLE))
    before = (tmp_path / "d" / path).read_bytes()
    other, image = files(tmp_path, labels(a=2, b=1))
    with pytest.raises(LabelRefusedError) as refusal:
        write_label_map(tmp_path / "d", NAME, drawn_map(other, image, TABLE))
    assert refusal.value.code == "LABEL_EXISTS"
    assert (tmp_path / "d" / path).read_bytes() == before


def test_values_become_canonical_at_the_same_voxels(tmp_path: Path) -> None:
    """The reader's 1 is left vastus lateralis wherever it was drawn; 0 stays 0."""
    drawn, image = files(tmp_path, labels(a=2, b=1))
    made = drawn_map(drawn, image, TABLE)
    path, _ = write_label_map(tmp_path / "d", NAME, made)
    written = np.asarray(read_nifti(tmp_path / "d" / path).dataobj)
    assert (written[0, 0, 0], written[1, 1, 1], int((written > 0).sum())) == (7102, 7101, 2)
    assert made.values_present == (7101, 7102)
    table = (tmp_path / "d" / path).with_name("sub-A_ses-1_INPH_dseg.tsv").read_text().splitlines()
    assert table[1] == "7101\tleft vastus lateralis\tVL\tleft\tquadriceps"
