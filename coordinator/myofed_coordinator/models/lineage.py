"""The lineage of models: one signed record a finished round, kept for ever, and its check without any database."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

from sqlalchemy import select
from sqlalchemy.orm import Session

from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.database import Database
from myofed_coordinator.enrolment.models import SiteRow
from myofed_coordinator.models.models import LineageRow
from myofed_coordinator.signing import Signer, verify
from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import RoundReport, RunStatus
from myofed_schemas.lineage import (
    Lineage,
    LineageRecord,
    LineageSoftware,
    LineageStatement,
    NodeSoftware,
    UpdateTrace,
    first_broken,
)
from myofed_schemas.model import ModelStatement
from myofed_schemas.study import StudyManifest

KEPT_DIGITS = 6
"""Decimals of loss and Dice: sums over sites may differ in the last bits."""


@dataclass(frozen=True)
class RoundTrace:
    """What a run's folder keeps of a round beside its report.

    Attributes:
        digests: Site -> digest of its update.
        examples: Site -> training subjects, as a bucket; empty for a round of an earlier release.
    """

    digests: Mapping[str, str]
    examples: Mapping[str, int]


@dataclass(frozen=True)
class TracedRun:
    """A run as far as it has come.

    Attributes:
        traces: One a finished round of `status`.
    """

    status: RunStatus
    manifest: StudyManifest
    traces: Sequence[RoundTrace]


class LineageService:
    """The use cases; each call is one transaction."""

    def __init__(self, database: Database, audit: AuditLog, signer: Signer) -> None:
        self._database = database
        self._audit = audit
        self._signer = signer

    def record(self, run: TracedRun, *, now: datetime) -> int:
        """Every finished round of the run has a signed record; those that had one keep it.

        Returns:
            How many rounds have one now.
        """
        with self._database.write() as session:
            records = _of_run(session, run.status.run_id)
            for report, trace in list(zip(run.status.rounds, run.traces, strict=True))[len(records) :]:
                statement = _statement(run, report, trace, records, _nodes(session, report.sites))
                record = LineageRecord(
                    statement=statement, signature=self._signer.sign(statement), signer=self._signer.public_key
                )
                detail: dict[str, str | int] = {"round": report.round, "lineage": digest(statement)}
                self._audit.append(Deed("system", "ROUND_RECORDED", run.status.run_id, detail), now=now)
                session.add(
                    LineageRow(
                        run_id=run.status.run_id,
                        round=report.round,
                        aggregated_sha256=statement.aggregated_sha256,
                        recorded_at=utc_text(now),
                        record=canonical_json(record).decode(),
                    )
                )
                records.append(record)
        return len(records)

    def of_run(self, run_id: str) -> Lineage:
        """Of this run, in the order of its rounds; empty for a run of an earlier release, or an unknown one."""
        with self._database.read() as session:
            return Lineage(records=tuple(_of_run(session, run_id)))

    def of_model(self, model: ModelStatement) -> Lineage:
        """The rounds that this model is made of."""
        records = self.of_run(model.run_id).records
        return Lineage(records=tuple(r for r in records if r.statement.round <= model.rounds))


def verify_lineage(lineage: Lineage, model: ModelStatement, *, signer: str) -> None:
    """The records lead from the study's manifest to exactly this model, each signed with this key; needs no database.

    Raises:
        MyofedError: BAD_SIGNATURE; LINEAGE_BROKEN names the first round at fault.
    """
    for record in lineage.records:
        if record.signer != signer:
            raise MyofedError("BAD_SIGNATURE", "the record was signed with another key", exit_code=ExitCode.REFUSED)
        verify(record.statement, signature=record.signature, public_key=signer)
    broken = first_broken(lineage, model)
    if broken is not None:
        raise _broken(broken)


def _statement(
    run: TracedRun,
    report: RoundReport,
    trace: RoundTrace,
    earlier: Sequence[LineageRecord],
    nodes: tuple[NodeSoftware, ...],
) -> LineageStatement:
    last = earlier[-1].statement if earlier else None
    updates = (UpdateTrace(sha256=trace.digests[s], examples=trace.examples.get(s, 0)) for s in _traced(report, trace))
    return LineageStatement(
        study_id=run.status.study_id,
        run_id=run.status.run_id,
        round=report.round,
        manifest_digest=run.status.manifest_digest,
        previous=digest(last) if last else run.status.manifest_digest,
        parent_sha256=last.aggregated_sha256 if last else run.manifest.initial_weights_sha256,
        aggregated_sha256=report.weights_sha256,
        strategy=run.manifest.strategy,
        weighting=run.manifest.weighting,
        updates=tuple(sorted(updates, key=lambda update: update.sha256)),
        sites=len(report.sites),
        loss=_rounded(report.loss),
        dice=_rounded(report.dice),
        software=_software(nodes),
        started_at=report.started_at,
    )


def _traced(report: RoundReport, trace: RoundTrace) -> Iterable[str]:
    """A refused update has a digest too, and is no part of the model."""
    return (site for site in report.sites if site in trace.digests)


def _software(nodes: tuple[NodeSoftware, ...]) -> LineageSoftware:
    return LineageSoftware(
        myofed=version("myofed"),
        flwr=version("flwr"),
        numpy=version("numpy"),
        python=platform.python_version(),
        nodes=nodes,
    )


def _nodes(session: Session, sites: Sequence[str]) -> tuple[NodeSoftware, ...]:
    found = select(SiteRow.myofed_version, SiteRow.flwr_version).where(SiteRow.site.in_(sites)).distinct()
    kinds = sorted((myofed, flwr) for myofed, flwr in session.execute(found))
    return tuple(NodeSoftware(myofed=myofed, flwr=flwr) for myofed, flwr in kinds)


def _of_run(session: Session, run_id: str) -> list[LineageRecord]:
    rows = session.scalars(select(LineageRow).where(LineageRow.run_id == run_id).order_by(LineageRow.round))
    return [LineageRecord.model_validate_json(row.record) for row in rows]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, KEPT_DIGITS)


def _broken(number: int) -> MyofedError:
    return MyofedError(
        "LINEAGE_BROKEN",
        f"expected rounds that lead from the manifest to this model, found a defect at round {number}",
        hint="take the lineage that `models export` wrote beside this model",
        exit_code=ExitCode.UNHEALTHY,
    )
