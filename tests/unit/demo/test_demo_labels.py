"""The reader's label maps."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np

from myofed_demo.labels import (
    COLUMNS,
    Delivery,
    in_reader_values,
    reader_values,
    write_deliveries,
    write_label_map,
    write_table,
)
from myofed_demo.phantom import make_subject, subject_rng
from myofed_demo.scanner import ScannerPreset
from myofed_schemas.anatomy import THIGH_11, Side, muscle


def test_reader_numbers_every_muscle_and_side_once() -> None:
    """Values 1..22, each muscle once a side, in an order that differs between readers."""
    first, second = (reader_values(np.random.default_rng(seed)) for seed in (0, 1))
    assert sorted(first) == list(range(1, 23))
    assert set(first.values()) == {(name, side) for name in THIGH_11 for side in Side}
    assert first != second


def test_label_values_become_the_readers() -> None:
    """Each canonical value is replaced by the reader's; background stays 0."""
    values = reader_values(np.random.default_rng(0))
    reader = {pair: value for value, pair in values.items()}
    canonical = np.array(
        [[[0], [muscle("VL").label_value(Side.LEFT)], [muscle("SA").label_value(Side.RIGHT)]]], np.int16
    )
    expected = [0, reader["VL", Side.LEFT], reader["SA", Side.RIGHT]]
    assert in_reader_values(canonical, values).ravel().tolist() == expected


def test_label_map_lies_where_the_image_lies(preset: ScannerPreset, tmp_path: Path) -> None:
    """The NIfTI's RAS affine is the image's LPS affine with x and y turned, the grid is the image's, twice the same bytes."""
    subject = make_subject("control", preset, subject_rng(1, hospital="x", subject=0))
    values = reader_values(np.random.default_rng(0))
    for name in ("one.nii.gz", "two.nii.gz"):
        write_label_map(tmp_path / name, subject, values)
    image = nib.load(tmp_path / "one.nii.gz")
    assert image.shape == subject.labels.shape
    assert np.array_equal(np.asarray(image.dataobj), in_reader_values(subject.labels, values))
    assert np.allclose(image.affine, np.diag([-1, -1, 1, 1]) @ subject.affine_lps)
    assert (tmp_path / "one.nii.gz").read_bytes() == (tmp_path / "two.nii.gz").read_bytes()


def test_table_and_list_have_the_agreed_columns(tmp_path: Path) -> None:
    """`labels.csv` and the table are what a label import reads."""
    write_table(tmp_path, reader_values(np.random.default_rng(0)))
    write_deliveries(tmp_path, [Delivery("a.nii.gz", "muscles.tsv", "P1", "KIS, x", "1.2.3")])
    with (tmp_path / "labels.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["issuer"] == "KIS, x"
    lines = (tmp_path / "muscles.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "value\tmuscle\tside"
    assert len(lines) == 23
