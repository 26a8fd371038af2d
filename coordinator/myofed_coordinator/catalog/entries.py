"""What the catalog keeps of a data set for searches: one row, written anew whenever its card or its cube changes."""

from __future__ import annotations

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from myofed_coordinator.catalog.cube_cells import current_cube, single_cells
from myofed_coordinator.catalog.facets import Pair, card_words, facets_of
from myofed_coordinator.catalog.models import CardRow, EntryRow, WordsRow
from myofed_coordinator.catalog.public import public_card
from myofed_coordinator.catalog.text_index import words_row
from myofed_schemas.canonical import canonical_json
from myofed_schemas.catalog import DatasetCard
from myofed_schemas.catalog_search import at_least
from myofed_schemas.cube import CubePolicy
from myofed_schemas.ids import UtcTime
from myofed_schemas.wire import WireModel

FORM = 1
"""Version of what is derived from a card; a row of another one is written anew by the next process that reads it."""


class TierFacets(WireModel):
    """How a card is found and counted by one kind of reader.

    Attributes:
        facets: (facet, value) pairs.
        at_least: What its number of subjects surely reaches; None where it is withheld.
    """

    facets: tuple[Pair, ...]
    at_least: int | None


class CubeFacts(WireModel):
    """The current cube, without its cells."""

    version: int
    policy: CubePolicy
    subjects: int | None


class EntryDocument(WireModel):
    """All that a search needs to know of a data set; nothing in it was not published."""

    title: str
    published_at: UtcTime
    subjects: int | None
    members: TierFacets
    public: TierFacets
    cube: CubeFacts | None


def entry_of(session: Session, site: str, dataset: str) -> EntryRow | None:
    """The row of this data set; also where its card was withdrawn."""
    return session.scalars(select(EntryRow).where(EntryRow.site == site, EntryRow.dataset == dataset)).first()


def write_entry(session: Session, row: CardRow) -> EntryRow:
    """Searches find this version of the card, with its cube's cells as they are now.

    Args:
        session: Writing.
        row: The current version, flushed.
    """
    card = DatasetCard.model_validate_json(row.document)
    entry = entry_of(session, row.site, row.dataset) or EntryRow(site=row.site, dataset=row.dataset)
    entry.card, entry.form, entry.changed = row.id, FORM, _next_change(session)
    entry.document, entry.public = "", ""
    session.add(entry)
    session.flush()
    cube = current_cube(session, row.site, row.dataset)
    facts = CubeFacts(version=cube.version, policy=cube.policy, subjects=cube.subjects) if cube else None
    everybody = public_card(card, facts.policy if facts else None, single_cells(session, entry.id) if facts else ())
    entry.public = canonical_json(everybody).decode()
    entry.document = canonical_json(
        EntryDocument(
            title=card.title,
            published_at=row.published_at,
            subjects=card.subjects.value,
            members=_tier(card, card),
            public=_tier(everybody, card),
            cube=facts,
        )
    ).decode()
    _set_words(session, entry.id, members=card_words(card), public=card_words(everybody))
    return entry


def withdraw_entry(session: Session, entry: EntryRow) -> None:
    """No search finds the data set; the row says so to processes that had read it."""
    entry.card, entry.form, entry.changed = None, FORM, _next_change(session)
    entry.document, entry.public = "", ""
    _set_words(session, entry.id, members="", public="")


def write_stale_entries(session: Session) -> int:
    """Rows that another version of this program wrote, or none wrote yet, are of this version's form.

    Returns:
        How many were written.
    """
    fresh = select(EntryRow.card).where(EntryRow.form == FORM, EntryRow.card.is_not(None))
    rows = session.scalars(select(CardRow).where(CardRow.current, CardRow.id.not_in(fresh)).order_by(CardRow.id)).all()
    for row in rows:
        write_entry(session, row)
    return len(rows)


def any_stale(session: Session) -> bool:
    """Whether `write_stale_entries` has something to do."""
    fresh = select(EntryRow.card).where(EntryRow.form == FORM, EntryRow.card.is_not(None))
    return (
        session.scalars(select(CardRow.id).where(CardRow.current, CardRow.id.not_in(fresh)).limit(1)).first()
        is not None
    )


def _tier(told: DatasetCard, published: DatasetCard) -> TierFacets:
    """Facets of what is told; the count by the site's own k, which says what its rounding stands for."""
    count, policy = told.subjects, published.disclosure
    surely = None if count.value is None else at_least(count.value, k=policy.k, round_to=count.rounded_to)
    return TierFacets(facets=facets_of(told), at_least=surely)


def _next_change(session: Session) -> int:
    """Writers follow one another, so that no two take the same."""
    return max(0, session.scalar(select(func.max(EntryRow.changed))) or 0) + 1


def _set_words(session: Session, entry: int, *, members: str, public: str) -> None:
    rows = {words_row(entry, public=False): members, words_row(entry, public=True): public}
    session.execute(delete(WordsRow).where(WordsRow.id.in_(rows)))
    session.add_all(WordsRow(id=row, words=words) for row, words in rows.items() if words)
    session.flush()
