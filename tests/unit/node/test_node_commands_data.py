"""The commands about images: exit 3 when something was withheld, 0 when nothing was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from site_factories import Scan, demo_site, outcome, report, write_image
from typer.testing import CliRunner, Result

import myofed_node.ingest
import myofed_node.pipeline
from myofed_node.cli import app
from myofed_schemas.conversion import IngestReport


def _ingest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: IngestReport, *extra: str) -> Result:
    monkeypatch.setattr(myofed_node.pipeline.SiteIngest, "run", lambda _self, _source: answer)
    monkeypatch.setattr(myofed_node.ingest, "ingest", lambda *_args, **_named: answer)
    return CliRunner().invoke(app, ["ingest", str(tmp_path), *extra])


@pytest.mark.parametrize(("code", "status"), [("DUAL_ECHO_SPIN_ECHO", 3), ("LOCALIZER", 0)])
def test_ingest_ends_with_3_when_something_is_quarantined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, status: int
) -> None:
    """Skipped by rule is done; each quarantined series is named by number and code, to a site or to a folder."""
    image = write_image(tmp_path / "staged", Scan(1))
    answer = report((outcome(1, Scan(1), image, code=None), outcome(2, None, None, code=code)))
    site = demo_site(tmp_path / "a").folder.root
    for target in (("--site", str(site)), ("--output", str(tmp_path / "out"))):
        result = _ingest(tmp_path, monkeypatch, answer, *target)
        assert result.exit_code == status, result.output
        assert ("series 2: DUAL_ECHO_SPIN_ECHO (1 files)" in result.stderr) == (status == 3)
        shown = _ingest(tmp_path, monkeypatch, answer, *target, "--json")
        assert len(json.loads(shown.stdout)["series"]) == 2


def test_long_lists_are_cut_on_the_screen_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty quarantined series are twenty lines and a number; JSON has all."""
    answer = report(tuple(outcome(n, None, None, code="X1") for n in range(1, 31)))
    site = str(demo_site(tmp_path / "a").folder.root)
    assert "and 10 more" in _ingest(tmp_path, monkeypatch, answer, "--site", site).stderr
    shown = _ingest(tmp_path, monkeypatch, answer, "--site", site, "--json")
    assert len(json.loads(shown.stdout)["series"]) == 30


def test_deidentify_without_a_site_says_that_its_key_is_thrown_away(tmp_path: Path) -> None:
    """With a site, its key is used; nothing to release is exit 3."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "note.txt").write_text("no DICOM")
    site = demo_site(tmp_path / "a").folder.root
    alone = CliRunner().invoke(app, ["deidentify", str(tmp_path / "in"), str(tmp_path / "one"), "--json"])
    assert (alone.exit_code, "thrown away" in alone.stderr) == (3, True)
    assert json.loads(alone.stdout)["withheld_by_code"] == {"NOT_DICOM": 1}
    there = CliRunner().invoke(app, ["deidentify", str(tmp_path / "in"), str(tmp_path / "two"), "--site", str(site)])
    assert (there.exit_code, "thrown away" in there.stderr) == (3, False)
