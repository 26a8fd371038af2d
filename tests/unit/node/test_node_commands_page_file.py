"""Where a command's HTML page goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from myofed_node.commands.page_file import refuse_page_place, write_page
from myofed_schemas.errors import MyofedError


def test_folder_that_may_not_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told before the work, not after it."""
    monkeypatch.setattr("os.access", lambda _path, _mode: False)
    with pytest.raises(MyofedError) as refusal:
        refuse_page_place(tmp_path / "page.html")
    assert refusal.value.code == "PAGE_FOLDER_MISSING"


def test_folder_that_went_away_is_told_by_the_same_code(tmp_path: Path) -> None:
    """And nothing is made in its place."""
    with pytest.raises(MyofedError) as refusal:
        write_page(tmp_path / "no" / "page.html", b"page")
    assert refusal.value.code == "PAGE_FOLDER_MISSING"
    assert list(tmp_path.iterdir()) == []


def test_no_page_and_a_page_with_a_place_are_taken(tmp_path: Path) -> None:
    """An earlier page is written over."""
    refuse_page_place(None)
    for content in (b"one", b"two"):
        refuse_page_place(tmp_path / "page.html")
        write_page(tmp_path / "page.html", content)
        assert (tmp_path / "page.html").read_bytes() == content
