"""One person signs a decision about a study: with a key that is opened here, or with one that never comes here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from myofed_node.federation.personal_approvals import PersonalSignature, PersonalStatement, check_role
from myofed_node.federation.study_files import refused
from myofed_node.people import People
from myofed_node.person_key import open_person_key
from myofed_node.study_desk import StudyDesk
from myofed_schemas.approval import DeclineReason, SiteRole
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

SIGNATURE_BYTES = 64
LONGEST_FILE = 64 << 10


def statement_of(
    desk: StudyDesk,
    study_id: str,
    *,
    person: str,
    role: SiteRole | None,
    decline: DeclineReason | None,
    now: datetime,
) -> PersonalStatement:
    """What this person signs about the newest version.

    Args:
        desk: The site's.
        study_id: The study.
        person: Short name.
        role: Of the person; None where there is one only.
        decline: The reason; None approves.
        now: UTC.

    Raises:
        MyofedError: STUDY_UNKNOWN, PERSON_UNKNOWN, PERSON_DISABLED, PERSON_ROLE.
    """
    known = People(desk.site.folder).active(person)
    if role is None:
        if len(known.roles) > 1:
            raise refused("PERSON_ROLE", f"one of this person's roles ({', '.join(known.roles)})", "no --role")
        role = known.roles[0]
    check_role(known, role)
    newest = desk.approvals.show(study_id).newest
    approvals = desk.approvals.people
    if decline is not None:
        return approvals.statement(newest, role, decision="declined", now=now, reason=decline)
    return approvals.statement(newest, role, decision="approved", now=now)


def make_signature(
    desk: StudyDesk,
    statement: PersonalStatement,
    *,
    person: str,
    passphrase: Callable[[], str],
    key: Path | None = None,
) -> PersonalSignature:
    """The person's signature, with the sealed key opened for it and for nothing else.

    Args:
        desk: The site's.
        statement: From `statement_of`.
        person: Short name.
        passphrase: Asked for once the key's file was found.
        key: The sealed key's file, where it is not kept in the site's folder.

    Raises:
        MyofedError: PERSON_KEY_*, PERSON_PASSPHRASE, PRIVATE_FILE_*.
    """
    people = People(desk.site.folder)
    known = people.show(person)
    sealed = people.sealed_key(known, key_file=key)
    signature = open_person_key(sealed, passphrase=passphrase()).sign(canonical_json(statement))
    return PersonalSignature(statement=statement, person=person, signature=signature.hex())


def brought_signature(
    person: str, statement: Path | None, signature: Path | None, *, declines: bool
) -> PersonalSignature:
    """A signature that was made elsewhere over a statement from here; whether it holds is checked when it is added.

    Raises:
        MyofedError: APPROVAL_FILES, or APPROVAL_STATEMENT where the statement decides otherwise than the command.
    """
    if statement is None or signature is None:
        raise _files("both --statement and --signature", "one of them")
    try:
        said = PersonalStatement.model_validate_json(_read(statement))
    except ValidationError:
        raise _files("a statement as studies statement wrote it", "something else") from None
    if (said.decision == "declined") != declines:
        raise refused("APPROVAL_STATEMENT", "a statement that decides as the command does", f"one that {said.decision}")
    content = _read(signature)
    if len(content) != SIGNATURE_BYTES:
        try:
            content = bytes.fromhex(content.decode("ascii"))
        except ValueError:
            content = b""
    if len(content) != SIGNATURE_BYTES:
        raise _files("64 bytes of an Ed25519 signature, or their hexadecimal", "something else")
    return PersonalSignature(statement=said, person=person, signature=content.hex())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(LONGEST_FILE)
    except OSError:
        raise _files("files that can be read", "one that cannot") from None


def _files(expected: str, found: str) -> MyofedError:
    return MyofedError(
        "APPROVAL_FILES",
        f"expected {expected}, found {found}",
        hint="docs/approvals.md shows how a statement is signed with a key of one's own",
        exit_code=ExitCode.USAGE,
    )
