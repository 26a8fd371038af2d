"""The command `convert`: its options, what it prints, its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mids_factories import Kind, classic, write_deidentified
from typer.testing import CliRunner, Result

from myofed_node.cli import app
from myofed_node.commands.convert import unused_lines
from myofed_schemas.conversion import ConversionReport

THIGH = {"ProtocolName": "thigh"}


def converted(tmp_path: Path, *options: str) -> Result:
    clean = tmp_path / "clean"
    if not clean.exists():
        files = classic(Kind(series=1)) + classic(Kind(series=2, echo_times_ms=(30.0,), extra=THIGH))
        write_deidentified(clean, files)
    return CliRunner().invoke(app, ["convert", str(clean), str(tmp_path / "mids"), *options])


def test_quarantined_series_is_named_and_gives_3(tmp_path: Path) -> None:
    """By number and code; the other one lies there."""
    result = converted(tmp_path)
    assert result.exit_code == 3
    assert "2 series: 1 converted, 0 skipped, 1 quarantined" in result.stderr
    assert "series 2: CONTRAST_UNPROVEN (3 files)" in result.stderr
    assert len(list((tmp_path / "mids").rglob("*.nii.gz"))) == 1


def test_broken_override_file_is_refused_by_code(tmp_path: Path) -> None:
    """Nothing is converted, and the file's content is not printed."""
    (tmp_path / "o.yaml").write_text("secret: 1\n")
    result = converted(tmp_path, "--overrides", str(tmp_path / "o.yaml"), "--json")
    assert json.loads(result.stdout)["error"]["code"] == "OVERRIDES_INVALID"
    assert "secret" not in result.output
    assert not (tmp_path / "mids").exists()


def test_override_file_and_processes_are_taken(tmp_path: Path) -> None:
    """All converted: exit 0; called again on the same folder, the same report."""
    rules = "rules:\n  - match: {protocol_name: thigh}\n    suffix: T2w\n"
    (tmp_path / "o.yaml").write_text(f"format: myofed-overrides-1\n{rules}")
    options = ("--overrides", str(tmp_path / "o.yaml"), "--processes", "2", "--json")
    first, second = (json.loads(converted(tmp_path, *options).stdout)["series"] for _ in range(2))
    assert first == second
    assert [series["images"][0]["suffix"] for series in first] == ["MEGRE", "T2w"]


def test_rule_that_matches_nothing_is_told_by_its_number(tmp_path: Path) -> None:
    """On stderr, with and without --json; what it asked for is not repeated."""
    rules = (
        "rules:\n  - match: {protocol_name: thigh}\n    suffix: T2w\n  - match: {protocol_name: hush}\n    skip: true\n"
    )
    (tmp_path / "o.yaml").write_text(f"format: myofed-overrides-1\n{rules}")
    for options in ((), ("--json",)):
        result = converted(tmp_path, "--overrides", str(tmp_path / "o.yaml"), *options)
        assert result.exit_code == 0
        assert "override rule 2 matched no series: names and UIDs change in de-identification\n" in result.stderr
        assert "override rule 1" not in result.output
        assert "hush" not in result.output
    assert json.loads(result.stdout)["unused_overrides"] == [2]


@pytest.mark.parametrize(
    ("rules", "levels", "told"),
    [
        ((), (), []),
        ((2,), (), ["override rule 2 matched"]),
        ((1, 3), (), ["override rules 1, 3 matched"]),
        ((), (1,), ["override level 1 matched"]),
        ((1, 3, 4), (1, 2), ["override rules 1, 3, 4 and levels 1, 2 matched"]),
    ],
)
def test_rules_and_levels_that_match_nothing_are_one_line(
    rules: tuple[int, ...], levels: tuple[int, ...], told: list[str]
) -> None:
    """However many there are; no line where all matched."""
    report = ConversionReport(
        created="2026-11-22T12:00:00Z",
        policy_digest="b" * 64,
        tools={},
        series=(),
        unused_overrides=rules,
        unused_levels=levels,
    )
    assert [line.partition(" no series")[0] for line in unused_lines(report)] == told


def test_missing_source_and_out_inside_it_are_usage(tmp_path: Path) -> None:
    """Both by code, with exit status 2."""
    clean = write_deidentified(tmp_path / "clean", classic())
    for source, out, code in (
        (tmp_path / "nope", tmp_path / "out", "SOURCE_MISSING"),
        (clean, clean / "x", "OUT_INSIDE_SOURCE"),
    ):
        result = CliRunner().invoke(app, ["convert", str(source), str(out)])
        assert result.exit_code == 2
        assert code in result.stderr
        assert not out.exists()


def test_help_shows_an_example() -> None:
    """With the options that a site needs."""
    shown = CliRunner().invoke(app, ["convert", "--help"]).stdout
    assert "Example: myofed-node convert" in shown
    assert "--overrides" in shown
    assert "--processes" in shown
