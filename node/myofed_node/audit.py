"""The site's append-only hash chain of everything decided and done here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from myofed_node.chained_lines import last_line, locked
from myofed_node.site_folder import SiteFolder
from myofed_schemas.audit import GENESIS, AuditEntry, AuditHead, BrokenChainError, HeadProof
from myofed_schemas.audit_lines import (
    LONGEST_LINE_BYTES,
    RewrittenChainError,
    chain_lines,
    export_lines,
    parse_line,
    verify_lines,
)
from myofed_schemas.audit_proof import ChainTree
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


class SiteAudit:
    """The chain in `audit.jsonl`; any process of the site may append, one at a time."""

    def __init__(self, folder: SiteFolder) -> None:
        self._path = folder.audit

    def append(
        self,
        action: str,
        *,
        now: datetime,
        subject: str = "",
        actor: str = "system",
        detail: Mapping[str, str | int] | None = None,
    ) -> AuditEntry:
        """The deed stands at the end of the chain, on disk.

        A line that a power cut left half written at the end is cut off first: it was never acknowledged.

        Args:
            action: Code of what happened.
            now: UTC.
            subject: Id or digest of what it happened to.
            actor: `system`, a site, or the login of a person on this machine.
            detail: Codes, digests and counts.

        Raises:
            MyofedError: AUDIT_BROKEN where the last entry cannot be read: nothing is appended to a broken chain.
            OSError: The disk is full.
        """
        with locked(self._path) as stream:
            last = _last_entry(stream)
            entry = AuditEntry(
                sequence=last.sequence + 1 if last else 1,
                at=utc_text(now),
                actor=actor,
                action=action,
                subject=subject,
                detail=dict(detail or {}),
                previous=last.digest() if last else GENESIS,
            )
            stream.write(entry.line())
            stream.flush()
            os.fsync(stream.fileno())
        return entry

    def last_sequence(self) -> int:
        """Number of the chain's last entry; 0 before the first.

        Raises:
            MyofedError: AUDIT_BROKEN where it cannot be read.
        """
        with locked(self._path) as stream:
            last = _last_entry(stream)
        return last.sequence if last else 0

    def has_since(self, after: int, action: str, detail: Mapping[str, str | int]) -> bool:
        """Whether this deed, with this detail, stands in the chain behind the entry of this sequence.

        Raises:
            MyofedError: AUDIT_BROKEN at a line that is no entry.
        """
        return any(
            entry.sequence > after and entry.action == action and entry.detail == detail for entry in self.entries()
        )

    def entries(self) -> Iterator[AuditEntry]:
        """All entries, in order.

        Raises:
            MyofedError: AUDIT_BROKEN at a line that is no entry.
        """
        for number, line in enumerate(chain_lines(self._path), start=1):
            yield _parse(line, number=number)

    def prove(self, site: str, *, since: int) -> tuple[AuditHead, HeadProof | None]:
        """Where the chain stands, with its root, and the proof that it goes on from its entry `since`.

        The first call of a process reads the whole chain; later ones what has come since.

        Args:
            site: The chain's owner.
            since: Sequence of the head that the coordinator co-signed last; 0 where it co-signed none.

        Returns:
            The head; no proof where the chain ends before `since`.

        Raises:
            MyofedError: AUDIT_BROKEN.
        """
        try:
            return _tree_of(self._path).prove(site, since=since)
        except BrokenChainError as error:
            raise _broken(error.sequence) from None

    def verify(self, *, cosigned: Mapping[int, str] | None = None, roots: Mapping[int, str] | None = None) -> AuditHead:
        """The head of a chain in which every entry follows from the one before, and the co-signed ones are as they were.

        Args:
            cosigned: Sequence -> digest of heads that the coordinator vouched for.
            roots: Sequence -> root of those that have one.

        Raises:
            MyofedError: AUDIT_BROKEN or AUDIT_REWRITTEN, naming the first entry at fault; AUDIT_EMPTY where there is nothing
                to verify.
        """
        return _judged(lambda: verify_lines(chain_lines(self._path), cosigned=cosigned, roots=roots))

    def export(
        self, out: BinaryIO, *, cosigned: Mapping[int, str] | None = None, roots: Mapping[int, str] | None = None
    ) -> AuditHead:
        """As `verify`, and the lines that were verified are in `out`.

        Raises:
            MyofedError: As `verify`; what is in `out` is worth nothing then.
        """
        return _judged(lambda: export_lines(chain_lines(self._path), out, cosigned=cosigned, roots=roots))


@lru_cache(maxsize=2)
def _tree_of(path: Path) -> ChainTree:
    """This process' tree over the chain in this file: a site has one."""
    return ChainTree(path)


def _judged(judge: Callable[[], AuditHead]) -> AuditHead:
    try:
        head = judge()
    except RewrittenChainError as error:
        raise _rewritten(error.sequence) from None
    except BrokenChainError as error:
        raise _broken(error.sequence) from None
    if head.sequence == 0:
        raise MyofedError(
            "AUDIT_EMPTY",
            "expected at least the entry that init wrote, found an empty chain",
            hint="restore audit.jsonl from the backup",
            exit_code=ExitCode.UNHEALTHY,
        )
    return head


def _last_entry(stream: BinaryIO) -> AuditEntry | None:
    line = last_line(stream, longest=LONGEST_LINE_BYTES)
    return None if line is None else _parse(line, number=0)


def _parse(line: bytes, *, number: int) -> AuditEntry:
    try:
        return parse_line(line, number=number)
    except BrokenChainError:
        raise _broken(number) from None


def _rewritten(sequence: int) -> MyofedError:
    return MyofedError(
        "AUDIT_REWRITTEN",
        f"expected the audit chain that the coordinator co-signed, found another from entry {sequence} on",
        hint="the audit chain was shortened or rewritten: keep it as evidence and restore the backup",
        exit_code=ExitCode.UNHEALTHY,
    )


def _broken(sequence: int) -> MyofedError:
    return MyofedError(
        "AUDIT_BROKEN",
        f"expected an unbroken audit chain, found a defect at entry {sequence or 'last'}",
        hint="keep the file as evidence, restore audit.jsonl from the backup, and ask who changed it",
        exit_code=ExitCode.UNHEALTHY,
    )
