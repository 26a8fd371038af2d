from __future__ import annotations

import os
from pathlib import Path

import pytest

from myofed_anonymization.inputs import Inputs
from myofed_schemas.errors import MyofedError


def tree(folder: Path) -> list[Path]:
    """Files whose sorted order is not that of a naive walk, and two links."""
    for name in ("b/2.dcm", "b/10.dcm", "b.dcm", "a/z/1", "a/y", "c"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (folder / "link").symlink_to("a")
    (folder / "b" / "broken").symlink_to("nowhere")
    return sorted(
        [*(path for path in folder.rglob("*") if not path.is_dir() and path.parent.name != "link"), folder / "link"]
    )


def test_files_come_once_sorted_by_path_without_following_links(tmp_path: Path) -> None:
    """The running number of an input is the same on every machine."""
    expected = tree(tmp_path / "in")
    found = Inputs.below([tmp_path / "in"], out=tmp_path / "out")
    assert list(found) == expected
    assert found.count == len(expected) == len(list(found))


def test_roots_within_roots_count_once(tmp_path: Path) -> None:
    """A file named beside the folder it lies in is one input."""
    expected = tree(tmp_path / "in")
    single = tmp_path / "single"
    single.touch()
    roots = [single, tmp_path / "in" / "b", tmp_path / "in", tmp_path / "in" / "c", tmp_path / "in"]
    assert list(Inputs.below(roots, out=tmp_path / "out")) == [*expected, single]


def test_a_folder_that_cannot_be_listed_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that nobody can see would have no outcome."""

    def failing(_: Path) -> list[object]:
        raise PermissionError

    monkeypatch.setattr(os, "scandir", failing)
    with pytest.raises(MyofedError, match="SOURCE_UNREADABLE"):
        Inputs.below([tmp_path], out=tmp_path.parent / "out")
