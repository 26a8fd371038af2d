"""The vault's own record of who asked for whom and why: one chained JSON line an entry, on disk before any answer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from myofed_schemas.audit import GENESIS, AuditEntry, AuditHead, BrokenChainError, verify_chain
from myofed_schemas.canonical import canonical_json
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically

LINES, HEAD = "audit.jsonl", "audit-head.json"
OWNER = "vault"


@dataclass(frozen=True, slots=True)
class AuditTrail:
    """The chain and, beside it, its head: without the head nobody would see that the last line was removed.

    Who may write to the folder can write both anew; so the node puts the head into the site's own chain after every
    look-up, and the coordinator co-signs that one.
    """

    folder: Path

    def begin(self) -> None:
        """An empty chain with its head lies on disk, unless there is one."""
        if not (self.folder / HEAD).exists():
            (self.folder / LINES).touch(mode=0o600)
            self._note(AuditHead(owner=OWNER, sequence=0, digest=GENESIS))

    def append(self, action: str, *, who: str, subject: str, detail: dict[str, str | int], now: datetime) -> AuditHead:
        """The entry stands at the end of the chain, on disk; a line left half written by a kill is gone.

        The caller holds the folder's lock.

        Raises:
            MyofedError: VAULT_AUDIT_BROKEN; nothing is appended to a broken chain.
        """
        content, head = self._whole_lines(), self.verify()
        entry = AuditEntry(
            sequence=head.sequence + 1,
            at=utc_text(now),
            actor=who,
            action=action,
            subject=subject,
            detail=detail,
            previous=head.digest,
        )
        with (self.folder / LINES).open("r+b") as stream:
            stream.truncate(len(content))
            stream.seek(len(content))
            stream.write(entry.line())
            stream.flush()
            os.fsync(stream.fileno())
        new = AuditHead(owner=OWNER, sequence=entry.sequence, digest=entry.digest())
        self._note(new)
        return new

    def entries(self) -> tuple[AuditEntry, ...]:
        """All whole lines, in order.

        Raises:
            MyofedError: VAULT_AUDIT_BROKEN, a line is no entry or the file is gone.
        """
        found = []
        for number, line in enumerate(self._whole_lines().splitlines(), start=1):
            try:
                entry = AuditEntry.model_validate_json(line)
            except ValidationError:
                raise _broken(number) from None
            if entry.line() != line + b"\n":
                raise _broken(number)
            found.append(entry)
        return tuple(found)

    def verify(self) -> AuditHead:
        """The head of a chain in which nothing was changed, removed or reordered since its head was noted.

        Raises:
            MyofedError: VAULT_AUDIT_BROKEN, naming the first entry at fault.
        """
        entries = self.entries()
        try:
            found = verify_chain(entries)
        except BrokenChainError as error:
            raise _broken(error.sequence) from None
        noted = self._noted()
        digests = [GENESIS, *(entry.digest() for entry in entries)]
        if noted.sequence > found.sequence or digests[noted.sequence] != noted.digest:
            raise _broken(min(noted.sequence, found.sequence + 1))
        return AuditHead(owner=OWNER, sequence=found.sequence, digest=found.digest)

    def holds(self, head: AuditHead) -> bool:
        """Whether this earlier head, noted elsewhere, is part of the chain as it is now."""
        digests = [GENESIS, *(entry.digest() for entry in self.entries())]
        return head.sequence < len(digests) and digests[head.sequence] == head.digest

    def _whole_lines(self) -> bytes:
        try:
            content = (self.folder / LINES).read_bytes()
        except FileNotFoundError:
            raise _broken(1) from None
        return content[: content.rfind(b"\n") + 1]

    def _noted(self) -> AuditHead:
        try:
            return AuditHead.model_validate_json((self.folder / HEAD).read_bytes())
        except (FileNotFoundError, ValidationError):
            raise _broken(1) from None

    def _note(self, head: AuditHead) -> None:
        write_atomically(self.folder / HEAD, canonical_json(head) + b"\n")


def _broken(sequence: int) -> MyofedError:
    return MyofedError(
        "VAULT_AUDIT_BROKEN",
        f"expected an unbroken record of look-ups, found a defect at entry {sequence}",
        hint="keep the folder as evidence, restore it from the backup, and ask who changed it",
        exit_code=ExitCode.UNHEALTHY,
    )
