"""Who may sign for this site, in which role and with which key; every change is in the audit chain, and none leaves the site."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from myofed_anonymization.escrow import STANDARD_COST, ScryptCost
from myofed_anonymization.private_files import read_private_file
from myofed_node.audit import SiteAudit
from myofed_node.person_key import make_person_key
from myofed_node.site_folder import SiteFolder
from myofed_schemas.approval import SiteRole
from myofed_schemas.canonical import canonical_json
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.ids import UtcTime
from myofed_schemas.study import HexPublicKey
from myofed_schemas.wire import WireModel

ADDED, DISABLED = "PERSON_ADDED", "PERSON_DISABLED"
"""Audit actions; the subject is the person's short name at this site."""

NAME = r"^[a-z][a-z0-9.-]{1,31}$"
PersonName = Annotated[str, StringConstraints(pattern=NAME)]
"""A short name that the site chose for a person of its own, e.g. `j.smith`."""


class Person(WireModel):
    """One person who may sign here.

    Attributes:
        name: Short name, of this site alone.
        roles: In which the person may sign.
        public_key: Ed25519, hexadecimal.
        key_kept_here: The sealed private key lies in the site's folder; else the person keeps it.
        added_at: UTC.
        disabled_at: UTC; from then on no signature of this key counts.
    """

    name: PersonName
    roles: tuple[SiteRole, ...] = Field(min_length=1, max_length=4)
    public_key: HexPublicKey
    key_kept_here: bool
    added_at: UtcTime
    disabled_at: UtcTime | None = None


class PersonList(WireModel):
    """What `people list --json` prints."""

    people: tuple[Person, ...]


