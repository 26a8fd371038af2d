"""Label maps come in with one outcome a row and an entry in the audit chain."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_factories import NOW, NOW_TEXT, demo_site

import myofed_node.label_intake
from myofed_node.audit import SiteAudit
from myofed_node.label_intake import import_into_site
from myofed_schemas.errors import MyofedError
from myofed_schemas.label_import import LabelImportReport, LabelRow


def test_delivery_without_its_list_is_refused_and_leaves_no_entry(tmp_path: Path) -> None:
    """Nothing was imported, nothing is claimed."""
    site = demo_site(tmp_path / "a")
    with pytest.raises(MyofedError) as caught:
        import_into_site(site, tmp_path, now=NOW)
    assert caught.value.code == "LABELS_CSV_MISSING"
    assert len(list(SiteAudit(site.folder).entries())) == 1


def test_rows_are_told_apart_and_counted_in_the_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused row has its number, code and words; the chain has counts only."""
    rows = (
        LabelRow(row=1, outcome="imported", subject="S1", path="derivatives/x.nii.gz", sha256="0" * 64, labels=2),
        LabelRow(row=2, outcome="refused", code="SUBJECT_UNKNOWN", message="expected a, found b", hint="do c"),
    )
    report = LabelImportReport(created=NOW_TEXT, rows=rows)
    monkeypatch.setattr(myofed_node.label_intake, "import_labels", lambda *_args, **_named: report)
    site = demo_site(tmp_path / "a")
    intake = import_into_site(site, tmp_path, now=NOW)
    assert (len(intake.imported), [(row.row, row.code) for row in intake.refused]) == (1, [(2, "SUBJECT_UNKNOWN")])
    assert intake.lines() == [
        "1 label maps of 1 subjects imported, 1 refused",
        "  row 2: SUBJECT_UNKNOWN: expected a, found b. Hint: do c",
    ]
    assert list(SiteAudit(site.folder).entries())[-1].detail == {"imported": 1, "refused": 1}
