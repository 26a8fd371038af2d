"""Signatures of named people behind a site's decision: collected until the site's rule holds, checked again at every message.

Names, keys and signatures lie in the study's folder and nowhere else; the decision that leaves carries roles and digests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from myofed_node.audit import SiteAudit
from myofed_node.chained_lines import locked
from myofed_node.config import ApprovalRule, SiteConfig
from myofed_node.federation.study_files import refused
from myofed_node.keys import identity_public_key, sign
from myofed_node.people import People, Person
from myofed_node.signatures import is_signed
from myofed_node.site_folder import SiteFolder
from myofed_schemas.approval import RoleSignature, SiteRole
from myofed_schemas.canonical import canonical_json
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.files import write_atomically
from myofed_schemas.ids import Code, Sha256, SiteId, StudyId, UtcTime
from myofed_schemas.study import HexSignature, SignedManifest, StudyDecision
from myofed_schemas.wire import WireModel

OPERATOR: SiteRole = "operator"


class PersonalStatement(WireModel):
    """What a person signs: the canonical decision, with the role and the time.

    Attributes:
        site: Whose decision it is part of.
        reason: `OK`, or why the person declines.
        signed_at: UTC.
    """

    format: Literal["myofed-approval-1"] = "myofed-approval-1"
    site: SiteId
    study_id: StudyId
    version: int
    digest: Sha256
    decision: Literal["approved", "declined"]
    role: SiteRole
    reason: Code
    signed_at: UtcTime


class PersonalSignature(WireModel):
    """A statement with the person's Ed25519 signature over its canonical JSON; stays at the site.

    Attributes:
        person: Short name; the operator's is a login.
    """

    statement: PersonalStatement
    person: str
    signature: HexSignature

    def leaving(self) -> RoleSignature:
        """What of it leaves the site."""
        return RoleSignature(role=self.statement.role, sha256=hashlib.sha256(bytes.fromhex(self.signature)).hexdigest())


class Collected(WireModel):
    """All signatures for one version of a study, one a person and role."""

    signatures: tuple[PersonalSignature, ...] = ()


@dataclass(frozen=True)
class PersonalApprovals:
    """The signatures of one site; nothing is kept in memory between two calls."""

    folder: SiteFolder
    config: SiteConfig

    @property
    def rule(self) -> ApprovalRule:
        """Whose signatures an approval needs here."""
        return self.config.policy.approval_rule

    def statement(
        self,
        signed: SignedManifest,
        role: SiteRole,
        *,
        decision: Literal["approved", "declined"],
        now: datetime,
        reason: str = "OK",
    ) -> PersonalStatement:
        """What a person in this role signs about exactly this manifest."""
        return PersonalStatement(
            site=self.config.site,
            study_id=signed.manifest.study_id,
            version=signed.manifest.version,
            digest=signed.digest,
            decision=decision,
            role=role,
            reason=reason,
            signed_at=utc_text(now),
        )

    def operator_signature(self, statement: PersonalStatement, *, login: str) -> PersonalSignature:
        """The operator's, made with the site's own key."""
        return PersonalSignature(statement=statement, person=login, signature=sign(self.folder, statement))

    def missing(self, signed: SignedManifest) -> tuple[SiteRole, ...]:
        """Roles of the rule for which a valid approval of this version is not here yet."""
        return unfilled(self.rule, [_vote(s) for s in self._counting(signed)])

    def check_genuine(self, signature: PersonalSignature, signed: SignedManifest, *, now: datetime) -> None:
        """The signature is of a person who may sign now, in a role the rule knows, about exactly this manifest.

        Raises:
            MyofedError: APPROVAL_STATEMENT, APPROVAL_SIGNATURE, PERSON_UNKNOWN, PERSON_DISABLED, PERSON_ROLE.
        """
        said = signature.statement
        expected = self.statement(signed, said.role, decision=said.decision, now=now, reason=said.reason)
        same = said == expected.model_copy(update={"signed_at": said.signed_at})
        if not same or said.signed_at > utc_text(now):
            raise refused(
                "APPROVAL_STATEMENT", "a statement about the newest version of this study, made by now", "another"
            )
        if said.decision == "approved" and said.signed_at <= self._ended_at(signed):
            raise refused("APPROVAL_STATEMENT", "a statement made after the site declined or revoked", "an earlier one")
        if said.role == OPERATOR:
            key = identity_public_key(self.folder)
        else:
            person = People(self.folder).active(signature.person)
            check_role(person, said.role)
            key = person.public_key
        if not is_signed(signature.statement, signature=signature.signature, public_key=key):
            raise refused("APPROVAL_SIGNATURE", "the signature of this person over the statement", "another")
        if said.decision == "approved" and said.role not in self.rule.required_roles:
            raise refused(
                "PERSON_ROLE", f"a role that approves here ({', '.join(self.rule.required_roles)})", said.role
            )

    def add(self, signature: PersonalSignature, *, now: datetime) -> None:
        """The signature is in the audit chain and in the study's folder, in the place of an earlier one of this person."""
        said = signature.statement
        leaving = signature.leaving()
        detail: dict[str, str | int] = {"version": said.version, "digest": said.digest, "signature": leaving.sha256}
        SiteAudit(self.folder).append(
            "STUDY_SIGNED",
            now=now,
            subject=said.study_id,
            actor=signature.person,
            detail={**detail, "role": said.role, "decision": said.decision, "reason": said.reason},
        )
        path = self._path(said.study_id, said.version)
        with locked(path.with_name("signatures.lock")):
            others = [s for s in self._collected(path) if (s.person, s.statement.role) != (signature.person, said.role)]
            write_atomically(path, canonical_json(Collected(signatures=(*others, signature))))

    def behind(self, signed: SignedManifest) -> tuple[RoleSignature, ...]:
        """Every valid approval of this version, as far as it leaves."""
        return tuple(s.leaving() for s in self._counting(signed))

    def void(self, study_id: str, version: int) -> None:
        """No signature that was collected for this version counts any more; they stay on disk beside it, numbered."""
        path = self._path(study_id, version)
        if not path.exists():
            return
        number = 1 + len(list(path.parent.glob(f"{path.stem}-void-*.json")))
        path.rename(path.with_name(f"{path.stem}-void-{number}.json"))

    def check(self, decision: StudyDecision) -> None:
        """The signatures that this approval names are all here, hold, and fill the site's rule as it is today.

        Raises:
            MyofedError: APPROVAL_SIGNATURES.
        """
        if self.rule.operator_alone:
            return
        named = {(s.role, s.sha256) for s in decision.signed_by or ()}
        valid = self._valid(decision.study_id, decision.version, decision.digest)
        votes = [_vote(s) for s in valid if (s.statement.role, s.leaving().sha256) in named]
        lacking = unfilled(self.rule, votes)
        if lacking:
            raise refused(
                "APPROVAL_SIGNATURES",
                f"signatures of {', '.join(self.rule.required_roles)}",
                f"none that holds of {', '.join(lacking)}",
            )

    def _counting(self, signed: SignedManifest) -> list[PersonalSignature]:
        """Valid approvals of this version made since the site last declined or revoked it: earlier ones do not come back."""
        found = list(self._valid(signed.manifest.study_id, signed.manifest.version, signed.digest))
        ended_at = self._ended_at(signed) if found else ""
        return [s for s in found if s.statement.signed_at > ended_at]

    def _ended_at(self, signed: SignedManifest) -> str:
        """When the site last declined or revoked exactly this manifest, as the audit chain has it; empty where it did not."""
        study_id, times = signed.manifest.study_id, [""]
        for entry in SiteAudit(self.folder).entries():
            ends = entry.action in ("STUDY_DECLINED", "STUDY_REVOKED") and entry.subject == study_id
            if ends and entry.detail.get("digest") == signed.digest:
                times.append(entry.at)
        return times[-1]

    def _valid(self, study_id: str, version: int, digest: str) -> Iterator[PersonalSignature]:
        """Approvals of exactly this manifest whose signature holds and whose person may still sign."""
        for signature in self._collected(self._path(study_id, version)):
            said = signature.statement
            about = (said.site, said.study_id, said.version, said.digest, said.decision)
            if about != (self.config.site, study_id, version, digest, "approved"):
                continue
            key = self._key(signature)
            if key is not None and is_signed(signature.statement, signature=signature.signature, public_key=key):
                yield signature

    def _key(self, signature: PersonalSignature) -> str | None:
        """The public key of a person who may sign in this role, as the audit chain knows it; None of one who may not."""
        role = signature.statement.role
        if role == OPERATOR:
            return identity_public_key(self.folder)
        try:
            person = People(self.folder).active(signature.person)
        except MyofedError:
            return None
        return person.public_key if role in person.roles else None

    def _collected(self, path: Path) -> tuple[PersonalSignature, ...]:
        """All that were collected; none where the file is damaged: what cannot be read approves nothing."""
        try:
            return Collected.model_validate_json(path.read_bytes()).signatures
        except (FileNotFoundError, ValidationError):
            return ()

    def _path(self, study_id: str, version: int) -> Path:
        return self.folder.study(study_id) / f"signatures-{version}.json"


