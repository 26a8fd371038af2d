"""Atomic writing."""

from __future__ import annotations

from pathlib import Path

import pytest

from myofed_schemas.files import write_atomically


def test_file_appears_whole_with_its_mode(tmp_path: Path) -> None:
    """Content and permission are there at once, and no temporary file stays."""
    target = tmp_path / "key"
    write_atomically(target, b"new", mode=0o600)
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [target]


def test_failed_write_leaves_the_old_file_and_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash before the rename changes nothing."""
    target = tmp_path / "state"
    target.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
