"""The catalog's use cases: a site publishes and withdraws its cards, people ask; counts stay as the site suppressed them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.catalog.models import CardRow, FacetRow
from myofed_coordinator.database import Database
from myofed_coordinator.enrolment.models import SiteRow
from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.catalog import CatalogAnswer, DatasetCard
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


@dataclass(frozen=True)
class CatalogQuery:
    """What to look for; None asks for nothing in particular. A card must match all that is set.

    Attributes:
        muscle: Id of a muscle that its labels name, e.g. `VL`.
        suffix: ORMIR-MIDS suffix, e.g. `MESE`.
        vendor: Scanner vendor.
        region: Body region.
        diagnosis: ORPHA code, e.g. `ORPHA:269`.
    """

    muscle: str | None = None
    suffix: str | None = None
    vendor: str | None = None
    region: str | None = None
    diagnosis: str | None = None

    def facets(self) -> tuple[tuple[str, str], ...]:
        """(facet, value) pairs that are set."""
        named = (
            ("muscle", self.muscle),
            ("suffix", self.suffix),
            ("vendor", self.vendor),
            ("region", self.region),
            ("diagnosis", self.diagnosis),
        )
        return tuple((facet, value) for facet, value in named if value is not None)


class CatalogService:
    """The use cases; each call is one transaction."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    def publish(self, card: DatasetCard, *, site: str, now: datetime) -> None:
        """The card is the current version of its data set; the same card sent again changes nothing.

        Args:
            card: As suppressed at the site.
            site: Whom the client certificate names.
            now: Aware.

        Raises:
            MyofedError: CARD_WRONG_SITE, the card speaks for another site; CARD_VERSION, a version that is not newer.
        """
        if card.site != site:
            raise MyofedError(
                "CARD_WRONG_SITE",
                "the card names another site than the certificate",
                hint="publish from the site that the card describes",
                exit_code=ExitCode.REFUSED,
            )
        with self._database.write() as session:
            last = session.scalars(_versions(card.site, card.dataset).order_by(CardRow.version.desc())).first()
            if last is not None and last.current and last.sha256 == digest(card):
                return
            if last is not None and card.version <= last.version:
                raise MyofedError(
                    "CARD_VERSION",
                    f"card version is {card.version}, expected at least {last.version + 1}",
                    hint="publish again; the node counts versions up",
                    exit_code=ExitCode.REFUSED,
                )
            if last is not None:
                _retire(session, last)
            self._audit.append(
                Deed(site, "CARD_PUBLISHED", card.dataset, {"version": card.version, "card": digest(card)}), now=now
            )
            _store(session, card, now=now)

    def withdraw(self, dataset: str, *, site: str, now: datetime) -> None:
        """No query finds the data set any more; a second call changes nothing.

        Raises:
            MyofedError: CARD_UNKNOWN, the site never published it.
        """
        with self._database.write() as session:
            rows = session.scalars(_versions(site, dataset)).all()
            if not rows:
                raise MyofedError(
                    "CARD_UNKNOWN", "the site published no data set of this name", exit_code=ExitCode.BAD_INPUT
                )
            for row in rows:
                if row.current:
                    _retire(session, row)
                    row.withdrawn_at = utc_text(now)
                    self._audit.append(Deed(site, "CARD_WITHDRAWN", dataset, {"version": row.version}), now=now)

    def query(self, question: CatalogQuery) -> CatalogAnswer:
        """The current cards of approved sites that match, and a lower bound of their subjects."""
        statement = (
            select(CardRow.document)
            .join(SiteRow, SiteRow.site == CardRow.site)
            .where(CardRow.current, SiteRow.state == "approved")
            .order_by(CardRow.site, CardRow.dataset)
        )
        for facet, value in question.facets():
            found = select(FacetRow.card).where(FacetRow.facet == facet, FacetRow.value == value)
            statement = statement.where(CardRow.id.in_(found))
        with self._database.read() as session:
            cards = tuple(DatasetCard.model_validate_json(text) for text in session.scalars(statement))
        counts = [card.subjects.value for card in cards]
        return CatalogAnswer(
            cards=cards,
            subjects_at_least=sum(count for count in counts if count is not None),
            withheld=sum(count is None for count in counts),
        )

    def count(self) -> int:
        """Number of current cards, of whatever site."""
        with self._database.read() as session:
            return session.scalar(select(func.count()).select_from(CardRow).where(CardRow.current)) or 0


def facets_of(card: DatasetCard) -> frozenset[tuple[str, str]]:
    """All (facet, value) pairs by which this card is found."""
    many = {"muscle": card.muscles, "suffix": card.suffixes, "vendor": card.vendors, "diagnosis": card.diagnoses}
    pairs = {(facet, str(value)) for facet, values in many.items() for value in values}
    return frozenset(pairs | {("region", card.region)})


def _versions(site: str, dataset: str) -> Select[CardRow]:
    return select(CardRow).where(CardRow.site == site, CardRow.dataset == dataset)


def _retire(session: Session, row: CardRow) -> None:
    row.current = False
    session.execute(delete(FacetRow).where(FacetRow.card == row.id))


def _store(session: Session, card: DatasetCard, *, now: datetime) -> None:
    row = CardRow(
        site=card.site,
        dataset=card.dataset,
        version=card.version,
        sha256=digest(card),
        document=canonical_json(card).decode(),
        published_at=utc_text(now),
        current=True,
    )
    session.add(row)
    session.flush()
    session.add_all(FacetRow(card=row.id, facet=facet, value=value) for facet, value in sorted(facets_of(card)))
