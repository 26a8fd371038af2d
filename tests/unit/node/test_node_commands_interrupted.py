"""Ctrl-C in a real process: status 130, one line, no traceback, and no half-written file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from label_factories import LEFT, NAME, RIGHT, drawn, make_dataset, write_map

from myofed_node.label_map import write_label_map

PROGRAM = """
import os, signal, sys
ready, left = os.replace, int(sys.argv.pop(1))
def interrupted(*paths, **named):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGINT)
    return ready(*paths, **named)
os.replace = interrupted
from myofed_node.cli import main
main()
"""
"""The command, which gets SIGINT as it is about to give a file its name; the number is of files written before."""


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = make_dataset(tmp_path / "mids", "2.25.1")
    write_label_map(root, NAME, drawn({LEFT: 7101, RIGHT: 7102}))
    return root


def interrupted(*arguments: str | Path, written: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, str(written), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_clean(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 130, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr
    assert done.stderr.splitlines()[-1] == "interrupted; run the same command again to go on"


def test_validation_leaves_no_page(dataset: Path, tmp_path: Path) -> None:
    """An earlier page stays as it was; the data set is only read."""
    before, page = files(dataset), tmp_path / "page.html"
    page.write_bytes(b"earlier")
    assert_clean(interrupted("validate", dataset, "--html", page, "--json"))
    assert page.read_bytes() == b"earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mids", "page.html"]
    assert files(dataset) == before


@pytest.mark.parametrize("written", [0, 1, 2])
def test_export_of_labels_leaves_whole_files_only(dataset: Path, tmp_path: Path, written: int) -> None:
    """What is there is what an undisturbed export makes, and nothing is there besides."""
    export = ("labels", "export", dataset, tmp_path / "out", "--format", "nifti")
    assert_clean(interrupted(*export, written=written))
    found = files(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    assert interrupted(*export, written=99).returncode == 0
    whole = files(tmp_path / "out")
    assert len(found) == written
    assert found.items() <= whole.items()


@pytest.mark.parametrize("written", [0, 1, 2])
def test_import_of_a_label_map_goes_on_where_it_was_cut_short(tmp_path: Path, written: int) -> None:
    """The same command again gives what an undisturbed one gives; the map comes last, so that no half one is read."""
    root = make_dataset(tmp_path / "mids", "2.25.1")
    write_map(tmp_path / "map.nii.gz", {LEFT: 1, RIGHT: 2})
    (tmp_path / "table.tsv").write_text("value\tmuscle\tside\n1\tsartorius\tleft\n2\tsartorius\tright\n")
    options = ("--dataset", root, "--image", NAME.image, "--origin", "manual", "--table", tmp_path / "table.tsv")
    command = ("labels", "import", tmp_path / "map.nii.gz", *options, "--scheme", "table")
    assert_clean(interrupted(*command, written=written))
    cut = files(root / "derivatives")
    assert not [name for name in cut if name.endswith((".nii.gz", ".tmp"))]
    assert interrupted(*command, written=99).returncode == 0
    again = files(root / "derivatives")
    shutil.rmtree(root / "derivatives")
    assert interrupted(*command, written=99).returncode == 0
    assert files(root / "derivatives") == again
    assert cut.items() <= again.items()
