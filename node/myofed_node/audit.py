"""The site's append-only hash chain of everything decided and done here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import BinaryIO

from pydantic import ValidationError

from myofed_node.chained_lines import last_line, locked
from myofed_node.site_folder import SiteFolder
from myofed_schemas.audit import GENESIS, AuditEntry, AuditHead, BrokenChainError, verify_chain
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

LONGEST_LINE_BYTES = 64 * 1024
"""More than any entry takes: codes, digests and counts only."""


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

    def entries(self) -> Iterator[AuditEntry]:
        """All entries, in order.

        Raises:
            MyofedError: AUDIT_BROKEN at a line that is no entry.
        """
        if not self._path.exists():
            return
        with self._path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                yield _parse(line, number=number)

    def verify(self) -> AuditHead:
        """The head of a chain in which every entry follows from the one before.

        Raises:
            MyofedError: AUDIT_BROKEN, naming the first entry at fault; AUDIT_EMPTY where there is nothing to verify.
        """
        try:
            head = verify_chain(self.entries())
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
        return AuditEntry.model_validate_json(line)
    except ValidationError:
        raise _broken(number) from None


def _broken(sequence: int) -> MyofedError:
    return MyofedError(
        "AUDIT_BROKEN",
        f"expected an unbroken audit chain, found a defect at entry {sequence or 'last'}",
        hint="keep the file as evidence, restore audit.jsonl from the backup, and ask who changed it",
        exit_code=ExitCode.UNHEALTHY,
    )
