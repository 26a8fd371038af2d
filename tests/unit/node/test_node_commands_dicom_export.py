"""`export-dicom` as people call it."""

from __future__ import annotations

import json
from pathlib import Path

from reading_factories import MEGRE, small_dataset
from typer.testing import CliRunner

from myofed_node.cli import app


def run(*arguments: object) -> object:
    return CliRunner().invoke(app, ["export-dicom", *map(str, arguments)])


def test_image_and_subject_together_are_refused(tmp_path: Path) -> None:
    """One or the other."""
    root = small_dataset(tmp_path / "mids")
    result = run(root, tmp_path / "out", "--image", "x", "--subject", "01")
    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_refusal_is_a_code_and_a_status(tmp_path: Path) -> None:
    """Also as JSON."""
    result = run(tmp_path / "none", tmp_path / "out", "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]["code"]) == (2, "DATASET_MISSING")


def test_file_left_out_is_exit_3(tmp_path: Path) -> None:
    """Done, but not all: the lines say what."""
    result = run(small_dataset(tmp_path / "mids"), tmp_path / "out")
    assert result.exit_code == 3
    assert "3 images: 3 written, 0 kept, 0 refused" in result.stderr
    assert "sub-03_MESE.nii.gz: not read, PLACE" in result.stderr


def test_all_done_is_exit_0_with_one_document(tmp_path: Path) -> None:
    """By subject and by image."""
    root = small_dataset(tmp_path / "mids")
    result = run(root, tmp_path / "out", "--subject", "01", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert (document["format"], len(document["images"])) == ("myofed-dicom-export-1", 2)
    assert "exported: 2 of 2" in result.stderr
    assert "1 kept" in run(root, tmp_path / "out", "--image", MEGRE.image).stderr
