"""Re-identification vault, for incidental findings: pseudonym -> original identifier, every look-up on record."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError

from myofed_anonymization.private_files import GROUP_AND_OTHERS, read_private_file
from myofed_anonymization.vault_audit import AuditTrail
from myofed_anonymization.vault_record import FORMAT, Original, damaged, opened, sealed, tells
from myofed_schemas.audit import AuditHead
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.ids import SubjectLabel

KEY_BYTES = 32
SHORTEST_REASON, LONGEST_REASON = 10, 500
MARK, LOCK, SUFFIX = "vault.json", ".lock", ".vault"
_LABEL: TypeAdapter[SubjectLabel] = TypeAdapter(SubjectLabel)


@dataclass(frozen=True, slots=True)
class Vault:
    """A handle without open files: worker processes get it as a pickle over a private pipe."""

    folder: Path = field(repr=False)
    key: bytes = field(repr=False)

    @classmethod
    def open(cls, folder: Path, key_file: Path) -> Self:
        """The vault in this folder (made if new, 0700), with the key it was made with.

        Args:
            folder: New, empty, or a vault; nothing else lies in it.
            key_file: 32 random bytes, mode 0600, outside the folder.

        Raises:
            MyofedError: VAULT_KEY_INSIDE, VAULT_KEY_LENGTH, VAULT_KEY_OTHER, VAULT_FOLDER, PRIVATE_FILE_MISSING or
                PRIVATE_FILE_PERMISSIONS.
        """
        if key_file.resolve().is_relative_to(folder.resolve()):
            raise _key(
                "VAULT_KEY_INSIDE",
                "outside its folder, found it inside",
                hint="who copies the folder must not get the key with it: move the key to another place",
            )
        key = read_private_file(key_file, what="the key of the vault")
        if len(key) != KEY_BYTES:
            raise _key(
                "VAULT_KEY_LENGTH",
                f"of {KEY_BYTES} bytes, found {len(key)}",
                hint="docs/key-custody.md shows how to make one",
            )
        vault = cls(folder.absolute(), key)
        _claim(vault.folder)
        with locked(vault.folder):
            vault._settle()
        return vault

    def record(self, *, pseudonym: SubjectLabel, issuer: str, patient_id: str) -> None:
        """The vault holds whom the pseudonym stands for, on disk; the same again changes nothing.

        Several processes may record at once, and be killed: a record is there whole or not at all, and never changes.

        Raises:
            MyofedError: VAULT_CONFLICT, the pseudonym stands for another original already; VAULT_PSEUDONYM; VAULT_DAMAGED.
        """
        original = Original(issuer.strip(), patient_id.strip())
        path = self._path(pseudonym)
        if not path.exists():
            with locked(self.folder):
                if not path.exists():
                    write_atomically(path, sealed(original, pseudonym=pseudonym, key=self.key))
        if opened(path.read_bytes(), pseudonym=pseudonym, key=self.key) != original:
            raise MyofedError(
                "VAULT_CONFLICT",
                "expected one original for each pseudonym, found another in the vault",
                hint="was the site's key or the third party's list changed? See Rotation in docs/key-custody.md",
                exit_code=ExitCode.NOT_CLEAN,
            )

    def look_up(self, pseudonym: str, *, reason: str, who: str, now: datetime) -> Original:
        """Whom the pseudonym stands for; that it was asked, by whom and why, is on disk before this returns.

        Refusals and unknown pseudonyms are entries too. An entry never holds the original: not where somebody typed
        it as the pseudonym (an unknown one is noted as a keyed digest) or into the reason (which is then not noted).

        Args:
            pseudonym: As in the data set, without `sub-`.
            reason: 10 to 500 printable characters.
            who: Login of the person.
            now: UTC.

        Raises:
            MyofedError: VAULT_REASON, VAULT_UNKNOWN, VAULT_DAMAGED or VAULT_AUDIT_BROKEN.
        """
        with locked(self.folder):
            known = self._has(pseudonym)
            outcome, original = self._judged(pseudonym, reason) if known else ("UNKNOWN", None)
            if not _is_reason(reason):
                outcome, original = "REASON_REFUSED", None
            hidden = outcome == "REASON_REFUSED" or (not known and tells(reason, pseudonym))
            AuditTrail(self.folder).append(
                "VAULT_LOOK_UP",
                who=who,
                subject=pseudonym if known else f"unknown-{self._mac('asked', pseudonym)}",
                detail={"outcome": outcome, "reason": "" if hidden else reason},
                now=now,
            )
        if original is None:
            raise _refused(outcome)
        return original

    def _judged(self, pseudonym: SubjectLabel, reason: str) -> tuple[str, Original | None]:
        """What becomes of a look-up of a known pseudonym."""
        try:
            original = opened(self._path(pseudonym).read_bytes(), pseudonym=pseudonym, key=self.key)
        except MyofedError:
            return "DAMAGED", None
        if tells(reason, original.patient_id):
            return "REASON_REFUSED", None
        return "ANSWERED", original

    def _has(self, pseudonym: str) -> bool:
        try:
            return self._path(pseudonym).exists()
        except MyofedError:
            return False

    def _path(self, pseudonym: str) -> Path:
        try:
            return self.folder / f"{_LABEL.validate_python(pseudonym)}{SUFFIX}"
        except ValidationError:
            raise MyofedError(
                "VAULT_PSEUDONYM",
                "expected a pseudonym of 1 to 32 letters and digits, found something else",
                exit_code=ExitCode.USAGE,
            ) from None

    def _mac(self, purpose: str, text: str) -> str:
        message = FORMAT + f" {purpose} {text}".encode(errors="surrogatepass")
        return hmac.digest(self.key, message, hashlib.sha256).hex()[:16]

    def _settle(self) -> None:
        """The folder is this key's vault, and what killed processes left behind is gone."""
        mark = self.folder / MARK
        check = json.dumps({"format": FORMAT.decode(), "key_check": self._mac("check", "")}).encode()
        if not mark.exists():
            AuditTrail(self.folder).begin()
            write_atomically(mark, check)
        if mark.read_bytes() != check:
            raise _key(
                "VAULT_KEY_OTHER",
                "that this vault was made with, found another",
                hint="restore the vault's key; a new vault needs a new folder",
            )
        for left_over in self.folder.glob(".*.tmp"):
            left_over.unlink()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """No other process writes to this vault meanwhile; a killed one holds nothing.

    Raises:
        MyofedError: VAULT_FOLDER, there is no vault here.
    """
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _foreign("no vault") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def verify_audit(folder: Path) -> AuditHead:
    """The head of the vault's record of look-ups, in which no line was changed, removed or reordered; needs no key.

    Raises:
        MyofedError: VAULT_AUDIT_BROKEN, naming the first entry at fault; VAULT_FOLDER.
    """
    with locked(folder):
        return AuditTrail(folder).verify()


