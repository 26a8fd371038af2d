"""The use cases of planning: ask sites, take each one's answer once, say who is missing, propose."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.database import Database
from myofed_coordinator.enrolment.service import EnrolmentService
from myofed_coordinator.planning.models import AnswerRow, QueryRow, QuerySiteRow
from myofed_coordinator.planning.proposal import Proposal, proposal_of
from myofed_coordinator.signing import Signer
from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.planning_query import PlanningAnswer, PlanningQuery, SignedPlanningQuery, asked_of


@dataclass(frozen=True)
class Question:
    """What a person asks; `PlanningQuery` says what each field means. `min_answers` None: all sites."""

    study_id: str
    title: str
    purpose: str
    sites: tuple[str, ...]
    muscles: tuple[str, ...]
    min_answers: int | None = None
    demo: bool = False


@dataclass(frozen=True)
class QueryOverview:
    """One query and where its sites stand.

    Attributes:
        signed: As sent.
        states: Site -> `told`, `declined` or `open`, in the query's order.
        answers: Of sites that are still enrolled.
    """

    signed: SignedPlanningQuery
    states: dict[str, str]
    answers: tuple[PlanningAnswer, ...]


class PlanningService:
    """The use cases; each call is one transaction, entered in the audit chain before it commits."""

    def __init__(self, database: Database, audit: AuditLog, enrolment: EnrolmentService, signer: Signer) -> None:
        self._database = database
        self._audit = audit
        self._enrolment = enrolment
        self._signer = signer

    def ask(self, question: Question, *, actor: str, now: datetime) -> SignedPlanningQuery:
        """The sites see a new query, signed; each call makes one.

        Raises:
            MyofedError: PLANNING_INVALID names the fields at fault; PLANNING_SITE_UNKNOWN, a site that is not approved.
        """
        query = _query(question, now=now)
        unknown = sorted(set(query.sites) - self._enrolled())
        if unknown:
            raise MyofedError(
                "PLANNING_SITE_UNKNOWN",
                f"not approved in this consortium: {', '.join(unknown)}",
                hint="`sites list` shows the names",
                exit_code=ExitCode.BAD_INPUT,
            )
        signed = SignedPlanningQuery(
            query=query, sha256=digest(query), signature=self._signer.sign(query), signer=self._signer.public_key
        )
        with self._database.write() as session:
            self._audit.append(Deed(actor, "PLANNING_ASKED", query.query_id, {"query": signed.sha256}), now=now)
            session.add(
                QueryRow(
                    query_id=query.query_id,
                    study_id=query.study_id,
                    sha256=signed.sha256,
                    asked_at=query.asked_at,
                    document=canonical_json(signed).decode(),
                )
            )
            session.flush()
            session.add_all(QuerySiteRow(query_id=query.query_id, site=site) for site in query.sites)
        return signed

    def record(self, answer: PlanningAnswer, *, site: str, now: datetime) -> None:
        """The answer is this site's, for good; the same one sent again changes nothing.

        Args:
            answer: As suppressed at the site.
            site: Whom the client certificate names.
            now: Aware.

        Raises:
            MyofedError: PLANNING_WRONG_SITE; SITE_REVOKED; PLANNING_UNKNOWN, also for a query that does not ask the site;
                PLANNING_WRONG_DIGEST, about another query than we signed; PLANNING_NOT_ASKED, it tells more than was asked
                or is of another kind of patients; PLANNING_ANSWERED, other than the site's earlier answer.
        """
        if answer.site != site:
            raise _refused("PLANNING_WRONG_SITE", "the answer names another site than the certificate")
        if site not in self._enrolled():
            raise _refused("SITE_REVOKED", "the site is not enrolled")
        with self._database.write() as session:
            signed = _asked(session, answer.query_id, site=site)
            if answer.query_sha256 != signed.sha256:
                raise _refused("PLANNING_WRONG_DIGEST", "the answer is about another query than the one we signed")
            _check_asked(answer, signed.query)
            kept = session.get(AnswerRow, (answer.query_id, site))
            if kept is not None:
                if kept.sha256 != digest(answer):
                    raise _refused("PLANNING_ANSWERED", "the site gave another answer to this query before")
                return
            deed = Deed(site, f"PLANNING_{answer.answer.upper()}", answer.query_id, {"answer": digest(answer)})
            self._audit.append(deed, now=now)
            session.add(
                AnswerRow(
                    query_id=answer.query_id,
                    site=site,
                    sha256=digest(answer),
                    received_at=utc_text(now),
                    document=canonical_json(answer).decode(),
                )
            )

    def of_site(self, site: str) -> list[SignedPlanningQuery]:
        """Every query that asks this site, oldest first."""
        statement = (
            select(QueryRow.document)
            .join(QuerySiteRow, QuerySiteRow.query_id == QueryRow.query_id)
            .where(QuerySiteRow.site == site)
            .order_by(QueryRow.asked_at, QueryRow.query_id)
        )
        with self._database.read() as session:
            return [SignedPlanningQuery.model_validate_json(text) for text in session.scalars(statement)]

    def list_queries(self) -> list[QueryOverview]:
        """Every query, oldest first."""
        enrolled = self._enrolled()
        with self._database.read() as session:
            rows = session.scalars(select(QueryRow).order_by(QueryRow.asked_at, QueryRow.query_id)).all()
            return [_overview(session, row, enrolled=enrolled) for row in rows]

    def show(self, query_id: str) -> QueryOverview:
        """One query and where its sites stand.

        Raises:
            MyofedError: PLANNING_UNKNOWN.
        """
        enrolled = self._enrolled()
        with self._database.read() as session:
            row = session.get(QueryRow, query_id)
            if row is None:
                raise unknown_query()
            return _overview(session, row, enrolled=enrolled)

    def propose(self, query_id: str) -> Proposal:
        """What follows from the answers of sites that are enrolled.

        Raises:
            MyofedError: PLANNING_UNKNOWN; PLANNING_TOO_FEW, fewer told than the query's `min_answers`; PLAN_TOO_FEW, none
                of them tells enough.
        """
        overview = self.show(query_id)
        query, told = overview.signed.query, [a for a in overview.answers if a.answer == "told"]
        if len(told) < query.min_answers:
            raise MyofedError(
                "PLANNING_TOO_FEW",
                f"{len(told)} sites told something, expected at least {query.min_answers}",
                hint="`planning show` says who is missing; sites answer with `myofed-node planning answer`",
                exit_code=ExitCode.NOT_APPROVED,
            )
        return proposal_of(query, told)

    def _enrolled(self) -> set[str]:
        return {site for site, _ in self._enrolment.approved_node_keys()}


def unknown_query() -> MyofedError:
    """No such query, or none that asks the site."""
    return MyofedError(
        "PLANNING_UNKNOWN",
        "no planning query of this name here",
        hint="`planning list` shows them",
        exit_code=ExitCode.BAD_INPUT,
    )


def _query(question: Question, *, now: datetime) -> PlanningQuery:
    fields = {
        "query_id": f"plan-{now.astimezone(UTC):%Y%m%d%H%M%S}{secrets.token_hex(4)}",
        "study_id": question.study_id,
        "title": question.title,
        "purpose": question.purpose,
        "sites": question.sites,
        "muscles": question.muscles,
        "min_answers": len(question.sites) if question.min_answers is None else question.min_answers,
        "demo": question.demo,
        "asked_at": utc_text(now),
    }
    try:
        return PlanningQuery.model_validate(fields)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc'])) or 'query'}: {f['msg']}" for f in error.errors()[:5])
        raise MyofedError(
            "PLANNING_INVALID",
            f"the query does not hold: {faults}",
            hint="docs/learning.md, Planning a study, says what a query needs",
            exit_code=ExitCode.USAGE,
        ) from error


def _asked(session: Session, query_id: str, *, site: str) -> SignedPlanningQuery:
    row = session.get(QueryRow, query_id)
    if row is None or session.get(QuerySiteRow, (query_id, site)) is None:
        raise unknown_query()
    return SignedPlanningQuery.model_validate_json(row.document)


def _check_asked(answer: PlanningAnswer, query: PlanningQuery) -> None:
    told = answer.fingerprint
    if told is not None and (told != asked_of(told, query) or told.policy.demo != query.demo):
        raise _refused("PLANNING_NOT_ASKED", "the answer tells of other muscles, or of another kind of patients")


def _overview(session: Session, row: QueryRow, *, enrolled: set[str]) -> QueryOverview:
    signed = SignedPlanningQuery.model_validate_json(row.document)
    rows = session.scalars(select(AnswerRow).where(AnswerRow.query_id == row.query_id).order_by(AnswerRow.site)).all()
    answers = [PlanningAnswer.model_validate_json(r.document) for r in rows]
    states = {a.site: str(a.answer) for a in answers}
    return QueryOverview(
        signed=signed,
        states={site: states.get(site, "open") for site in signed.query.sites},
        answers=tuple(a for a in answers if a.site in enrolled),
    )


def _refused(code: str, message: str) -> MyofedError:
    return MyofedError(
        code, message, hint="an answer is given once, to the query as it was signed", exit_code=ExitCode.REFUSED
    )
