"""What the site's people decided about each study, and the check of every message against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from myofed_node.audit import SiteAudit
from myofed_node.config import SiteConfig, SitePolicy
from myofed_node.coordinator_link import load_link
from myofed_node.federation.network_policy import check_roles
from myofed_node.federation.personal_approvals import PersonalApprovals, PersonalSignature
from myofed_node.federation.planning_files import PlanningFiles
from myofed_node.federation.policy import check_policy
from myofed_node.federation.round_log import RoundLog
from myofed_node.federation.study_files import StudyFiles, refused
from myofed_node.federation.weights_guard import SeenWeights
from myofed_node.keys import load_identity_key, settled_split_key
from myofed_node.learning.labels import site_labels
from myofed_node.learning.protocol import Roles
from myofed_node.learning.split import assign_roles, known_roles
from myofed_node.signatures import is_signed
from myofed_node.site_folder import SiteFolder
from myofed_schemas.approval import DeclineReason, RoleSignature
from myofed_schemas.canonical import canonical_json
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import Instruction
from myofed_schemas.files import write_atomically
from myofed_schemas.study import SignedDecision, SignedManifest, StudyDecision, StudyManifest
from myofed_schemas.study_options import SiteLabels


@dataclass(frozen=True)
class StudyState:
    """One study as this site knows it.

    Attributes:
        newest: The highest version the coordinator sent.
        decision: The site's last word, or None; it may be about an older version.
    """

    newest: SignedManifest
    decision: StudyDecision | None

    @property
    def waits(self) -> bool:
        """The newest version has no decision yet."""
        return self.decision is None or self.decision.digest != self.newest.digest


@dataclass(frozen=True)
class ApprovedStudy:
    """A study that may be worked for right now.

    Attributes:
        manifest: Exactly what was approved.
        roles: Who trains, validates and tests, fixed at approval.
        approved_at: UTC.
        labels: What this site draws, where it does not draw every muscle singly.
    """

    manifest: StudyManifest
    roles: Roles
    approved_at: str
    labels: SiteLabels | None = None


class Approvals:
    """Manifests, decisions and splits in the site's folder; nothing is kept in memory between two calls."""

    def __init__(self, folder: SiteFolder, config: SiteConfig) -> None:
        self._folder = folder
        self._config = config
        self._files = StudyFiles(folder)
        self.people = PersonalApprovals(folder, config)

    @property
    def policy(self) -> SitePolicy:
        """What the hospital allows."""
        return self._config.policy

    def seen_weights(self, study_id: str) -> SeenWeights:
        """The last weights of each run of this study."""
        return SeenWeights(self._folder.study(study_id) / "seen")

    def store_manifest(self, signed: SignedManifest) -> bool:
        """The manifest lies in the study's folder; True where it was new.

        Raises:
            MyofedError: MANIFEST_SIGNATURE, MANIFEST_DIGEST, MANIFEST_NOT_FOR_US, or MANIFEST_VERSION_REUSED where the
                same version came before with other content.
        """
        self._check_genuine(signed)
        manifest = signed.manifest
        if self._config.site not in manifest.sites:
            raise refused("MANIFEST_NOT_FOR_US", "a manifest that names this site", "one that does not")
        path = self._files.manifest_path(manifest.study_id, manifest.version)
        if path.exists():
            if self._files.manifest(manifest.study_id, manifest.version).digest != signed.digest:
                raise refused("MANIFEST_VERSION_REUSED", "each version once", f"version {manifest.version} again")
            return False
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, canonical_json(signed))
        return True

    def studies(self) -> list[StudyState]:
        """All studies this site was asked to join, by id."""
        return [self.show(study_id) for study_id in self._files.study_ids()]

    def show(self, study_id: str) -> StudyState:
        """The study's newest version and the site's decision.

        Raises:
            MyofedError: STUDY_UNKNOWN.
        """
        versions = self._files.versions(study_id)
        if not versions:
            raise MyofedError(
                "STUDY_UNKNOWN",
                "expected a study that the coordinator sent, found none of this name",
                hint="myofed-node studies list; a running node fetches new studies by itself",
                exit_code=ExitCode.BAD_INPUT,
            )
        signed = self._files.decision(study_id)
        return StudyState(self._files.manifest(study_id, versions[-1]), signed.decision if signed else None)

    def approved_before(self, study_id: str) -> StudyManifest | None:
        """The manifest that was approved here last before the newest version; None where none was.

        Raises:
            MyofedError: STUDY_UNKNOWN, MANIFEST_CHANGED.
        """
        newest = self.show(study_id).newest.manifest
        earlier = self._files.approved_before(study_id, version=newest.version)
        return earlier.manifest if earlier else None

    def approve(
        self, study_id: str, *, by: str, now: datetime, subjects: Sequence[str], digest: str = ""
    ) -> SignedDecision:
        """The newest version may train here from now on, on a split of these subjects that stays as it is.

        For a site whose rule is the operator alone; where people must sign, `sign`.

        Args:
            study_id: The study.
            by: Login of the person who decides.
            now: UTC.
            subjects: Labels of all labelled subjects.
            digest: Beginning of the digest of the manifest that the person read; a newer one is refused then.

        Raises:
            MyofedError: APPROVAL_NEEDS_PEOPLE where the site's rule names others; as `check_ready`; nothing is changed
                then.
        """
        signed = self.check_ready(study_id, subjects=subjects, digest=digest)
        rule = self.people.rule
        if not rule.operator_alone:
            raise refused(
                "APPROVAL_NEEDS_PEOPLE", f"signatures of {', '.join(rule.required_roles)}", "the operator alone"
            )
        return self._settle(signed, subjects, by=by, now=now)

    def check_read(self, study_id: str, digest: str) -> None:
        """The newest version is the one whose digest begins so: nobody signs what they have not read.

        Raises:
            MyofedError: MANIFEST_NOT_THE_ONE_READ.
        """
        found = self.show(study_id).newest.digest
        if not found.startswith(digest):
            raise refused("MANIFEST_NOT_THE_ONE_READ", f"digest {digest}", found[:16])

    def sign(self, signature: PersonalSignature, *, now: datetime, subjects: Sequence[str]) -> SignedDecision | None:
        """One person has decided about the newest version; the site has, once its rule holds, or at once where one declines.

        Args:
            signature: Of one person, or the operator's.
            now: UTC.
            subjects: Labels of all labelled subjects.

        Returns:
            The site's decision; None while signatures are missing.

        Raises:
            MyofedError: APPROVAL_STATEMENT, APPROVAL_SIGNATURE, PERSON_*, or as `check_ready`; nothing is changed then.
        """
        said = signature.statement
        newest = self.show(said.study_id).newest
        self.people.check_genuine(signature, newest, now=now)
        if said.decision == "declined":
            self.people.add(signature, now=now)
            self.people.void(said.study_id, said.version)
            behind = (signature.leaving(),)
            return self._decide(newest, "declined", by=signature.person, now=now, reason=said.reason, signed_by=behind)
        signed = self.check_ready(said.study_id, subjects=subjects, digest=said.digest)
        self.people.add(signature, now=now)
        if self.people.missing(signed):
            return None
        return self._settle(signed, subjects, by=signature.person, now=now)

    def check_ready(self, study_id: str, *, subjects: Sequence[str], digest: str = "") -> SignedManifest:
        """The newest version, which people of this site may approve: genuine, and within the policy; nothing is written.

        Raises:
            MyofedError: MANIFEST_NOT_THE_ONE_READ, PLANNING_NOT_OUR_ANSWER, a code of `check_policy`, `assign_roles` or
                `check_roles`.
        """
        signed = self.show(study_id).newest
        self.check_read(study_id, digest)
        self._check_genuine(signed)
        PlanningFiles(self._folder).check(signed.manifest, site=self._config.site)
        check_policy(signed.manifest, self._config.policy, site=self._config.site, subjects=len(subjects))
        check_roles(self._split(signed.manifest, subjects), self._config.policy)
        return signed

    def _settle(self, signed: SignedManifest, subjects: Sequence[str], *, by: str, now: datetime) -> SignedDecision:
        """The split is fixed, then the approval is decided."""
        path = self._files.split_path(signed.manifest.study_id, signed.manifest.version)
        if not path.exists():
            write_atomically(path, canonical_json(self._split(signed.manifest, subjects)))
        behind = None if self.people.rule.operator_alone else self.people.behind(signed)
        return self._decide(signed, "approved", by=by, now=now, reason="OK", signed_by=behind)

    def _split(self, manifest: StudyManifest, subjects: Sequence[str]) -> Roles:
        """The split of this version: as it was made, or as it would be made now."""
        if self._files.split_path(manifest.study_id, manifest.version).exists():
            return self._files.roles(manifest.study_id, manifest.version)
        return self._new_split(manifest, subjects)

    def _new_split(self, manifest: StudyManifest, subjects: Sequence[str]) -> Roles:
        """Subjects of an earlier version keep their roles."""
        earlier = known_roles(self._files.splits(manifest.study_id))
        return assign_roles(subjects, manifest.split, key=settled_split_key(self._folder), known=earlier)

    def decline(self, study_id: str, *, by: str, now: datetime, reason: DeclineReason = "DECLINED") -> SignedDecision:
        """The newest version does not train here; signatures that were collected for it count no more."""
        signed = self.show(study_id).newest
        self.people.void(study_id, signed.manifest.version)
        return self._decide(signed, "declined", by=by, now=now, reason=reason)

    def revoke(self, study_id: str, *, by: str, now: datetime, reason: str = "REVOKED") -> SignedDecision:
        """The approval is over from the next message on.

        Raises:
            MyofedError: NOT_APPROVED where there is none.
        """
        signed = self._files.decision(study_id)
        if signed is None or signed.decision.decision != "approved":
            raise refused("NOT_APPROVED", "an approval to revoke", "none")
        manifest = self._files.manifest(study_id, signed.decision.version)
        self.people.void(study_id, signed.decision.version)
        return self._decide(manifest, "revoked", by=by, now=now, reason=reason)

    def check(self, instruction: Instruction) -> ApprovedStudy:
        """This message may be worked on: everything is read from disk and checked anew.

        Raises:
            MyofedError: NOT_APPROVED, DECLINED, REVOKED, APPROVAL_SIGNATURES, MANIFEST_CHANGED, MANIFEST_SIGNATURE, a
                code of the policy.
        """
        signed = self._files.decision(instruction.study_id)
        if signed is None:
            raise refused("NOT_APPROVED", "a study approved at this site", "one that is not")
        decision = signed.decision
        if decision.decision != "approved":
            raise refused(decision.decision.upper(), "an approved study", decision.decision)
        manifest = self._files.manifest(instruction.study_id, decision.version)
        self._check_genuine(manifest)
        if not instruction.manifest_digest == decision.digest == manifest.digest:
            raise refused("MANIFEST_CHANGED", "the manifest that was approved", "another")
        roles = self._files.roles(instruction.study_id, decision.version)
        subjects = len(roles.train) + len(roles.validation) + len(roles.test)
        check_policy(manifest.manifest, self._config.policy, site=self._config.site, subjects=subjects)
        check_roles(roles, self._config.policy)
        self.people.check(decision)
        labels = site_labels(manifest.manifest, self._config.site)
        return ApprovedStudy(manifest.manifest, roles, decision.decided_at, labels)

    def roles(self, study_id: str) -> Roles:
        """The split of the approved version: who trained, and whom no training saw.

        Raises:
            MyofedError: NOT_APPROVED.
        """
        signed = self._files.decision(study_id)
        if signed is None or signed.decision.decision != "approved":
            raise refused("NOT_APPROVED", "a study approved at this site", "one that is not")
        return self._files.roles(study_id, signed.decision.version)

    def round_log(self, study_id: str) -> RoundLog:
        """The rounds this site was asked for."""
        return RoundLog(self._files.rounds_path(study_id))

    def signed_decision(self, study_id: str) -> SignedDecision | None:
        """The site's last word as the coordinator gets it; None where nobody decided."""
        return self._files.decision(study_id)

    def _decide(
        self,
        signed: SignedManifest,
        what: Literal["approved", "declined", "revoked"],
        *,
        by: str,
        now: datetime,
        reason: str,
        signed_by: tuple[RoleSignature, ...] | None = None,
    ) -> SignedDecision:
        """Entered in the audit chain first: nothing is decided without its entry."""
        manifest = signed.manifest
        decision = StudyDecision(
            study_id=manifest.study_id,
            version=manifest.version,
            digest=signed.digest,
            site=self._config.site,
            decision=what,
            reason=reason,
            decided_at=utc_text(now),
            demo=True if self.policy.demo else None,
            signed_by=signed_by,
        )
        signature = load_identity_key(self._folder).sign(canonical_json(decision)).hex()
        document = SignedDecision(decision=decision, signature=signature)
        SiteAudit(self._folder).append(
            f"STUDY_{what.upper()}",
            now=now,
            subject=manifest.study_id,
            actor=by,
            detail={"version": manifest.version, "digest": signed.digest, "reason": reason, **demo_mark(self.policy)}
            | ({"signatures": len(signed_by)} if signed_by else {}),
        )
        write_atomically(self._files.decision_path(manifest.study_id), canonical_json(document))
        return document

    def _check_genuine(self, signed: SignedManifest) -> None:
        key = load_link(self._folder).coordinator_key
        if signed.digest != signed.manifest.digest():
            raise refused("MANIFEST_CHANGED", "a manifest with the digest it names", "another")
        if not is_signed(signed.manifest, signature=signed.signature, public_key=key):
            raise refused("MANIFEST_SIGNATURE", "the coordinator's signature", "another")


def demo_mark(policy: SitePolicy) -> dict[str, str | int]:
    """What an audit entry says besides at a site whose policy is marked demo."""
    return {"demo": 1} if policy.demo else {}
