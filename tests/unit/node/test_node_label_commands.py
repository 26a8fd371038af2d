"""`labels` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from label_factories import LEFT, NAME, RIGHT, make_dataset, write_map
from site_factories import demo_site
from typer.testing import CliRunner, Result

from myofed_node.cli import app
from myofed_schemas.exit_codes import ExitCode

PAIR = {LEFT: 7101, RIGHT: 7102}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["labels", *arguments], env={"MYOFED_SITE": None})


@pytest.fixture
def one_map(tmp_path: Path) -> tuple[str, ...]:
    make_dataset(tmp_path / "mids", "2.25.1")
    write_map(tmp_path / "map.nii.gz", PAIR)
    return ("import", str(tmp_path / "map.nii.gz"), "--dataset", str(tmp_path / "mids"), "--image", str(NAME.image))


@pytest.mark.parametrize(
    "more", [(), ("--scheme", "musclemap"), ("--origin", "manual"), ("--site", "s", "--scheme", "musclemap")]
)
def test_choice_of_options_that_leaves_a_doubt_is_refused(one_map: tuple[str, ...], more: tuple[str, ...]) -> None:
    """What it is and how it was made is said, never assumed."""
    result = run(*one_map, *more)
    assert result.exit_code == ExitCode.USAGE
    assert "LABEL_OPTIONS" in result.stderr


def test_delivery_without_site_is_refused(tmp_path: Path) -> None:
    """A folder has labels.csv with the hospital's identifiers: only a site's key reads it."""
    assert run("import", str(tmp_path)).exit_code == ExitCode.USAGE
    assert run("import", str(tmp_path), "--site", "s", "--dataset", "d").exit_code == ExitCode.USAGE


def test_delivery_of_a_site_is_told_row_by_row(tmp_path: Path) -> None:
    """A refused row makes the exit code; an empty list imports nothing."""
    site = demo_site(tmp_path / "site").folder.root
    (tmp_path / "labels.csv").write_text("file,table,patient_id,issuer,series_instance_uid\n")
    assert run("import", str(tmp_path), "--site", str(site), "--split-midline").exit_code == 0
    (tmp_path / "labels.csv").write_text("file,table,patient_id,issuer,series_instance_uid\nm,t,P,I,1.2\n")
    result = run("import", str(tmp_path), "--site", str(site))
    assert result.exit_code == ExitCode.WITHHELD
    assert "row 1: SUBJECT_UNKNOWN" in result.stderr


def test_unknown_scheme_is_named_with_those_that_exist(one_map: tuple[str, ...]) -> None:
    """The message lists them."""
    result = run(*one_map, "--origin", "manual", "--scheme", "other")
    assert result.exit_code == ExitCode.WITHHELD
    assert "LABEL_SCHEME_UNKNOWN" in result.stderr
    assert "musclemap" in result.stderr


def test_one_map_goes_in_and_out(one_map: tuple[str, ...], tmp_path: Path) -> None:
    """Any data set, no site."""
    imported = run(*one_map, "--origin", "automatic", "--scheme", "musclemap", "--json")
    assert imported.exit_code == 0
    assert json.loads(imported.stdout)["labels"] == ["left vastus lateralis", "right vastus lateralis"]
    exported = run("export", str(tmp_path / "mids"), str(tmp_path / "out"), "--format", "slicer", "--json")
    assert exported.exit_code == 0
    assert len(json.loads(exported.stdout)["maps"][0]["files"]) == 2
    again = run("export", str(tmp_path / "mids"), str(tmp_path / "out2"), "--format", "nifti", "--group-level", "group")
    assert (again.exit_code, again.stderr.strip()) == (0, "1 label maps exported, 0 refused")


def test_export_with_a_refused_map_is_no_success(one_map: tuple[str, ...], tmp_path: Path) -> None:
    """The exit code says so."""
    assert run(*one_map, "--origin", "manual", "--scheme", "musclemap").exit_code == 0
    (tmp_path / "empty").mkdir()
    arguments = ("export", str(tmp_path / "mids"), str(tmp_path / "out"), "--format", "seg", "--source")
    result = run(*arguments, str(tmp_path / "empty"))
    assert result.exit_code == ExitCode.WITHHELD
    assert "SEG_SOURCE_MISSING" in result.stderr
