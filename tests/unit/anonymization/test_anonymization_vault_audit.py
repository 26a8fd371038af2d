"""The record of look-ups: whatever is changed, removed or reordered is found, and a kill leaves it whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_anonymization.vault_audit import HEAD, LINES, AuditTrail
from myofed_schemas.audit import GENESIS, AuditHead
from myofed_schemas.errors import MyofedError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _trail(folder: Path, *, entries: int = 4) -> AuditTrail:
    trail = AuditTrail(folder)
    trail.begin()
    for number in range(entries):
        trail.append("VAULT_LOOK_UP", who="officer", subject=f"S{number}", detail={"outcome": "ANSWERED"}, now=NOW)
    return trail


def _broken(trail: AuditTrail) -> str:
    with pytest.raises(MyofedError) as caught:
        trail.verify()
    assert caught.value.code == "VAULT_AUDIT_BROKEN"
    return caught.value.message


def test_entries_are_chained_and_verified(tmp_path: Path) -> None:
    """The head tells how many there are; a second `begin` changes nothing."""
    trail = _trail(tmp_path)
    trail.begin()
    assert trail.verify().sequence == 4
    assert [entry.subject for entry in trail.entries()] == ["S0", "S1", "S2", "S3"]
    assert (tmp_path / LINES).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", range(4))
def test_a_removed_line_is_found(tmp_path: Path, number: int) -> None:
    """The first, one between, and the last one."""
    trail = _trail(tmp_path)
    lines = (tmp_path / LINES).read_bytes().splitlines(keepends=True)
    (tmp_path / LINES).write_bytes(b"".join(lines[:number] + lines[number + 1 :]))
    assert f"entry {number + 1 if number == 3 else number + 2}" in _broken(trail)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_changed_byte_or_order_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Wherever it is: a bit of a line, or two lines exchanged."""
    folder = tmp_path_factory.mktemp("vault")
    trail = _trail(folder)
    content = bytearray((folder / LINES).read_bytes())
    if data.draw(st.booleans()):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 6))
    else:
        lines = bytes(content).splitlines(keepends=True)
        first, second = data.draw(st.sampled_from([(a, b) for a in range(4) for b in range(a)]))
        lines[first], lines[second] = lines[second], lines[first]
        content = bytearray(b"".join(lines))
    (folder / LINES).write_bytes(content)
    _broken(trail)


def test_a_chain_written_anew_is_found_by_its_head(tmp_path: Path) -> None:
    """A shorter but sound chain is not the one whose head was noted; nor is one of other entries."""
    trail = _trail(tmp_path)
    head = (tmp_path / HEAD).read_bytes()
    (tmp_path / HEAD).unlink()
    for entries in (2, 4):
        (tmp_path / LINES).unlink()
        (tmp_path / HEAD).unlink(missing_ok=True)
        other = AuditTrail(tmp_path)
        other.begin()
        for _ in range(entries):
            other.append("VAULT_LOOK_UP", who="other", subject="X", detail={}, now=NOW)
        (tmp_path / HEAD).write_bytes(head)
        _broken(trail)


@pytest.mark.parametrize("name", [LINES, HEAD])
@pytest.mark.parametrize("content", [None, b"{}\n"])
def test_a_missing_or_strange_file_is_found(tmp_path: Path, name: str, content: bytes | None) -> None:
    """Removing everything is not a way to have no entries."""
    trail = _trail(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    assert "entry 1" in _broken(trail)
    with pytest.raises(MyofedError):
        trail.append("VAULT_LOOK_UP", who="officer", subject="S", detail={}, now=NOW)


def test_an_entry_in_another_spelling_is_found(tmp_path: Path) -> None:
    """The same values with other white space: somebody wrote the line again."""
    trail = _trail(tmp_path, entries=1)
    (tmp_path / LINES).write_text(json.dumps(json.loads((tmp_path / LINES).read_bytes())) + "\n")
    assert "entry 1" in _broken(trail)


def test_a_kill_between_line_and_head_or_within_a_line_leaves_a_sound_chain(tmp_path: Path) -> None:
    """A line whose head was not noted counts; half a line does not, and goes with the next entry."""
    trail = _trail(tmp_path, entries=1)
    head = (tmp_path / HEAD).read_bytes()
    trail.append("VAULT_LOOK_UP", who="officer", subject="S1", detail={}, now=NOW)
    (tmp_path / HEAD).write_bytes(head)
    with (tmp_path / LINES).open("ab") as stream:
        stream.write(b'{"half a line')
    assert trail.verify().sequence == 2
    trail.append("VAULT_LOOK_UP", who="officer", subject="S2", detail={}, now=NOW)
    assert trail.verify().sequence == 3
    assert b"half" not in (tmp_path / LINES).read_bytes()


def test_an_earlier_head_is_part_of_the_chain_or_not(tmp_path: Path) -> None:
    """What was noted elsewhere tells a chain written anew from one that grew."""
    trail = _trail(tmp_path, entries=1)
    noted = trail.verify()
    trail.append("VAULT_LOOK_UP", who="officer", subject="S1", detail={}, now=NOW)
    assert trail.holds(noted)
    assert trail.holds(AuditHead(owner="vault", sequence=0, digest=GENESIS))
    assert not trail.holds(AuditHead(owner="vault", sequence=1, digest="0" * 64))
    assert not trail.holds(AuditHead(owner="vault", sequence=9, digest=noted.digest))
