"""The site's desk for studies: what the coordinator offers is fetched, what people decide is signed and delivered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.dataset_census import labelled_subjects
from myofed_node.federation.approvals import Approvals, StudyState
from myofed_node.federation.personal_approvals import OPERATOR, PersonalSignature
from myofed_node.site_setup import Site
from myofed_node.small_site import scoring_notes
from myofed_schemas.approval import DeclineReason, SiteRole
from myofed_schemas.canonical import digest
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.ids import Sha256, StudyId
from myofed_schemas.study import SignedDecision, StudyManifest
from myofed_schemas.wire import WireModel

Item = TypeVar("Item")
DELIVERED = "decision.delivered"
"""Lies beside the decision; holds the digest of the one that the coordinator has."""


class StudyOverview(WireModel):
    """One study as `studies list --json` shows it; `decision` is about the newest version."""

    study_id: StudyId
    version: int
    title: str
    digest: Sha256
    decision: Literal["approved", "declined", "revoked", "waiting"]
    delivered: bool
    demo: bool
    waits_for: tuple[SiteRole, ...] = ()
    """Roles whose signature the newest version waits for; empty where some have not begun, or all have signed."""


class StudyList(WireModel):
    """What `studies list --json` prints."""

    studies: tuple[StudyOverview, ...]


class Decided(WireModel):
    """What `approve`, `decline` and `revoke` print once the site has decided."""

    decision: SignedDecision
    delivered: bool
    """False while the coordinator cannot be reached: the service delivers it later."""
    notes: tuple[str, ...] = ()
    """What the people who approved should know; `small_site.py`."""


class Signed(WireModel):
    """What `approve --as` and `decline --as` print.

    Attributes:
        waits_for: Roles whose signature is missing; empty once the site has decided.
        decided: The site's decision; None while signatures are missing, and nothing has left then.
    """

    study_id: StudyId
    version: int
    person: str
    role: SiteRole
    waits_for: tuple[SiteRole, ...]
    decided: Decided | None


@dataclass(frozen=True)
class StudyDesk:
    """The use cases of studies at one site."""

    site: Site
    api: CoordinatorApi

    @property
    def approvals(self) -> Approvals:
        """Manifests and decisions on disk."""
        return Approvals(self.site.folder, self.site.config)

    def list(self) -> StudyList:
        """All studies this site was asked to join."""
        return StudyList(studies=tuple(self._overview(state) for state in self.approvals.studies()))

    def fetch(self) -> int:
        """Every manifest that names this site lies here, and the initial weights of those that are approved.

        Returns:
            Number of manifests that were new.

        Raises:
            MyofedError: Of the exchange, or of the first manifest or model that is not genuine, after all were tried.
        """
        new = _each(self.approvals.store_manifest, self.api.studies())
        _each(self._fetch_initial_weights, self.approvals.studies())
        return new

    def approve(self, study_id: str, *, by: str, now: datetime, digest: str = "") -> Decided:
        """The newest version may train here, and the coordinator knows it as soon as it can be reached.

        With `digest`, only the manifest whose digest begins so: a version that came after the person read is refused.

        Raises:
            MyofedError: STUDY_UNKNOWN, MANIFEST_NOT_THE_ONE_READ, APPROVAL_NEEDS_PEOPLE, POLICY_*, SPLIT_TOO_FEW; nothing
                is changed then.
        """
        subjects = labelled_subjects(self.site.folder.dataset)
        return self._approved(self.approvals.approve(study_id, by=by, now=now, subjects=subjects, digest=digest))

    def sign(self, signature: PersonalSignature, *, now: datetime) -> Signed:
        """One person has signed; where that fills the site's rule, the coordinator knows the decision as soon as it can be reached.

        Raises:
            MyofedError: STUDY_UNKNOWN, APPROVAL_*, PERSON_*, POLICY_*, SPLIT_TOO_FEW; nothing is changed then.
        """
        said = signature.statement
        subjects = labelled_subjects(self.site.folder.dataset)
        signed = self.approvals.sign(signature, now=now, subjects=subjects)
        missing: tuple[SiteRole, ...] = ()
        decided = None
        if signed is None:
            missing = self.approvals.people.missing(self.approvals.show(said.study_id).newest)
        else:
            decided = self._approved(signed) if signed.decision.decision == "approved" else self._decided(signed)
        return Signed(
            study_id=said.study_id,
            version=said.version,
            person=signature.person,
            role=said.role,
            waits_for=missing,
            decided=decided,
        )

    def sign_as_operator(self, study_id: str, *, by: str, now: datetime) -> Signed:
        """The operator has signed, with the site's own key, beside the people that the site's rule asks for.

        Raises:
            MyofedError: As `sign`.
        """
        people = self.approvals.people
        said = people.statement(self.approvals.show(study_id).newest, OPERATOR, decision="approved", now=now)
        return self.sign(people.operator_signature(said, login=by), now=now)

    def _approved(self, signed: SignedDecision) -> Decided:
        study_id = signed.decision.study_id
        decided = self._decided(signed)
        with suppress(MyofedError):  # the decision stands; the service fetches again and tells what is wrong
            self._fetch_initial_weights(self.approvals.show(study_id))
        return decided.model_copy(update={"notes": self.notes(study_id)})

    def notes(self, study_id: str) -> tuple[str, ...]:
        """What people should know of the newest version before they approve it, or have approved it.

        Raises:
            MyofedError: STUDY_UNKNOWN, SPLIT_MISSING.
        """
        state = self.approvals.show(study_id)
        subjects = len(labelled_subjects(self.site.folder.dataset))
        approved = self._overview(state).decision == "approved"
        roles = self.approvals.roles(study_id) if approved else None
        return scoring_notes(state.newest.manifest, self.site.config.policy, subjects=subjects, roles=roles)

    def refusal(self, study_id: str) -> MyofedError | None:
        """Why the newest version could not be approved here now; None where it could, or is.

        Raises:
            MyofedError: STUDY_UNKNOWN.
        """
        if self._overview(self.approvals.show(study_id)).decision == "approved":
            return None
        try:
            self.approvals.check_ready(study_id, subjects=labelled_subjects(self.site.folder.dataset))
        except MyofedError as error:
            return error
        return None

    def decline(self, study_id: str, *, by: str, now: datetime, reason: DeclineReason = "DECLINED") -> Decided:
        """The newest version does not train here.

        Raises:
            MyofedError: STUDY_UNKNOWN.
        """
        return self._decided(self.approvals.decline(study_id, by=by, now=now, reason=reason))

    def revoke(self, study_id: str, *, by: str, now: datetime) -> Decided:
        """The approval is over from the next message on.

        Raises:
            MyofedError: NOT_APPROVED.
        """
        return self._decided(self.approvals.revoke(study_id, by=by, now=now))

    def deliver_all(self) -> int:
        """Every decision made here has reached the coordinator; returns how many were sent now.

        Raises:
            MyofedError: Of the first that could not be delivered, after all were tried.
        """
        return _each(self._deliver, [state.newest.manifest.study_id for state in self.approvals.studies()])

    def approved_manifest(self, study_id: str) -> StudyManifest:
        """The newest manifest, which this site's people approved.

        Raises:
            MyofedError: STUDY_UNKNOWN, NOT_APPROVED.
        """
        state = self.approvals.show(study_id)
        if self._overview(state).decision != "approved":
            raise MyofedError(
                "NOT_APPROVED",
                "expected the newest version of the study to be approved here, found that it is not",
                hint=f"myofed-node approve {study_id} --site DIR",
                exit_code=ExitCode.NOT_APPROVED,
            )
        return state.newest.manifest

    def _overview(self, state: StudyState) -> StudyOverview:
        manifest, decision = state.newest.manifest, state.decision
        missing = self.approvals.people.missing(state.newest)
        begun = missing != self.approvals.people.rule.required_roles
        return StudyOverview(
            study_id=manifest.study_id,
            version=manifest.version,
            title=manifest.title,
            digest=state.newest.digest,
            decision="waiting" if state.waits or decision is None else decision.decision,
            delivered=self._is_delivered(manifest.study_id),
            demo=manifest.demo,
            waits_for=missing if begun else (),
        )

    def _decided(self, signed: SignedDecision) -> Decided:
        try:
            self._deliver(signed.decision.study_id)
        except MyofedError as error:
            if error.exit_code not in (ExitCode.NOT_RUNNING, ExitCode.UNREACHABLE):
                raise
            return Decided(decision=signed, delivered=False)
        return Decided(decision=signed, delivered=True)

    def _deliver(self, study_id: str) -> bool:
        signed = self.approvals.signed_decision(study_id)
        if signed is None or self._is_delivered(study_id):
            return False
        self.api.send_decision(signed)
        write_atomically(self.site.folder.study(study_id) / DELIVERED, digest(signed).encode())
        return True

    def _is_delivered(self, study_id: str) -> bool:
        signed = self.approvals.signed_decision(study_id)
        marker = self.site.folder.study(study_id) / DELIVERED
        return signed is not None and marker.exists() and marker.read_text(encoding="ascii") == digest(signed)

    def _fetch_initial_weights(self, state: StudyState) -> bool:
        """True where they were not here; nothing is fetched for a study that is not approved."""
        manifest = state.newest.manifest
        path = self.site.folder.models / f"{manifest.initial_weights_sha256}.safetensors"
        if self._overview(state).decision != "approved" or path.exists():
            return False
        write_atomically(path, self.api.model(manifest.initial_weights_sha256, study=manifest.study_id))
        return True


def _each(act: Callable[[Item], bool], items: Iterable[Item]) -> int:
    """How many acts said true; one that is refused holds no other back.

    Raises:
        MyofedError: The first refusal, after all were tried.
    """
    done, refused = 0, list[MyofedError]()
    for item in items:
        try:
            done += act(item)
        except MyofedError as error:
            refused.append(error)
    if refused:
        raise refused[0]
    return done


def initial_weights(site: Site, manifest: StudyManifest) -> bytes:
    """The study's initial weights, as the service fetched them.

    Raises:
        MyofedError: WEIGHTS_MISSING, or WEIGHTS_DIGEST where the file was changed.
    """
    path = site.folder.models / f"{manifest.initial_weights_sha256}.safetensors"
    if not path.exists():
        raise MyofedError(
            "WEIGHTS_MISSING",
            "expected the study's initial weights in the site's models, found none",
            hint="keep myofed-node up running for a minute: it fetches them once the study is approved",
            exit_code=ExitCode.NOT_RUNNING,
        )
    weights = path.read_bytes()
    if hashlib.sha256(weights).hexdigest() != manifest.initial_weights_sha256:
        raise MyofedError(
            "WEIGHTS_DIGEST",
            "expected the initial weights that the manifest names, found others",
            hint="remove the file from the site's models; the service fetches it again",
            exit_code=ExitCode.BAD_INPUT,
        )
    return weights
