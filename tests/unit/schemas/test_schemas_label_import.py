"""What an import of label maps says."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from myofed_schemas.label_import import LabelImportReport, LabelRow

GOOD = LabelRow(row=1, outcome="imported", subject="A", path="x", sha256="a" * 64, labels=2)


@pytest.mark.parametrize(
    "row",
    [
        {"row": 1, "outcome": "imported", "path": "x", "labels": 0},
        {"row": 1, "outcome": "imported", "code": "LABEL_GRID", "path": "x", "labels": 2},
        {"row": 1, "outcome": "imported", "labels": 2},
    ],
)
def test_imported_row_without_a_map_is_refused(row: dict[str, object]) -> None:
    """Imported means a path, labels and no code."""
    with pytest.raises(ValidationError):
        LabelRow.model_validate(row)


def test_empty_delivery_is_never_complete() -> None:
    """Nothing imported is not all imported."""
    assert not LabelImportReport(created="2026-11-22T12:00:00Z", rows=()).complete


def test_one_refused_row_makes_the_import_incomplete() -> None:
    """All rows or not complete."""
    refused = LabelRow(row=2, outcome="refused", code="LABEL_GRID")
    assert LabelImportReport(created="2026-11-22T12:00:00Z", rows=(GOOD,)).complete
    assert not LabelImportReport(created="2026-11-22T12:00:00Z", rows=(GOOD, refused)).complete
