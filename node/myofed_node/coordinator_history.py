"""The coordinator's own audit chain as this site vouches for it: a new head only with the proof that the old one is in it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from myofed_node.audit import SiteAudit
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.keys import sign
from myofed_node.signed_heads import check_signature, invalid, kept, set_aside
from myofed_node.site_folder import SiteFolder
from myofed_schemas.audit import COORDINATOR, AuditHead, ProvenHead, SignedAuditHead, WitnessedHead
from myofed_schemas.audit_proof import proves
from myofed_schemas.canonical import canonical_json
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.ids import UtcTime
from myofed_schemas.wire import WireModel


class ChangedHistory(WireModel):
    """Evidence: two heads that the coordinator signed, and what it showed in place of a proof from one to the other.

    Attributes:
        at: When.
        witnessed: The head that this site vouched for; None where it vouched for none.
        shown: The later one.
    """

    at: UtcTime
    witnessed: SignedAuditHead | None
    shown: ProvenHead


def witness_coordinator(folder: SiteFolder, api: CoordinatorApi, *, now: datetime) -> int:
    """The coordinator has this site's signature over its own head, and the head lies in `coordinator-head.json`.

    Args:
        folder: The site's.
        api: The way to the coordinator.
        now: UTC.

    Returns:
        The witnessed sequence.

    Raises:
        MyofedError: COSIGNATURE_INVALID; COORDINATOR_HEAD_WENT_BACK where it shows a shorter chain than before, or another of
            the same length; COORDINATOR_HISTORY_CHANGED where it cannot prove that its chain goes on from the one before.
            Neither is witnessed. Or what the exchange raises.
    """
    before = kept(folder.coordinator_head)
    witnessed = before.head if before else None
    shown = api.coordinator_head(since=witnessed.sequence if witnessed else 0)
    check_signature(folder, shown.signed)
    if shown.head.owner != COORDINATOR:
        raise invalid("one of another chain than its own")
    if shown.head == witnessed:
        return shown.head.sequence
    if witnessed is not None and shown.head.went_back_from(witnessed):
        detail: dict[str, str | int] = {"witnessed": witnessed.sequence, "shown": shown.head.sequence}
        SiteAudit(folder).append("COORDINATOR_HEAD_WENT_BACK", subject=shown.head.digest, now=now, detail=detail)
        raise MyofedError(
            "COORDINATOR_HEAD_WENT_BACK",
            f"expected the coordinator's audit chain beyond {witnessed.sequence}, found {shown.head.sequence}",
            hint="ask the coordinator whether it was restored from a backup; keep coordinator-head.json as evidence",
            exit_code=ExitCode.REFUSED,
        )
    if not proves(shown.proof, shown.head, earlier=witnessed):
        evidence = ChangedHistory(at=utc_text(now), witnessed=before, shown=shown)
        raise _changed(folder, _keep(folder, evidence), evidence, now=now)
    api.witness(WitnessedHead(head=shown.head, signature=shown.signature, witness=sign(folder, shown.head)))
    write_atomically(folder.coordinator_head, canonical_json(shown.signed) + b"\n")
    return shown.head.sequence


def accept_history(folder: SiteFolder, *, by: str, now: datetime) -> AuditHead:
    """The next head that the coordinator shows is witnessed as a first one; the one before is set aside, as evidence.

    Args:
        folder: The site's.
        by: Who accepts it, after the coordinator's people said why its chain is another one.
        now: UTC.

    Returns:
        The head that binds the coordinator no more.

    Raises:
        MyofedError: HEAD_NONE, none was witnessed; COSIGNATURE_INVALID.
    """
    before = kept(folder.coordinator_head)
    if before is None:
        raise MyofedError(
            "HEAD_NONE",
            "expected a head of the coordinator that this site witnessed, found none",
            hint="nothing has to be accepted",
            exit_code=ExitCode.REFUSED,
        )
    detail: dict[str, str | int] = {"witnessed": before.head.sequence}
    SiteAudit(folder).append(
        "COORDINATOR_HISTORY_ACCEPTED", subject=before.head.digest, actor=by, now=now, detail=detail
    )
    set_aside(folder.coordinator_head, now=now)
    return before.head


def open_evidence(folder: SiteFolder) -> Path | None:
    """The evidence against the head that binds the coordinator now; None once it proved its chain, or somebody accepted it.

    Raises:
        MyofedError: COSIGNATURE_INVALID, the kept head is damaged.
    """
    path = _evidence_against(folder, kept(folder.coordinator_head))
    return path if path.exists() else None


def _keep(folder: SiteFolder, evidence: ChangedHistory) -> Path:
    """The first evidence against a head is kept; what is shown an hour later would say the same."""
    path = _evidence_against(folder, evidence.witnessed)
    if not path.exists():
        write_atomically(path, canonical_json(evidence) + b"\n")
    return path


def _evidence_against(folder: SiteFolder, witnessed: SignedAuditHead | None) -> Path:
    head = witnessed.head if witnessed else None
    return folder.changed_history(f"{head.sequence}-{head.digest[:12]}" if head else "0")


def _changed(folder: SiteFolder, kept_in: Path, evidence: ChangedHistory, *, now: datetime) -> MyofedError:
    head, since = evidence.shown.head, evidence.witnessed.head.sequence if evidence.witnessed else 0
    detail: dict[str, str | int] = {"witnessed": since, "shown": head.sequence}
    if head.root is not None:
        detail["root"] = head.root
    SiteAudit(folder).append("COORDINATOR_HISTORY_CHANGED", subject=head.digest, now=now, detail=detail)
    return MyofedError(
        "COORDINATOR_HISTORY_CHANGED",
        f"expected proof that the coordinator's audit chain at {head.sequence} goes on from {since}, found none that holds",
        hint=f"ask the coordinator whether it was restored from a backup; keep {kept_in.name} as evidence",
        exit_code=ExitCode.REFUSED,
    )
