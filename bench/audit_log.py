"""A large audit chain and the time to verify it on one core; a part of `make bench NAME=catalog`."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from myofed_coordinator.audit import AuditLog
from myofed_schemas.audit import GENESIS, AuditEntry

ENTRIES = 1_000_000
KINDS = (
    ("SITE_APPROVED", "admin", {"certificate": "c" * 64}),
    ("CARD_PUBLISHED", "hospital-a", {"version": 3, "sha256": "d" * 64}),
    ("AUDIT_HEAD_COSIGNED", "hospital-b", {"sequence": 4711, "head": "e" * 64}),
    ("RUN_STARTED", "Jörg", {"study": "thigh-muscles", "manifest": "f" * 64, "sites": 3}),
)
"""As a coordinator writes them; the last one has a letter that is no ASCII."""


def make_audit_log(path: Path, *, entries: int = ENTRIES) -> str:
    """A chain of so many entries lies in the file; gives the digest of the last one."""
    previous = GENESIS
    lines = [_template(*kind) for kind in KINDS]
    with path.open("wb", buffering=1 << 20) as stream:
        for sequence in range(1, entries + 1):
            before, between, after = lines[sequence % len(lines)]
            line = before + previous.encode() + between + str(sequence).encode() + after
            stream.write(line + b"\n")
            previous = hashlib.sha256(line).hexdigest()
    return previous


def _template(action: str, actor: str, detail: dict[str, str | int]) -> tuple[bytes, bytes, bytes]:
    """An entry's line in three parts: before `previous`, between it and `sequence`, and after."""
    entry = AuditEntry(
        sequence=777_777_777,
        at="2026-11-22T12:00:00Z",
        actor=actor,
        action=action,
        subject="hospital-a",
        detail=detail,
        previous="a" * 64,
    )
    before, _, rest = entry.line().rstrip(b"\n").partition(b"a" * 64)
    between, _, after = rest.partition(b"777777777")
    return before, between, after


def audit_verify_seconds(folder: Path, *, entries: int = ENTRIES) -> float:
    """Seconds that `audit verify` takes over so many entries, in this process on one core."""
    path = folder / "audit.jsonl"
    last = make_audit_log(path, entries=entries)
    begin = time.perf_counter()
    head = AuditLog(path).verify(cosigned={entries: last})
    seconds = time.perf_counter() - begin
    assert (head.sequence, head.digest) == (entries, last), "not the chain that was made"
    return seconds
