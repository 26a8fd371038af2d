"""Files of one entry a line, read from their end."""

from __future__ import annotations

from pathlib import Path

import pytest

from myofed_node.chained_lines import last_line, locked


@pytest.mark.parametrize(
    ("content", "last", "kept"),
    [
        (b"", None, b""),
        (b"one\n", b"one\n", b"one\n"),
        (b"one\ntwo\n", b"two\n", b"one\ntwo\n"),
        (b"one\ntw", b"one\n", b"one\n"),
        (b"on", None, b""),
    ],
)
def test_last_whole_line_is_found_and_a_torn_one_is_cut(
    tmp_path: Path, content: bytes, last: bytes | None, kept: bytes
) -> None:
    """A write that a power cut stopped was never reported as done; what is written next follows the last whole line."""
    path = tmp_path / "chain"
    path.write_bytes(content)
    with locked(path) as stream:
        assert last_line(stream, longest=100) == last
        stream.write(b"next\n")
    assert path.read_bytes() == kept + b"next\n"


def test_new_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    """Chains are made where they are first written."""
    with locked(tmp_path / "chain"):
        pass
    assert (tmp_path / "chain").stat().st_mode & 0o777 == 0o600
