"""The command line: what it refuses, what it says, and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from simulation_factories import NAMES, write_sites, write_study

from myofed_schemas.exit_codes import ExitCode
from myofed_simulation import cli
from myofed_simulation.plan import RunRecord


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Exit code of the console script."""
    monkeypatch.setattr(sys, "argv", ["myofed-simulate", *arguments])
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as end:
            cli.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    return int(end.value.code or 0)


def basics(folder: Path, **changes: object) -> list[str]:
    study, weights = write_study(folder, **changes)
    return ["run", "--study", str(study), "--weights", str(weights), "--out", str(folder / "out"), "--engine", "pool"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "--virtual N"),
        (["--sites", "x", "--virtual", "3"], "brings its own sites"),
        (["--virtual", "3", "--skew", "1"], "--skew is of a deal"),
        (["--virtual", "3", "--engine", "ray"], "flower or pool"),
        (["--virtual", "3", "--device", "tpu"], "cpu or auto"),
        (["--virtual", "3", "--subjects", "2"], "subjects"),
        ([x for n in range(6) for x in ("--sites", f"d{n}")], "NAME=DIR"),
    ],
)
def test_options_that_contradict_each_other_are_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    """Nothing is written, and the exit code says that the call was wrong."""
    assert call(monkeypatch, *basics(tmp_path), *more) == ExitCode.USAGE
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_refusal_is_one_line_with_its_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code, what was expected, what was found, what to do; for a script the same as a document."""
    empty = ["--sites", str(tmp_path), "--sites", str(tmp_path)]
    assert call(monkeypatch, *basics(tmp_path), *empty, "--json") == ExitCode.INVALID_DATASET
    told = capsys.readouterr()
    line = told.err.strip().splitlines()[-1]
    assert line.startswith("myofed-simulate: SIMULATION_DATA: ")
    assert "Hint: " in line
    assert json.loads(told.out)["error"]["code"] == "SIMULATION_DATA"


def test_run_and_repeat_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Folders by name and in the study's order; then the same bits again, and exit code 0."""
    write_sites(tmp_path / "data", NAMES[:2])
    where = ["--sites", f"{tmp_path}/data/hospital-a", "--sites", f"hospital-b={tmp_path}/data/hospital-b"]
    assert call(monkeypatch, *basics(tmp_path, rounds=1), *where, "--json") == 0
    record = RunRecord.model_validate_json(capsys.readouterr().out)
    assert record.manifest.sites == NAMES[:2]
    assert record.command[0] == "myofed-simulate"
    assert call(monkeypatch, "repeat", str(tmp_path / "out" / "run.json"), "--engine", "pool") == 0
    assert f"the same bits in all 1 rounds: {record.model_sha256}" in capsys.readouterr().out


def test_dealt_run_says_where_its_model_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One data set in two hands, in words."""
    write_sites(tmp_path / "data", NAMES[:1], subjects=6)
    deal = ["--deal", str(tmp_path / "data" / "hospital-a"), "--virtual", "2", "--skew", "0.5"]
    assert call(monkeypatch, *basics(tmp_path, rounds=1), *deal) == 0
    out = capsys.readouterr().out
    assert "1 rounds with 2 virtual sites" in out
    assert "model.safetensors" in out
    assert "myofed-simulate repeat" in out


def test_stop_signal_says_that_the_run_can_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service manager's SIGTERM is no failure."""
    monkeypatch.setattr(cli, "simulate", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    assert call(monkeypatch, *basics(tmp_path), "--virtual", "3") == ExitCode.INTERRUPTED
    assert "goes on after the last round" in capsys.readouterr().err


def test_help_of_each_command_shows_an_example(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a user can type at once."""
    for command in ("run", "repeat"):
        assert call(monkeypatch, command, "--help") == 0
        assert f"Example: myofed-simulate {command}" in capsys.readouterr().out


def test_json_of_a_repeat_is_one_document(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For a script; the kept folder holds the second run."""
    write_sites(tmp_path / "data", NAMES[:2])
    where = [x for name in NAMES[:2] for x in ("--sites", f"{tmp_path}/data/{name}")]
    assert call(monkeypatch, *basics(tmp_path, rounds=1), *where) == 0
    capsys.readouterr()
    again = ["repeat", str(tmp_path / "out" / "run.json"), "--engine", "pool", "--out", str(tmp_path / "again")]
    assert call(monkeypatch, *again, "--json") == 0
    assert json.loads(capsys.readouterr().out)["agrees"] is True
    assert (tmp_path / "again" / "run.json").exists()


def test_matrix_is_a_line_a_kind_of_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At home, elsewhere, the worst site and muscle."""
    write_sites(tmp_path / "data", NAMES[:2])
    where = [x for name in NAMES[:2] for x in ("--sites", f"{tmp_path}/data/{name}")]
    assert call(monkeypatch, *basics(tmp_path, rounds=1), *where, "--matrix") == 0
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert [line.split(":")[0] for line in lines] == ["site-only", "federated", "personalised"]
    assert all("worst site hospital-" in line and "worst muscle" in line for line in lines)
    assert (tmp_path / "out" / "matrix.json").exists()
