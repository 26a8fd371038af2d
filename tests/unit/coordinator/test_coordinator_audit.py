"""The coordinator's audit chain: every change of a line is found; a crash in a write is healed."""

from __future__ import annotations

from pathlib import Path

import pytest
from coordinator_factories import NOW
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_coordinator.audit import AuditLog, Deed
from myofed_schemas.errors import MyofedError


def chain(folder: Path, entries: int = 4) -> AuditLog:
    log = AuditLog(folder / "audit.jsonl")
    for number in range(entries):
        log.append(Deed("admin", "SITE_INVITED", f"site-{number}", {"number": number}), now=NOW)
    return log


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_changed_byte_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever byte changes, except the last entry's own content, the chain says so."""
    folder = tmp_path_factory.mktemp("audit")
    log = chain(folder)
    content = bytearray((folder / "audit.jsonl").read_bytes())
    end = content.rfind(b"\n", 0, len(content) - 1)
    position = data.draw(st.integers(0, end))
    content[position] ^= data.draw(st.integers(1, 255))
    (folder / "audit.jsonl").write_bytes(content)
    with pytest.raises(MyofedError, match="AUDIT_BROKEN"):
        log.verify()


@pytest.mark.parametrize("order", [(0, 2, 3), (1, 2, 3), (0, 2, 1, 3), (0, 0, 1, 2)])
def test_removed_swapped_or_repeated_line_is_found(tmp_path: Path, order: tuple[int, ...]) -> None:
    """The chain holds in its one order only."""
    log = chain(tmp_path)
    lines = (tmp_path / "audit.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "audit.jsonl").write_bytes(b"".join(lines[n] for n in order))
    with pytest.raises(MyofedError, match="AUDIT_BROKEN"):
        log.verify()


def test_nothing_is_appended_to_a_damaged_end(tmp_path: Path) -> None:
    """A last line that is no entry stops every further decision."""
    log = chain(tmp_path)
    with (tmp_path / "audit.jsonl").open("ab") as stream:
        stream.write(b"{}\n")
    with pytest.raises(MyofedError, match="AUDIT_BROKEN"):
        log.append(Deed("admin", "SITE_REVOKED", "site-1"), now=NOW)


def test_line_torn_by_a_crash_is_cut_by_the_next_entry(tmp_path: Path) -> None:
    """Half a line was never reported as done; verification shows it, the next entry replaces it."""
    log = chain(tmp_path)
    with (tmp_path / "audit.jsonl").open("ab") as stream:
        stream.write(b'{"sequence": 5, "at"')
    with pytest.raises(MyofedError, match="AUDIT_BROKEN"):
        log.verify()
    log.append(Deed("admin", "SITE_REVOKED", "site-1"), now=NOW)
    assert log.verify().sequence == 5


def test_empty_chain_has_no_entry(tmp_path: Path) -> None:
    """A missing file is the head 0, which callers must judge."""
    assert AuditLog(tmp_path / "none").verify().sequence == 0