def unfilled(rule: ApprovalRule, votes: Sequence[tuple[str, SiteRole]]) -> tuple[SiteRole, ...]:
    """Roles of the rule that these votes cannot fill, with one person a role where the rule asks for that.

    A maximum matching of people to roles (Kuhn 1955): whoever holds two roles stands in the one where nobody else can.

    Args:
        rule: The site's.
        votes: Person and role of each signature.
    """
    roles = rule.required_roles
    if not rule.distinct_people:
        return tuple(role for role in roles if role not in {voted for _, voted in votes})
    placed: dict[str, int] = {}

    def place(slot: int, tried: set[str]) -> bool:
        for person, role in votes:
            if role != roles[slot] or person in tried:
                continue
            tried.add(person)
            if person not in placed or place(placed[person], tried):
                placed[person] = slot
                return True
        return False

    return tuple(role for slot, role in enumerate(roles) if not place(slot, set()))


def check_role(person: Person, role: SiteRole) -> None:
    """The person holds this role.

    Raises:
        MyofedError: PERSON_ROLE.
    """
    if role not in person.roles:
        raise refused("PERSON_ROLE", f"a role of this person ({', '.join(person.roles)})", role)


def _vote(signature: PersonalSignature) -> tuple[str, SiteRole]:
    """The operator's login is no person's short name."""
    role = signature.statement.role
    return (f"login {signature.person}" if role == OPERATOR else signature.person, role)