class People:
    """The records in the site's folder; read anew at each call."""

    def __init__(self, folder: SiteFolder) -> None:
        self._folder = folder

    def list(self) -> tuple[Person, ...]:
        """Everybody who may sign or could once, by name.

        Raises:
            MyofedError: PERSON_ALTERED.
        """
        found = self._folder.people.glob("*.person.json")
        return tuple(self.show(path.name.removesuffix(".person.json")) for path in sorted(found))

    def show(self, name: str) -> Person:
        """The record of this person.

        Raises:
            MyofedError: PERSON_UNKNOWN, PERSON_ALTERED.
        """
        path = self._record(name)
        try:
            person = Person.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise _refused("PERSON_UNKNOWN", "a person of this site", "none of this name", "people list") from None
        except ValidationError:
            raise _altered() from None
        if person.name != name:
            raise _altered()
        return person

    def active(self, name: str) -> Person:
        """The record of a person who may sign now, as the audit chain knows it.

        Raises:
            MyofedError: PERSON_UNKNOWN, PERSON_DISABLED, PERSON_ALTERED.
        """
        person = self.show(name)
        told = [e for e in SiteAudit(self._folder).entries() if e.action in (ADDED, DISABLED) and e.subject == name]
        if not told or (told[-1].action == ADDED and told[-1].detail != _detail(person)):
            raise _altered()
        if person.disabled_at is not None or told[-1].action == DISABLED:
            raise _refused("PERSON_DISABLED", "a person who may sign", "one whose key is disabled", "people list")
        return person

    def add(
        self, name: str, roles: Sequence[SiteRole], *, now: datetime, public_key: str, key_kept_here: bool = False
    ) -> Person:
        """The person may sign from now on, with the private half of this key.

        Raises:
            MyofedError: PERSON_INVALID; PERSON_EXISTS, the name or the key is in use or was; nothing is changed then.
        """
        try:
            person = Person(
                name=name,
                roles=tuple(dict.fromkeys(roles)),
                public_key=public_key,
                key_kept_here=key_kept_here,
                added_at=utc_text(now),
            )
        except ValidationError:
            raise _invalid() from None
        if "operator" in person.roles:
            raise _invalid()  # the operator signs with the site's key
        self.check_free(name)
        if any(known.public_key == public_key for known in self.list()):
            raise _refused("PERSON_EXISTS", "a key of this person alone", "one that is in use", "make another")
        SiteAudit(self._folder).append(ADDED, now=now, subject=name, detail=_detail(person))
        self._write(person)
        return person

    def add_with_new_key(
        self,
        name: str,
        roles: Sequence[SiteRole],
        *,
        now: datetime,
        passphrase: str,
        key_file: Path | None = None,
        cost: ScryptCost = STANDARD_COST,
    ) -> Person:
        """The person has a new key, sealed under the passphrase, and may sign from now on.

        Args:
            name: Short name.
            roles: In which the person may sign.
            now: UTC.
            passphrase: The person's own.
            key_file: Where the sealed key goes, e.g. the person's own stick; None keeps it in the site's folder.
            cost: Lower than the standard in tests only.

        Raises:
            MyofedError: PASSPHRASE_TOO_SHORT, or as `add`.
            OSError: The file cannot be written.
        """
        self.check_free(name)
        sealed = make_person_key(passphrase, cost=cost)
        self._folder.people.mkdir(mode=0o700, exist_ok=True)
        path = key_file or self.key_path(name)
        if key_file is not None and key_file.exists():
            raise _refused("PERSON_EXISTS", "a new file for the key", "one that is there", "name another file")
        write_atomically(path, canonical_json(sealed))
        kept = key_file is None
        try:
            return self.add(name, roles, now=now, public_key=sealed.public_key, key_kept_here=kept)
        except MyofedError:
            path.unlink()
            raise

    def disable(self, name: str, *, by: str, now: datetime) -> Person:
        """No signature of this person counts from now on; a second call changes nothing.

        Raises:
            MyofedError: PERSON_UNKNOWN, PERSON_ALTERED.
        """
        person = self.show(name)
        if person.disabled_at is not None:
            return person
        disabled = person.model_copy(update={"disabled_at": utc_text(now)})
        SiteAudit(self._folder).append(DISABLED, now=now, actor=by, subject=name, detail=_detail(person))
        self._write(disabled)
        return disabled

    def sealed_key(self, person: Person, *, key_file: Path | None = None) -> bytes:
        """The person's sealed private key, from the site's folder or the person's own file.

        Raises:
            MyofedError: PERSON_KEY_ELSEWHERE, PRIVATE_FILE_MISSING, PRIVATE_FILE_PERMISSIONS.
        """
        if key_file is None and not person.key_kept_here:
            raise _refused(
                "PERSON_KEY_ELSEWHERE",
                "the key of a person who keeps it elsewhere",
                "no file of it",
                "--key FILE; a key that never comes here signs a file: myofed-node studies statement",
            )
        return read_private_file(key_file or self.key_path(person.name), what="the person's key")

    def key_path(self, name: str) -> Path:
        """Where the sealed key of this person lies, if it is kept here."""
        return self._folder.people / f"{name}.key.json"

    def check_free(self, name: str) -> None:
        """Nobody has or had this name.

        Raises:
            MyofedError: PERSON_EXISTS, PERSON_INVALID.
        """
        if self._record(name).exists():
            raise _refused("PERSON_EXISTS", "a new name", "one that is in use, or was", "a new key has a new name")

    def _record(self, name: str) -> Path:
        if re.fullmatch(NAME, name) is None:
            raise _invalid()
        return self._folder.people / f"{name}.person.json"

    def _write(self, person: Person) -> None:
        self._folder.people.mkdir(mode=0o700, exist_ok=True)
        write_atomically(self._record(person.name), canonical_json(person))


def _detail(person: Person) -> dict[str, str | int]:
    return {"key": person.public_key, "roles": ",".join(person.roles)}


def _altered() -> MyofedError:
    return MyofedError(
        "PERSON_ALTERED",
        "expected the record of a person as the audit chain knows it, found another, or a damaged one",
        hint="restore the people folder from the backup, and ask who changed it",
        exit_code=ExitCode.SITE_FOLDER,
    )


def _invalid() -> MyofedError:
    return _refused(
        "PERSON_INVALID",
        "a short name of lower-case letters, digits, dots and hyphens, and roles of the list",
        "others",
        "e.g. j.smith --role principal-investigator",
    )


def _refused(code: str, expected: str, found: str, hint: str) -> MyofedError:
    return MyofedError(code, f"expected {expected}, found {found}", hint=hint, exit_code=ExitCode.BAD_INPUT)
