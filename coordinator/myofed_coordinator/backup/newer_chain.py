"""The audit chain that outlived a backup: proven to go on from the backup's head, and what it says happened since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from myofed_coordinator.audit import OWNER
from myofed_coordinator.backup import refusals
from myofed_schemas.audit import AuditEntry, AuditHead, BrokenChainError
from myofed_schemas.audit_lines import RewrittenChainError, chain_lines, parse_line, verify_lines

SHUTS_OUT = frozenset(
    {
        "SITE_REVOKED",
        "SITE_ASKED",
        "ACCOUNT_DISABLED",
        "ACCOUNT_RESET",
        "ACCOUNT_ROLES",
        "ACCOUNT_LOST_ROLES",
        "ACCOUNT_SET_UP",
        "PASSWORD_CHANGED",
        "SECOND_FACTOR_SET",
        "RECOVERY_CODE_USED",
        "TOKEN_REVOKED",
        "START_DECLINED",
        "CARD_WITHDRAWN",
        "STUDY_LEAD_REMOVED",
    }
)
"""After each of these something that opened before opens no more."""
TOLD_BESIDE = frozenset({"ACCOUNT_ADDED", "ACCOUNT_ENABLED"})
"""These shut nobody out; without them a disabling could not be understood."""


@dataclass(frozen=True)
class NewerChain:
    """What a chain says after a backup.

    Attributes:
        head: Of the chain, all of which holds.
        until: When its last entry was made; empty in a chain without entries.
        entries: Those of SHUTS_OUT and TOLD_BESIDE after the backup's head, in order.
    """

    head: AuditHead
    until: str
    entries: tuple[AuditEntry, ...]


def read_newer(path: Path, backup: AuditHead) -> NewerChain:
    """The chain holds from its first entry on, has the backup's head in it, and this is what followed.

    A torn last line is left out, as the coordinator itself does after a crash. Nobody but the hashes vouches for what stands
    behind the head that sites co-signed last: so what is read here may close, and never open.

    Args:
        path: `audit.jsonl` of the home that was lost.
        backup: Where the chain stood when the backup was made.

    Raises:
        MyofedError: BACKUP_AUDIT, the chain does not hold, or is not the backup's and newer.
    """
    kept: list[AuditEntry] = []
    last = b""

    def looked_at() -> Iterator[bytes]:
        nonlocal last
        for number, line in enumerate(_whole(chain_lines(path)), start=1):
            last = line
            if number > backup.sequence and _tells(line, number):
                kept.append(parse_line(line, number=number))
            yield line

    try:
        head = verify_lines(looked_at(), cosigned={backup.sequence: backup.digest})
    except RewrittenChainError:
        raise refusals.another_chain() from None
    except BrokenChainError as error:
        raise refusals.broken_chain(error.sequence) from None
    until = parse_line(last, number=head.sequence).at if last else ""
    return NewerChain(AuditHead(owner=OWNER, sequence=head.sequence, digest=head.digest), until, tuple(kept))


def _tells(line: bytes, number: int) -> bool:
    """Whether this is an entry that counts here; the action stands first in canonical JSON."""
    action = line.removeprefix(b'{"action":"').partition(b'"')[0]
    try:
        return action.decode("ascii") in SHUTS_OUT | TOLD_BESIDE
    except UnicodeDecodeError:
        raise BrokenChainError(number, "the line is no entry") from None


def _whole(lines: Iterator[bytes]) -> Iterator[bytes]:
    """All lines but a torn one at the end; a torn one in between is left for the verification to find."""
    held = next(lines, b"")
    for line in lines:
        yield held
        held = line
    if held.endswith(b"\n"):
        yield held
