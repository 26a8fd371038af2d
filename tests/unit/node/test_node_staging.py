"""Staging: what validation finds wrong is refused by series, a damaged report is refused whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from site_factories import NOW, Scan, stage_scans, uid

import myofed_node.staging
from myofed_anonymization import SiteKeys, default_policy
from myofed_node.ingest import IngestPolicy
from myofed_node.staging import StagingRules, load_staged, stage
from myofed_node.store import IngestState
from myofed_schemas.conversion import REPORT_NAME, IngestReport
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import ImageName, Suffix
from myofed_schemas.rules import Finding, ValidationReport

SCANS = (Scan(1), Scan(2, ImageName("S2", "A", Suffix.MEGRE)))


def _staged(work: Path, *, conforms: bool) -> None:
    report = stage_scans(work / "dataset", SCANS)
    changed = report.model_copy(update={"conforms": conforms, "errors": 0 if conforms else 1})
    (work / "dataset" / REPORT_NAME).write_text(changed.model_dump_json())


def _finding(path: str, level: str = "error", code: str = "ECHO_TIME_UNIT") -> Finding:
    return Finding.model_validate(
        {"code": code, "level": level, "source": "profile", "path": path, "message": "m", "hint": "h"}
    )


def _validation(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    answer = ValidationReport(checks=9, images=2, findings=findings)
    monkeypatch.setattr(myofed_node.staging, "validate", lambda _dataset: answer)


def test_work_folder_without_a_report_is_refused(tmp_path: Path) -> None:
    """A staged data set counts only with its report."""
    with pytest.raises(MyofedError) as caught:
        load_staged(tmp_path)
    assert caught.value.code == "STAGED_REPORT_INVALID"


def test_error_in_an_image_refuses_its_series_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other series goes on; a warning refuses nothing."""
    _staged(tmp_path, conforms=False)
    warning = _finding(str(SCANS[1].name.image), "warning")
    _validation(monkeypatch, warning, _finding(str(SCANS[0].name.sidecar)))
    assert load_staged(tmp_path).refused == {uid(1): "ECHO_TIME_UNIT"}


def test_error_of_no_series_refuses_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect that cannot be laid at one series' door keeps every series out."""
    _staged(tmp_path, conforms=False)
    _validation(monkeypatch, _finding(".", code="DESCRIPTION_INVALID"))
    assert load_staged(tmp_path).refused == {uid(1): "DESCRIPTION_INVALID", uid(2): "DESCRIPTION_INVALID"}


def test_conforming_data_set_is_not_validated_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report says that it conforms."""
    _staged(tmp_path, conforms=True)
    monkeypatch.delattr(myofed_node.staging, "validate")
    assert load_staged(tmp_path).refused == {}


def test_states_are_told_in_order_and_a_staged_set_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deidentified, converted, validated; the second call converts nothing."""

    def ingest(_source: Path, out: Path, **options: Any) -> IngestReport:
        for step, done in (("deidentify", 1), ("deidentify", 2), ("convert", 2)):
            options["progress"](step, done, 2)
        _staged(out.parent, conforms=True)
        return load_staged(out.parent).report

    monkeypatch.setattr(myofed_node.staging, "ingest", ingest)
    rules = StagingRules(SiteKeys.generate(), IngestPolicy(default_policy()), NOW)
    states: list[IngestState] = []
    shown: list[str] = []
    stage(tmp_path, tmp_path, rules=rules, reached=states.append, progress=lambda step, _d, _t: shown.append(step))
    assert states == [IngestState.DEIDENTIFIED, IngestState.CONVERTED, IngestState.VALIDATED]
    assert shown == ["deidentify", "deidentify", "convert"]
    monkeypatch.delattr(myofed_node.staging, "ingest")
    stage(tmp_path, tmp_path, rules=rules, reached=states.append)
    assert states[-1] is IngestState.VALIDATED
