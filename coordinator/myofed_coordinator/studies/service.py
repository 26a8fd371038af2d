"""The use cases of studies: create a version, take the sites' signed decisions, say who approved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.database import Database
from myofed_coordinator.enrolment.service import EnrolmentService
from myofed_coordinator.models import weights
from myofed_coordinator.planning.check import check_planning
from myofed_coordinator.signing import Signer, verify
from myofed_coordinator.studies.leads import Doer, act_as_lead, check_lead, lead_row
from myofed_coordinator.studies.models import DecisionRow, StudyRow, StudySiteRow
from myofed_coordinator.studies.refusals import unknown_study
from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import SignedDecision, SignedManifest, StudyManifest


@dataclass(frozen=True)
class StudyPlace:
    """Where initial weights are kept and with what manifests are signed."""

    models: Path
    signer: Signer


@dataclass(frozen=True)
class StudyOverview:
    """One version of a study and where its sites stand.

    Attributes:
        signed: The manifest as sent.
        created_at: UTC.
        decisions: Site -> `approved`, `declined`, `revoked` or `open`, in the manifest's order.
        reasons: Site -> the code that it gave with its last word; sites that have not decided are absent.
    """

    signed: SignedManifest
    created_at: str
    decisions: dict[str, str]
    reasons: dict[str, str]

    @property
    def approved(self) -> int:
        """Number of sites whose last word is approval."""
        return sum(decision == "approved" for decision in self.decisions.values())


class StudiesService:
    """The use cases; each call is one transaction, entered in the audit chain before it commits."""

    def __init__(self, database: Database, audit: AuditLog, enrolment: EnrolmentService, place: StudyPlace) -> None:
        self._database = database
        self._audit = audit
        self._enrolment = enrolment
        self._place = place

    def last_manifest(self, study_id: str) -> StudyManifest | None:
        """The newest version of this study; None where there is none yet."""
        with self._database.read() as session:
            row = session.get(StudyRow, (study_id, _last_version(session, study_id)))
            return SignedManifest.model_validate_json(row.document).manifest if row is not None else None

    def create(self, manifest: StudyManifest, initial_weights: bytes, *, actor: Doer, now: datetime) -> SignedManifest:
        """The manifest is signed, stored and offered to its sites; the weights lie in the models folder.

        Exactly the last version sent again (manifest and weights) returns the stored document. Who writes version 1 owns
        the study; only its leads, or who stands in for them, write the next ones.

        Args:
            manifest: Complete.
            initial_weights: Safetensors file that `initial_weights_sha256` and `state_dict` describe.
            actor: Who creates it.
            now: Aware.

        Raises:
            MyofedError: WEIGHTS_*; STUDY_NOT_YOURS; STUDY_NO_LEAD; STUDY_VERSION, not the next one; STUDY_SITE_UNKNOWN, a
                site that is not approved; PLANNING_MISMATCH, a planning section that is not as it was proposed.
        """
        _check_weights(manifest, initial_weights)
        weights.keep_weights(self._place.models, initial_weights)
        signer = self._place.signer
        signed = SignedManifest(
            manifest=manifest, digest=manifest.digest(), signature=signer.sign(manifest), signer=signer.public_key
        )
        with self._database.write() as session:
            last = _last_version(session, manifest.study_id)
            stored = session.get(StudyRow, (manifest.study_id, manifest.version))
            if stored is not None and stored.version == last and stored.digest == signed.digest:
                check_lead(session, manifest.study_id, actor)
                return SignedManifest.model_validate_json(stored.document)
            _check_version(manifest, last=last)
            _check_sites(manifest, {site for site, _ in self._enrolment.approved_node_keys()})
            check_planning(session, manifest.planning)
            if last:
                act_as_lead(session, self._audit, manifest.study_id, actor, deed="write", now=now)
            detail: dict[str, str | int] = {"version": manifest.version, "digest": signed.digest}
            self._audit.append(Deed(actor.name, "STUDY_CREATED", manifest.study_id, detail), now=now)
            _store(session, signed, now=now)
            if not last:
                session.add(lead_row(manifest.study_id, actor, owner=True, by=actor.name, at=utc_text(now)))
        return signed

    def record_decision(self, signed: SignedDecision, *, site: str, now: datetime) -> None:
        """The decision is the site's last word on this version; the same one sent again changes nothing.

        Args:
            signed: From the site.
            site: Whom the client certificate names.
            now: Aware.

        Raises:
            MyofedError: DECISION_WRONG_SITE; BAD_SIGNATURE; STUDY_UNKNOWN, also for a version that does not name the
                site; DECISION_WRONG_DIGEST, about other bytes than we signed; DECISION_OLD_VERSION, an approval of a
                version that was replaced; DECISION_OUT_OF_ORDER, older than the last word we have.
        """
        decision = signed.decision
        if decision.site != site:
            raise _refused("DECISION_WRONG_SITE", "the decision names another site than the certificate")
        verify(decision, signature=signed.signature, public_key=self._enrolment.identity_key(site))
        with self._database.write() as session:
            row = session.get(StudyRow, (decision.study_id, decision.version))
            if row is None or session.get(StudySiteRow, (decision.study_id, decision.version, site)) is None:
                raise unknown_study(decision.study_id)
            if row.digest != decision.digest:
                raise _refused("DECISION_WRONG_DIGEST", "the decision is about another manifest than the one we signed")
            if session.scalar(select(DecisionRow.id).where(DecisionRow.sha256 == digest(decision))) is not None:
                return
            if decision.decision == "approved" and decision.version != _last_version(session, decision.study_id):
                raise _refused("DECISION_OLD_VERSION", "a newer version replaced the approved one")
            last = _last_decision(session, decision.study_id, decision.version, site)
            if last is not None and last.decision.decided_at > decision.decided_at:
                raise _refused("DECISION_OUT_OF_ORDER", "a later decision of this site is known")
            action = f"STUDY_{decision.decision.upper()}"
            detail: dict[str, str | int] = {
                "version": decision.version,
                "digest": decision.digest,
                "reason": decision.reason,
            }
            self._audit.append(Deed(site, action, decision.study_id, detail), now=now)
            session.add(
                DecisionRow(
                    study_id=decision.study_id,
                    version=decision.version,
                    site=site,
                    decision=decision.decision,
                    received_at=utc_text(now),
                    sha256=digest(decision),
                    document=canonical_json(signed).decode(),
                )
            )

    def approved_sites(self, study_id: str, *, version: int) -> tuple[str, ...]:
        """Sites that are enrolled and whose last word on this version is approval, sorted.

        Raises:
            MyofedError: STUDY_UNKNOWN.
        """
        overview = self.show(study_id, version=version)
        enrolled = {site for site, _ in self._enrolment.approved_node_keys()}
        return tuple(
            sorted(s for s, decision in overview.decisions.items() if decision == "approved" and s in enrolled)
        )

    def ready_to_start(self, study_id: str) -> SignedManifest:
        """The newest version, which enough of its sites approved for its quorum.

        Raises:
            MyofedError: STUDY_UNKNOWN; NOT_APPROVED, fewer sites than `min_sites` approved.
        """
        signed = self.show(study_id).signed
        manifest = signed.manifest
        approved = self.approved_sites(study_id, version=manifest.version)
        if len(approved) < manifest.min_sites:
            raise MyofedError(
                "NOT_APPROVED",
                f"{len(approved)} sites approved version {manifest.version}, expected at least {manifest.min_sites}",
                hint="`study show` says who has not decided; sites decide with `myofed-node approve`",
                exit_code=ExitCode.NOT_APPROVED,
            )
        return signed

    def show(self, study_id: str, *, version: int | None = None) -> StudyOverview:
        """This version (the newest when None) and where its sites stand.

        Raises:
            MyofedError: STUDY_UNKNOWN.
        """
        with self._database.read() as session:
            row = session.get(StudyRow, (study_id, version or _last_version(session, study_id)))
            if row is None:
                raise unknown_study(study_id)
            return _overview(session, row)

    def list_studies(self) -> list[StudyOverview]:
        """The newest version of every study, sorted by its id."""
        newest = select(StudyRow.study_id, func.max(StudyRow.version)).group_by(StudyRow.study_id)
        with self._database.read() as session:
            keys = sorted((study_id, version) for study_id, version in session.execute(newest))
            rows = [session.get_one(StudyRow, (study_id, version)) for study_id, version in keys]
            return [_overview(session, row) for row in rows]

    def by_digest(self, manifest_digest: str) -> SignedManifest:
        """The manifest with this digest.

        Raises:
            MyofedError: STUDY_UNKNOWN.
        """
        with self._database.read() as session:
            row = session.scalar(select(StudyRow).where(StudyRow.digest == manifest_digest))
            if row is None:
                raise unknown_study(manifest_digest[:12])
            return SignedManifest.model_validate_json(row.document)

    def of_site(self, site: str) -> list[SignedManifest]:
        """Every version of every study that names this site, in the order of id and version."""
        named = (
            select(StudyRow)
            .join(
                StudySiteRow, (StudySiteRow.study_id == StudyRow.study_id) & (StudySiteRow.version == StudyRow.version)
            )
            .where(StudySiteRow.site == site)
            .order_by(StudyRow.study_id, StudyRow.version)
        )
        with self._database.read() as session:
            return [SignedManifest.model_validate_json(row.document) for row in session.scalars(named)]


def _check_weights(manifest: StudyManifest, content: bytes) -> None:
    if weights.sha256_of(content) != manifest.initial_weights_sha256:
        raise MyofedError(
            "WEIGHTS_DIGEST",
            "the weights' digest is not the manifest's initial_weights_sha256",
            hint="leave the field out of the draft, or give the right file",
            exit_code=ExitCode.BAD_INPUT,
        )
    weights.check_specs(weights.tensor_specs(content), expected=manifest.state_dict)


def _check_version(manifest: StudyManifest, *, last: int) -> None:
    if manifest.version != last + 1:
        raise MyofedError(
            "STUDY_VERSION",
            f"version is {manifest.version}, expected {last + 1}",
            hint="any change is a new version; leave the field out of the draft",
            exit_code=ExitCode.BAD_INPUT,
        )


def _check_sites(manifest: StudyManifest, enrolled: set[str]) -> None:
    unknown = [site for site in manifest.sites if site not in enrolled]
    if unknown:
        raise MyofedError(
            "STUDY_SITE_UNKNOWN",
            f"not approved in this consortium: {', '.join(unknown)}",
            hint="`sites list` shows the names",
            exit_code=ExitCode.BAD_INPUT,
        )


def _store(session: Session, signed: SignedManifest, *, now: datetime) -> None:
    manifest = signed.manifest
    session.add(
        StudyRow(
            study_id=manifest.study_id,
            version=manifest.version,
            digest=signed.digest,
            created_at=utc_text(now),
            document=canonical_json(signed).decode(),
        )
    )
    session.flush()
    named = (StudySiteRow(study_id=manifest.study_id, version=manifest.version, site=site) for site in manifest.sites)
    session.add_all(named)


def _last_version(session: Session, study_id: str) -> int:
    return session.scalar(select(func.max(StudyRow.version)).where(StudyRow.study_id == study_id)) or 0


def _last_decision(session: Session, study_id: str, version: int, site: str) -> SignedDecision | None:
    row = session.scalar(
        select(DecisionRow)
        .where(DecisionRow.study_id == study_id, DecisionRow.version == version, DecisionRow.site == site)
        .order_by(DecisionRow.id.desc())
        .limit(1)
    )
    return SignedDecision.model_validate_json(row.document) if row is not None else None


def _overview(session: Session, row: StudyRow) -> StudyOverview:
    signed = SignedManifest.model_validate_json(row.document)
    decisions: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for site in signed.manifest.sites:
        last = _last_decision(session, row.study_id, row.version, site)
        decisions[site] = last.decision.decision if last is not None else "open"
        if last is not None:
            reasons[site] = last.decision.reason
    return StudyOverview(signed, row.created_at, decisions, reasons)


def _refused(code: str, message: str) -> MyofedError:
    return MyofedError(
        code, message, hint="fetch the studies again and decide on the newest version", exit_code=ExitCode.REFUSED
    )
