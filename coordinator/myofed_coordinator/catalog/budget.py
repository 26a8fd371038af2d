"""How many count questions a person may ask, and the log of them: who, what, when; what was answered is not kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.catalog.models import CountQueryRow
from myofed_coordinator.database import Database
from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.catalog_search import AskedCount, AskedCounts, CountQuestion
from myofed_schemas.clock import utc_moment, utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

PER_PAGE = 50
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class QueryBudget:
    """What one person may ask; `config.yaml` sets it.

    Attributes:
        per_hour: Questions in any sixty minutes.
        per_day: Questions in any twenty-four hours.
        log_days: Days that a question stays in the log.
    """

    per_hour: int = 60
    per_day: int = 600
    log_days: int = 730


class BudgetError(MyofedError):
    """The person has asked too much; not a fault of the question.

    Attributes:
        retry_after_s: Seconds after which one more question is within the budget.
    """

    def __init__(self, limit: str, *, retry_after_s: int) -> None:
        super().__init__(
            "QUERY_BUDGET",
            f"expected at most {limit}, found one more",
            hint="wait; the header Retry-After says for how many seconds",
            exit_code=ExitCode.REFUSED,
        )
        self.retry_after_s = retry_after_s


class CountLog:
    """Takes each question into the log before it is answered, or refuses it."""

    def __init__(self, database: Database, audit: AuditLog, budget: QueryBudget) -> None:
        self._database = database
        self._audit = audit
        self._budget = budget

    def take(self, question: CountQuestion, *, account: str, now: datetime) -> None:
        """The question is in the log, and within the person's budget. Old entries are dropped.

        Raises:
            BudgetError: QUERY_BUDGET; the first refusal of an hour is entered in the audit chain.
        """
        with self._database.write() as session:
            refusal = self._refusal(session, account, now)
            if refusal is None or not _asked(session, account, after=now - HOUR, refused=True, at_least=1):
                if refusal is not None:
                    detail: dict[str, str | int] = {"question": digest(question)}
                    self._audit.append(Deed(account, "QUERY_BUDGET_SPENT", "count-queries", detail), now=now)
                session.add(
                    CountQueryRow(
                        account=account,
                        asked_at=utc_text(now),
                        question=canonical_json(question).decode(),
                        refused=refusal is not None,
                    )
                )
                oldest = utc_text(now - timedelta(days=self._budget.log_days))
                session.execute(delete(CountQueryRow).where(CountQueryRow.asked_at < oldest))
        if refusal is not None:
            raise refusal

    def page(self, number: int) -> AskedCounts:
        """One page of the log, newest first."""
        newest = select(CountQueryRow).order_by(CountQueryRow.id.desc())
        with self._database.read() as session:
            total = session.scalar(select(func.count()).select_from(CountQueryRow)) or 0
            rows = session.scalars(newest.offset((number - 1) * PER_PAGE).limit(PER_PAGE)).all()
        return AskedCounts(total=total, page=number, entries=tuple(_entry(row) for row in rows))

    def _refusal(self, session: Session, account: str, now: datetime) -> BudgetError | None:
        for allowed, span, name in ((self._budget.per_hour, HOUR, "an hour"), (self._budget.per_day, DAY, "a day")):
            first = _asked(session, account, after=now - span, refused=False, at_least=allowed)
            if first is not None:
                waits = (utc_moment(first) + span - now).total_seconds()
                return BudgetError(f"{allowed} count questions {name}", retry_after_s=max(1, math.ceil(waits)))
        return None


def _asked(session: Session, account: str, *, after: datetime, refused: bool, at_least: int) -> str | None:
    """When the last but `at_least - 1` of the person's questions after this moment was asked; None where there are fewer."""
    statement = (
        select(CountQueryRow.asked_at)
        .where(
            CountQueryRow.account == account,
            CountQueryRow.refused == refused,
            CountQueryRow.asked_at > utc_text(after),
        )
        .order_by(CountQueryRow.asked_at.desc())
        .offset(at_least - 1)
        .limit(1)
    )
    return session.scalars(statement).first()


def _entry(row: CountQueryRow) -> AskedCount:
    question = CountQuestion.model_validate_json(row.question)
    return AskedCount(account=row.account, asked_at=row.asked_at, question=question, refused=row.refused)
