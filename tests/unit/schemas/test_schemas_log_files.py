"""Logs stay bounded, and their writers notice nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from myofed_schemas.log_files import rotate


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_small_log_and_missing_log_stay_as_they_are(tmp_path: Path) -> None:
    """Nothing is made of nothing."""
    assert not rotate(tmp_path / "none.log", largest=10)
    (tmp_path / "a.log").write_bytes(b"x" * 10)
    assert not rotate(tmp_path / "a.log", largest=10)
    assert names(tmp_path) == ["a.log"]


def test_writer_goes_on_in_the_same_file(tmp_path: Path) -> None:
    """It holds the file open for appending; no line is lost or half, and the newest rotated files stay, 0600."""
    log = tmp_path / "a.log"
    with log.open("ab", buffering=0) as writer:
        for number in range(8):
            writer.write(b"%d" % number * 20 + b"\n")
            assert rotate(log, largest=15, kept=3)
        writer.write(b"last\n")
    assert names(tmp_path) == ["a.log", "a.log.1", "a.log.2", "a.log.3"]
    assert log.read_bytes() == b"last\n"
    assert [(tmp_path / f"a.log.{n}").read_bytes()[:1] for n in (1, 2, 3)] == [b"7", b"6", b"5"]
    assert (tmp_path / "a.log.1").stat().st_mode & 0o777 == 0o600


def test_full_disk_leaves_the_log_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is emptied that was not copied."""
    log = tmp_path / "a.log"
    log.write_bytes(b"x" * 100)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(OSError, match="No space"):
        rotate(log, largest=10)
    assert log.stat().st_size == 100
