"""Secrets and identities are read from files that only their owner can read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from myofed_anonymization.private_files import read_private_file
from myofed_schemas.errors import MyofedError


def _refusal(path: Path) -> MyofedError:
    with pytest.raises(MyofedError) as caught:
        read_private_file(path, what="the key of the vault")
    return caught.value


def test_a_file_of_its_owner_alone_is_read(tmp_path: Path) -> None:
    """0600 and 0400 give the content, also through a link."""
    path = tmp_path / "key"
    path.write_bytes(b"content")
    (tmp_path / "link").symlink_to(path)
    for mode in (0o600, 0o400):
        path.chmod(mode)
        assert read_private_file(tmp_path / "link", what="it") == b"content"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610])
def test_a_file_that_others_reach_is_refused_without_its_name(tmp_path: Path, mode: int) -> None:
    """Any right of group or others is one too many; a path may name a person."""
    path = tmp_path / "DOE-JOHN"
    path.write_bytes(b"content")
    path.chmod(mode)
    error = _refusal(path)
    assert error.code == "PRIVATE_FILE_PERMISSIONS"
    assert f"{mode:04o}" in error.message
    assert "DOE" not in str(error)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Nothing, a path through a file, a folder and a pipe without a writer: each at once, none waits."""
    (tmp_path / "file").touch(mode=0o600)
    os.mkfifo(tmp_path / "pipe", mode=0o600)
    for name in ("none", "file/below", "pipe", "."):
        assert _refusal(tmp_path / name).code == "PRIVATE_FILE_MISSING"