def _claim(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_mode & GROUP_AND_OTHERS:
        raise _foreign("one that group or others may enter")
    names = {path.name for path in folder.iterdir()}
    if names and LOCK not in names:
        raise _foreign("one with other things in it")
    (folder / LOCK).touch(mode=0o600)


def _is_reason(text: str) -> bool:
    return text.isprintable() and SHORTEST_REASON <= len(text.strip()) <= LONGEST_REASON


def _refused(outcome: str) -> MyofedError:
    if outcome == "DAMAGED":
        return damaged()
    if outcome == "UNKNOWN":
        return MyofedError(
            "VAULT_UNKNOWN",
            "expected a pseudonym in the vault, found none of this name",
            hint="the vault knows patients whose files were de-identified while it was on",
            exit_code=ExitCode.BAD_INPUT,
        )
    return MyofedError(
        "VAULT_REASON",
        f"expected a reason of {SHORTEST_REASON} to {LONGEST_REASON} characters without the identifier, found another",
        hint="say what was found, and who decided that the patient is to be told",
        exit_code=ExitCode.USAGE,
    )


def _key(code: str, found: str, *, hint: str) -> MyofedError:
    return MyofedError(code, f"expected the key of the vault {found}", hint=hint, exit_code=ExitCode.SITE_FOLDER)


def _foreign(found: str) -> MyofedError:
    return MyofedError(
        "VAULT_FOLDER",
        f"expected a folder (0700) for the vault alone, found {found}",
        hint="name a new folder",
        exit_code=ExitCode.SITE_FOLDER,
    )
