"""docs/reading-data-sets.md says what is true: its examples run, and its tables name every reason and code."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest
from reading_factories import small_dataset

from myofed_node.mids.listing import UnreadReason


def test_examples_of_the_page_run(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line gives what the page shows."""
    small_dataset(tmp_path / "dataset")
    monkeypatch.chdir(tmp_path)
    page = repository / "docs" / "reading-data-sets.md"
    result = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert result.attempted >= 25
    assert result.failed == 0


def test_page_explains_every_reason(repository: Path) -> None:
    """A reason that a reader may meet stands in the table."""
    page = (repository / "docs" / "reading-data-sets.md").read_text()
    assert {reason.value for reason in UnreadReason} <= set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))


def test_page_explains_every_code_of_the_export(repository: Path) -> None:
    """Every code in the modules of reading and export stands on the page."""
    page = (repository / "docs" / "reading-data-sets.md").read_text()
    folder = repository / "node" / "myofed_node" / "mids"
    sources = [folder / "image.py", folder / "nifti_file.py", *(folder / "back_to_dicom").glob("dicom_*.py")]
    codes = {code for path in sources for code in re.findall(r'"((?:EXPORT|IMAGE|COMPLEX)_[A-Z_]+)"', path.read_text())}
    assert "EXPORT_PROOF_FAILED" in codes
    assert {code for code in codes if code not in page} == {"IMAGE_NO_SUCH_VOLUME"}
