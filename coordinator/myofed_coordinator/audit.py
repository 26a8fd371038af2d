"""The coordinator's append-only hash chain of everything decided; several processes append, one line each."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from myofed_schemas.audit import COORDINATOR, GENESIS, AuditEntry, AuditHead, BrokenChainError, HeadProof
from myofed_schemas.audit_lines import RewrittenChainError, chain_lines, export_lines, parse_line, verify_lines
from myofed_schemas.audit_proof import ChainTree
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

OWNER = COORDINATOR
_BLOCK = 65_536


@dataclass(frozen=True)
class Deed:
    """What is to be written: who did what to what.

    Attributes:
        actor: `system`, a site's name, or the login of a person on this machine.
        action: Code, e.g. `SITE_APPROVED`.
        subject: Site, study, run or digest.
        detail: Codes, digests and counts.
    """

    actor: str
    action: str
    subject: str
    detail: dict[str, str | int] = field(default_factory=dict)


class AuditLog:
    """One chain in one file.

    Services append INSIDE their writing transaction, before it commits: nothing is decided without its entry. A process
    killed between the two leaves an entry whose deed is then done again (and entered again) by the next call.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tree = ChainTree(path)

    def append(self, deed: Deed, *, now: datetime) -> AuditEntry:
        """The deed is on disk, chained to the entry before it.

        Raises:
            MyofedError: AUDIT_BROKEN, the last line is no entry.
        """
        with self._locked() as descriptor:
            last = self._last(descriptor)
            entry = AuditEntry(
                sequence=last.sequence + 1 if last else 1,
                at=utc_text(now),
                actor=deed.actor,
                action=deed.action,
                subject=deed.subject,
                detail=deed.detail,
                previous=last.digest() if last else GENESIS,
            )
            os.write(descriptor, entry.line())
            os.fsync(descriptor)
        return entry

    def entries(self) -> Iterator[AuditEntry]:
        """All entries in order.

        Raises:
            MyofedError: AUDIT_BROKEN, a line is no entry.
        """
        for number, line in enumerate(chain_lines(self._path), start=1):
            yield _parse(line, number)

    def head(self) -> AuditHead:
        """Where the chain stands, by its last entry alone; sequence 0 in an empty one.

        Raises:
            MyofedError: AUDIT_BROKEN, the last line is no entry.
        """
        with self._locked() as descriptor:
            last = self._last(descriptor)
        return AuditHead(owner=OWNER, sequence=last.sequence if last else 0, digest=last.digest() if last else GENESIS)

    def prove(self, *, since: int) -> tuple[AuditHead, HeadProof | None]:
        """Where the chain stands, with its root, and the proof that it goes on from its entry `since`.

        The first call of a process reads the whole chain; later ones what has come since.

        Args:
            since: Sequence of the head that the other side signed last; 0 where it signed none.

        Returns:
            The head; no proof where the chain ends before `since`.

        Raises:
            MyofedError: AUDIT_BROKEN, the last line is no entry, or out of its place.
        """
        try:
            return self._tree.prove(OWNER, since=since)
        except BrokenChainError as error:
            raise _broken(error.sequence) from error

    def stands_for(self, head: AuditHead) -> bool:
        """Whether the chain has this head's entry at its place and, where the head has one, its root there."""
        return self._tree.stands_for(head)

    def verify(self, *, cosigned: Mapping[int, str] | None = None, roots: Mapping[int, str] | None = None) -> AuditHead:
        """The head of a chain that holds from the first entry to the last, and is the one that sites have co-signed.

        Args:
            cosigned: Sequence -> digest of the heads that sites vouched for.
            roots: Sequence -> root of those that have one.

        Raises:
            MyofedError: AUDIT_BROKEN or AUDIT_REWRITTEN name the first entry at fault.
        """
        return self._judged(lambda: verify_lines(chain_lines(self._path), cosigned=cosigned, roots=roots))

    def export(
        self, out: BinaryIO, *, cosigned: Mapping[int, str] | None = None, roots: Mapping[int, str] | None = None
    ) -> AuditHead:
        """As `verify`, and the lines that were verified are in `out`.

        Raises:
            MyofedError: As `verify`; what is in `out` is worth nothing then.
        """
        return self._judged(lambda: export_lines(chain_lines(self._path), out, cosigned=cosigned, roots=roots))

    @staticmethod
    def _judged(judge: Callable[[], AuditHead]) -> AuditHead:
        try:
            head = judge()
        except RewrittenChainError as error:
            raise rewritten(error.sequence) from error
        except BrokenChainError as error:
            raise _broken(error.sequence) from error
        return AuditHead(owner=OWNER, sequence=head.sequence, digest=head.digest)

    @contextmanager
    def _locked(self) -> Generator[int]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    @staticmethod
    def _last(descriptor: int) -> AuditEntry | None:
        """The last whole entry; a torn line after it (a crash in the middle of a write, never reported as done) is cut."""
        size = os.fstat(descriptor).st_size
        tail = os.pread(descriptor, _BLOCK, max(0, size - _BLOCK))
        torn = len(tail) - (tail.rfind(b"\n") + 1)
        if torn:
            os.ftruncate(descriptor, size - torn)
            tail = tail[: len(tail) - torn]
        if not tail:
            return None
        return _parse(tail.splitlines(keepends=True)[-1], 0)


def _parse(line: bytes, number: int) -> AuditEntry:
    try:
        return parse_line(line, number=number)
    except BrokenChainError as error:
        raise _broken(number) from error


def rewritten(number: int) -> MyofedError:
    """The chain, from this entry on, is not the one that was co-signed."""
    return MyofedError(
        "AUDIT_REWRITTEN",
        f"the audit chain is not the one that sites co-signed, from entry {number} on",
        hint="it was shortened or rewritten: keep the file as evidence and compare it with the last backup",
        exit_code=ExitCode.UNHEALTHY,
    )


def _broken(number: int) -> MyofedError:
    where = f"at entry {number}" if number else "at its last entry"
    return MyofedError(
        "AUDIT_BROKEN",
        f"the audit chain does not hold {where}",
        hint="keep the file as evidence and compare it with the last backup and the co-signed heads",
        exit_code=ExitCode.UNHEALTHY,
    )
