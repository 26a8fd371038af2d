"""Weights that executor and worker hand to each other as files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from myofed_node.learning import handover
from myofed_node.learning.handover import mapped, written
from myofed_schemas.errors import MyofedError


def refused(call: object, *arguments: object) -> str:
    assert callable(call)
    with pytest.raises(MyofedError) as caught:
        call(*arguments)
    return caught.value.code


def test_file_that_is_there_already_or_a_link_is_not_written(tmp_path: Path) -> None:
    """Whoever could put a name there would choose what is overwritten."""
    (tmp_path / "there").write_bytes(b"kept")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("there", "link", "no-folder/new"):
        assert refused(written, tmp_path / name, [b"x"]) == "WEIGHTS_FILE"
    assert (tmp_path / "there").read_bytes() == b"kept"
    assert not (tmp_path / "elsewhere").exists()


def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an update is none."""

    def full(_descriptor: int, _content: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(handover.os, "write", full)
    assert refused(written, tmp_path / "new", [b"x"]) == "WEIGHTS_FILE"
    assert list(tmp_path.iterdir()) == []


def test_file_that_cannot_be_read_is_a_code(tmp_path: Path) -> None:
    """The worker's answer names no path."""
    assert refused(mapped, tmp_path / "none") == "WEIGHTS_FILE"


def test_what_was_written_is_read_and_nobody_else_may(tmp_path: Path) -> None:
    """Larger than one block, in parts, for its owner; also once its name is gone, and an empty one."""
    parts = [os.urandom(3), os.urandom(700_000), b"", memoryview(b"end")]
    written(tmp_path / "new", parts)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
    view = mapped(tmp_path / "new")
    (tmp_path / "new").unlink()
    assert view == b"".join(parts)
    written(tmp_path / "empty", [])
    assert mapped(tmp_path / "empty") == b""


def test_what_is_done_to_the_view_stays_in_this_process(tmp_path: Path) -> None:
    """Torch wants memory it may write to; the file is the site's evidence of what came."""
    (tmp_path / "in").write_bytes(b"came")
    view = memoryview(mapped(tmp_path / "in"))
    view[:] = b"gone"
    assert (tmp_path / "in").read_bytes() == b"came"
