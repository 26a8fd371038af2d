"""The egress ledger on disk: one line for every request that left, appended under a lock and synced before the answer."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import ValidationError

from myofed_node.chained_lines import last_line, locked
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ledger import LEDGER_GENESIS, EgressEntry, EgressSummary, summarise

Kind = Literal["engine", "site", "enrol", "refused"]
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
LONGEST_LINE_BYTES = 16 * 1024
LONGEST_PATH = 200


@dataclass(frozen=True)
class Passage:
    """What is known of one request once its answer is complete.

    Attributes:
        kind: `refused` was never sent.
        method: HTTP method.
        path: Without query.
        study: Where known.
        status: Of the answer; 0 where nobody was reached.
        out_bytes: Of the request's body that left.
        out_sha256: Of it.
        in_bytes: Of the answer's body.
        in_sha256: Of it.
    """

    kind: Kind
    method: str
    path: str
    study: str = ""
    status: int = 0
    out_bytes: int = 0
    out_sha256: str = EMPTY_SHA256
    in_bytes: int = 0
    in_sha256: str = EMPTY_SHA256


ROOM_BYTES = 16 << 20
"""Free space below which nothing leaves any more: what leaves must be noted."""


class EgressLedger:
    """The chain in `egress.jsonl`; `join` and the egress append, each under the file's lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known_size = -1
        self._sequence = 0
        self._head = LEDGER_GENESIS

    def ready(self) -> None:
        """The ledger can take an entry: its end is whole, and the disk has room. Asked BEFORE anything leaves.

        Raises:
            MyofedError: LEDGER_BROKEN.
            OSError: The disk is full or the file cannot be written.
        """
        with locked(self._path) as stream:
            if stream.seek(0, os.SEEK_END) != self._known_size:
                self._reread(stream)
                self._known_size = stream.seek(0, os.SEEK_END)
            free = os.fstatvfs(stream.fileno())
            if free.f_bavail * free.f_frsize < ROOM_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def append(self, passage: Passage, *, now: datetime) -> EgressEntry:
        """The request stands at the end of the ledger, on disk.

        A line that a power cut left half written is cut off first.

        Raises:
            MyofedError: LEDGER_BROKEN where the last entry cannot be read: nothing more may leave then.
            OSError: The disk is full.
        """
        with locked(self._path) as stream:
            if stream.seek(0, os.SEEK_END) != self._known_size:
                self._reread(stream)
            entry = EgressEntry(
                sequence=self._sequence + 1,
                at=utc_text(now),
                kind=passage.kind,
                study=passage.study,
                method=passage.method[:8],
                path=passage.path[:LONGEST_PATH],
                status=passage.status,
                out_bytes=passage.out_bytes,
                out_sha256=passage.out_sha256,
                in_bytes=passage.in_bytes,
                in_sha256=passage.in_sha256,
                previous=self._head,
            )
            stream.write(entry.line())
            stream.flush()
            os.fsync(stream.fileno())
            self._known_size, self._sequence, self._head = stream.tell(), entry.sequence, entry.digest()
        return entry

    def _reread(self, stream: BinaryIO) -> None:
        last = _last_entry(stream)
        self._sequence, self._head = (last.sequence, last.digest()) if last else (0, LEDGER_GENESIS)


def read_ledger(path: Path) -> Iterator[EgressEntry]:
    """All entries, in order; none where nothing ever left.

    Raises:
        MyofedError: LEDGER_BROKEN at a line that is no entry.
    """
    if not path.exists():
        return
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            yield _parse(line, number=number)


def verify_ledger(path: Path) -> EgressSummary:
    """The totals of a ledger whose chain holds.

    Raises:
        MyofedError: LEDGER_BROKEN.
    """
    try:
        return summarise(read_ledger(path))
    except ValueError:
        raise _broken("somewhere in the chain") from None


def _last_entry(stream: BinaryIO) -> EgressEntry | None:
    line = last_line(stream, longest=LONGEST_LINE_BYTES)
    return None if line is None else _parse(line, number=0)


def _parse(line: bytes, *, number: int) -> EgressEntry:
    try:
        return EgressEntry.model_validate_json(line)
    except ValidationError:
        raise _broken(f"at entry {number}" if number else "at its last entry") from None


def _broken(where: str) -> MyofedError:
    return MyofedError(
        "LEDGER_BROKEN",
        f"expected an unbroken egress ledger, found a defect {where}",
        hint="nothing leaves until it is whole: keep egress.jsonl as evidence, restore it from the backup",
        exit_code=ExitCode.UNHEALTHY,
    )
