"""The site's audit chain: nothing is appended to a broken one, tampering is found at its entry."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from myofed_node.audit import SiteAudit
from myofed_node.site_folder import SiteFolder
from myofed_schemas.errors import MyofedError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> SiteFolder:
    made = SiteFolder(tmp_path)
    for number in range(4):
        SiteAudit(made).append("TESTED", subject=f"thing-{number}", now=NOW, detail={"number": number})
    return made


def _code(folder: SiteFolder) -> tuple[str, str]:
    with pytest.raises(MyofedError) as caught:
        SiteAudit(folder).verify()
    return caught.value.code, caught.value.message


def test_empty_chain_does_not_verify(tmp_path: Path) -> None:
    """0 of 0 entries checked is a failure: the file was removed."""
    assert _code(SiteFolder(tmp_path))[0] == "AUDIT_EMPTY"


@pytest.mark.parametrize("line", range(3))
def test_changed_entry_is_found(folder: SiteFolder, line: int) -> None:
    """The entry that was changed is named, not the one after it, whose digest does not match."""
    lines = folder.audit.read_bytes().splitlines(keepends=True)
    lines[line] = lines[line].replace(b"thing", b"thong")
    folder.audit.write_bytes(b"".join(lines))
    code, message = _code(folder)
    assert code == "AUDIT_BROKEN"
    assert f"entry {line + 1}" in message


def test_removed_entry_is_found(folder: SiteFolder) -> None:
    """A gap in the sequence is a defect."""
    lines = folder.audit.read_bytes().splitlines(keepends=True)
    folder.audit.write_bytes(b"".join(lines[:1] + lines[2:]))
    assert _code(folder) == ("AUDIT_BROKEN", "expected an unbroken audit chain, found a defect at entry 2")


def test_line_that_is_no_entry_is_found_and_not_appended_to(folder: SiteFolder) -> None:
    """A damaged end stops the chain: appending would hide it."""
    with folder.audit.open("ab") as stream:
        stream.write(b'{"note": "free text"}\n')
    assert _code(folder)[0] == "AUDIT_BROKEN"
    size = folder.audit.stat().st_size
    with pytest.raises(MyofedError, match="unbroken"):
        SiteAudit(folder).append("TESTED", now=NOW)
    assert folder.audit.stat().st_size == size


def test_half_line_of_a_power_cut_is_dropped_by_the_next_append(folder: SiteFolder) -> None:
    """What was never acknowledged is not part of the chain."""
    with folder.audit.open("ab") as stream:
        stream.write(b'{"sequence": 5, "at"')
    assert SiteAudit(folder).append("TESTED", now=NOW).sequence == 5
    assert SiteAudit(folder).verify().sequence == 5


def test_half_line_alone_is_dropped(tmp_path: Path) -> None:
    """A chain whose first entry was cut starts anew."""
    folder = SiteFolder(tmp_path)
    folder.audit.write_bytes(b'{"seq')
    assert SiteAudit(folder).append("TESTED", now=NOW).sequence == 1


def test_whole_chain_verifies_to_its_head(folder: SiteFolder) -> None:
    """The head names the last entry, and the file is 0600."""
    entries = list(SiteAudit(folder).entries())
    head = SiteAudit(folder).verify()
    assert (head.sequence, head.digest) == (4, entries[-1].digest())
    assert folder.audit.stat().st_mode & 0o777 == 0o600
