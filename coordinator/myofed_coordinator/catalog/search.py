"""Searching the catalog: facets with what they hold, pages of cards, one card, its counts; for members and for everybody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from myofed_coordinator.catalog.catalog_index import CatalogIndex, Found, Place, Tier
from myofed_coordinator.catalog.cube_cells import current_cube, single_cells
from myofed_coordinator.catalog.entries import EntryDocument
from myofed_coordinator.catalog.models import CardRow, EntryRow
from myofed_coordinator.catalog.names import name_of
from myofed_coordinator.catalog.public import guaranteed
from myofed_coordinator.catalog.service import cards_of, unknown_card
from myofed_coordinator.database import Database
from myofed_coordinator.enrolment.models import SiteRow
from myofed_schemas.catalog import DatasetCard
from myofed_schemas.catalog_search import (
    CardChoice,
    CardCounts,
    CardPage,
    CardShown,
    Facet,
    FacetAnswer,
    FacetCount,
    FacetName,
    SortKey,
)

FACETS: tuple[FacetName, ...] = get_args(FacetName)


@dataclass(frozen=True)
class PageWanted:
    """Which page of the cards.

    Attributes:
        number: From 1.
        size: Cards on it.
        sort: Their order; ties by site and name.
    """

    number: int = 1
    size: int = 20
    sort: SortKey = "site"


class CatalogSearch:
    """The questions; nothing is written."""

    def __init__(self, database: Database, index: CatalogIndex) -> None:
        self._database = database
        self.index = index

    def facets(self, choice: CardChoice, *, public: bool = False) -> FacetAnswer:
        """How many cards match, and what each further choice would leave."""
        with self._database.look() as session:
            found = self.index.find(session, choice, public=public)
        tier = found.snapshot.tier(public=public)
        total = tier.count(found.cards())
        facets = (Facet(facet=facet, values=_values(facet, tier, found.cards(but=facet))) for facet in FACETS)
        return FacetAnswer(
            cards=total.cards,
            subjects_at_least=total.subjects_at_least,
            withheld=total.withheld,
            facets=tuple(facet for facet in facets if facet.values),
        )

    def page(self, choice: CardChoice, wanted: PageWanted, *, public: bool = False) -> CardPage:
        """One page of the cards that match."""
        with self._database.look() as session:
            found = self.index.find(session, choice, public=public)
            first = (wanted.number - 1) * wanted.size
            places = list(islice(_in_order(found, wanted.sort, public=public), first, first + wanted.size))
            cards = _public_cards(session, places) if public else _cards(session, places)
        total = found.snapshot.tier(public=public).count(found.cards())
        return CardPage(
            total=total.cards,
            page=wanted.number,
            per_page=wanted.size,
            subjects_at_least=total.subjects_at_least,
            withheld=total.withheld,
            cards=cards,
        )

    def every(self, *, public: bool = False) -> list[CardShown]:
        """All current cards of approved sites, by site and name."""
        with self._database.look() as session:
            found = self.index.find(session, CardChoice(), public=public)
            places = list(found.snapshot.in_order(found.cards(), "site"))
            cards = _public_cards(session, places) if public else _cards(session, places)
        documents = {(place.site, place.dataset): place.document for place in places}
        return [
            CardShown(card=card, published_at=document.published_at)
            for card in cards
            if (document := documents[card.site, card.dataset]) is not None
        ]

    def card(self, site: str, dataset: str, *, public: bool = False) -> CardShown:
        """The current card of this data set.

        Raises:
            MyofedError: CARD_UNKNOWN, also where it was withdrawn or its site is not approved.
        """
        with self._database.look() as session:
            entry, document = _entry(session, site, dataset)
        facts = EntryDocument.model_validate_json(entry.document)
        return CardShown(
            card=DatasetCard.model_validate_json(entry.public if public else document),
            published_at=facts.published_at,
            policy=facts.cube.policy if facts.cube else None,
            cube_version=facts.cube.version if facts.cube else None,
        )

    def counts(self, site: str, dataset: str, *, public: bool = False) -> CardCounts:
        """The cells of one condition of its cube; for everybody those that are surely at least `public_k`.

        Raises:
            MyofedError: CARD_UNKNOWN, also where it has no cube.
        """
        with self._database.look() as session:
            entry, _ = _entry(session, site, dataset)
            cube = current_cube(session, site, dataset)
            if cube is None:
                raise unknown_card()
            cells = single_cells(session, entry.id)
        told = self.card(site, dataset, public=True).card.subjects.value if public else cube.subjects
        return CardCounts(
            site=site,
            dataset=dataset,
            cube_version=cube.version,
            policy=cube.policy,
            subjects=told,
            cells=tuple(cell for cell in cells if not public or guaranteed(cell, cube.policy)),
        )


def _values(facet: FacetName, tier: Tier, cards: int) -> tuple[FacetCount, ...]:
    """Values that some of these cards have, most cards first."""
    found = []
    for value, mask in tier.masks.get(facet, {}).items():
        if cards & mask:
            counted = tier.count(cards & mask)
            found.append((value, counted))
    found.sort(key=lambda item: (-item[1].cards, item[0]))
    return tuple(
        FacetCount(
            value=value,
            name=name_of(value),
            cards=counted.cards,
            subjects_at_least=counted.subjects_at_least,
            withheld=counted.withheld,
        )
        for value, counted in found
    )


def _in_order(found: Found, sort: SortKey, *, public: bool) -> Iterable[Place]:
    """For everybody never by number of subjects: the order would tell what is withheld from them."""
    return found.snapshot.in_order(found.cards(), "site" if public and sort == "subjects" else sort)


def _cards(session: Session, places: Sequence[Place]) -> tuple[DatasetCard, ...]:
    return cards_of(session, [place.card for place in places if place.card is not None])


def _public_cards(session: Session, places: Sequence[Place]) -> tuple[DatasetCard, ...]:
    ids = [place.entry for place in places]
    rows = session.execute(select(EntryRow.id, EntryRow.public).where(EntryRow.id.in_(ids), EntryRow.card.is_not(None)))
    documents = dict(rows.all())
    return tuple(DatasetCard.model_validate_json(documents[entry]) for entry in ids if entry in documents)


def _entry(session: Session, site: str, dataset: str) -> tuple[EntryRow, str]:
    """The row of this data set, and its current card's document."""
    found = session.execute(
        select(EntryRow, CardRow.document)
        .join(SiteRow, SiteRow.site == EntryRow.site)
        .join(CardRow, CardRow.id == EntryRow.card)
        .where(EntryRow.site == site, EntryRow.dataset == dataset, SiteRow.state == "approved")
    ).first()
    if found is None:
        raise unknown_card()
    entry, document = found
    return entry, document
