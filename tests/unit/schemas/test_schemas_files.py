"""Atomic writing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from myofed_schemas.files import LEFT_BEHIND_S, sweep_half_written, write_atomically


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


KILLED = """
import os, signal, sys
from pathlib import Path
from myofed_schemas.files import write_atomically
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write_atomically(Path(sys.argv[1]), b"new")
"""


def test_what_a_kill_left_half_written_is_swept_away_when_it_is_old(tmp_path: Path) -> None:
    """Not before, for somebody may be writing it; nothing else goes, and a folder that is not there is no error."""
    target = tmp_path / "state.json"
    subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
    (left,) = tmp_path.iterdir()
    written = left.stat().st_mtime
    others = [tmp_path / name for name in (".state.json.tmp", "state.tmp", ".hidden", ".state.json.abc.tmp")]
    for other in others:
        other.touch()
        os.utime(other, (0, 0))
    folders = (tmp_path, tmp_path / "none")
    assert sweep_half_written(folders, now=written + LEFT_BEHIND_S) == 0
    assert sweep_half_written(folders, now=written + LEFT_BEHIND_S + 1) == 1
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_half_written_file_that_becomes_whole_during_the_sweep_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its writer renamed it between the look at the folder and the look at the file."""
    (tmp_path / ".state.json.0123abcd.tmp").touch()

    def gone(_: Path) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "lstat", gone)
    assert sweep_half_written([tmp_path], now=1e12) == 0
