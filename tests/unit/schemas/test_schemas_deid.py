from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from myofed_schemas.deid import DeidentificationReport, FileOutcome, NoteCode, WithheldCode

DIGEST = "0" * 64
RELEASED = {
    "number": 1,
    "input_sha256": DIGEST,
    "outcome": "deidentified",
    "notes": (NoteCode.PATIENT_ID_MISSING,),
    "output": "2.25.1/2.25.2/2.25.3.dcm",
    "output_sha256": "1" * 64,
    "pixel_sha256": "2" * 64,
    "actions": {"kept": 3},
    "checks": 7,
}
WITHHELD = {"number": 2, "input_sha256": None, "outcome": "withheld", "code": WithheldCode.UNREADABLE}
REPORT = {
    "created": "2026-11-22T12:00:00Z",
    "policy": "myofed-default-1",
    "policy_digest": DIGEST,
    "profile_edition": "PS3.15 2026c",
    "profile_rows": 655,
    "tools": {"myofed": "0.1.0"},
    "key_check": "0123456789abcdef",
    "claim": "Pseudonymised.",
    "received": 2,
    "deidentified": 1,
    "withheld": 1,
    "withheld_by_code": {"UNREADABLE": 1},
    "files": (RELEASED, WITHHELD),
}


@pytest.mark.parametrize(
    "change",
    [
        {"code": "LEAK_FOUND"},
        {"output": None},
        {"output_sha256": None},
        {"checks": 0},
        {"output": "Fantasia/2.25.2/2.25.3.dcm"},
        {"output": "../2.25.2/2.25.3.dcm"},
        {"outcome": "withheld"},
        {"patient": "Fantasia"},
    ],
)
def test_a_released_file_without_its_proof_is_impossible(change: dict[str, object]) -> None:
    """An outcome is released with output, digests and checks, or withheld with a code; nothing else is valid."""
    with pytest.raises(ValidationError):
        FileOutcome.model_validate({**RELEASED, **change})


def test_a_withheld_file_without_code_is_impossible() -> None:
    """Nobody is left without a reason."""
    with pytest.raises(ValidationError):
        FileOutcome.model_validate({**WITHHELD, "code": None})


@pytest.mark.parametrize(
    "change", [{"received": 3}, {"deidentified": 2}, {"withheld_by_code": {}}, {"files": (WITHHELD, RELEASED)}]
)
def test_counts_that_are_not_the_files_are_refused(change: dict[str, object]) -> None:
    """Every input has exactly one outcome, in order of its number."""
    with pytest.raises(ValidationError):
        DeidentificationReport.model_validate({**REPORT, **change})


def test_a_report_survives_its_json() -> None:
    """What is written is what is read, and outputs name digests by path."""
    report = DeidentificationReport.model_validate(REPORT)
    assert DeidentificationReport.model_validate_json(report.model_dump_json()) == report
    assert report.outputs() == {"2.25.1/2.25.2/2.25.3.dcm": "1" * 64}


def test_every_code_is_documented(repository: Path) -> None:
    """A person who reads a code in a report finds it explained."""
    text = (repository / "docs" / "deidentification.md").read_text(encoding="utf-8")
    assert [code for code in (*WithheldCode, *NoteCode) if f"`{code.value}`" not in text] == []
