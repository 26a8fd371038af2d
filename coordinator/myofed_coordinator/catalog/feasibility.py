"""How many, where: the published cell of each data set that matches, as it stands; nothing is worked out from two of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from myofed_coordinator.catalog.budget import CountLog
from myofed_coordinator.catalog.catalog_index import Place
from myofed_coordinator.catalog.cube_cells import cells_at
from myofed_coordinator.catalog.search import CatalogSearch
from myofed_coordinator.database import Database
from myofed_schemas.catalog_search import (
    MAX_LISTED,
    CardChoice,
    CardCounts,
    CountAnswer,
    CountQuestion,
    DatasetCount,
    FacetChoice,
    cell_at_least,
)


@dataclass(frozen=True)
class Asker:
    """Who asks, and when."""

    account: str
    now: datetime


class Feasibility:
    """Answers count questions of people who are signed in, within their budget; each is logged before it is answered."""

    def __init__(self, database: Database, search: CatalogSearch, log: CountLog) -> None:
        self._database = database
        self._search = search
        self._log = log

    def ask(self, question: CountQuestion, *, asker: Asker) -> CountAnswer:
        """What every data set that matches has published of it.

        Raises:
            BudgetError: QUERY_BUDGET.
        """
        self._log.take(question, account=asker.account, now=asker.now)
        with self._database.look() as session:
            found = self._search.index.find(session, question.cards)
            places = list(found.snapshot.in_order(found.cards(), "site"))
            cells = cells_at(session, question.filters) if question.filters else None
        return _answer(question, [_count(place, cells) for place in places])

    def counts(self, site: str, dataset: str, *, asker: Asker) -> CardCounts:
        """The cells of one condition of this data set's cube, as published; one question of the budget.

        Raises:
            BudgetError: QUERY_BUDGET.
            MyofedError: CARD_UNKNOWN, also where it has no cube.
        """
        named = (FacetChoice(facet="site", value=site),)
        self._log.take(CountQuestion(cards=CardChoice(choices=named)), account=asker.account, now=asker.now)
        return self._search.counts(site, dataset)


def _count(place: Place, cells: Mapping[int, int] | None) -> DatasetCount:
    """What this data set tells; without conditions its number of subjects, as its cube says it."""
    facts = place.document
    title, cube = (facts.title, facts.cube) if facts else ("", None)
    if cube is None:
        return DatasetCount(site=place.site, dataset=place.dataset, title=title, outcome="no-cube")
    count = cube.subjects if cells is None else cells.get(place.entry)
    return DatasetCount(
        site=place.site,
        dataset=place.dataset,
        title=title,
        outcome="withheld" if count is None else "told",
        subjects=count,
        subjects_at_least=cell_at_least(count, cube.policy),
        cube_version=cube.version,
        policy=cube.policy,
    )


def _answer(question: CountQuestion, counts: list[DatasetCount]) -> CountAnswer:
    """The sum takes one data set a site, the one that surely has most: the same subjects may be in several."""
    by_site: dict[str, int] = {}
    for each in counts:
        by_site[each.site] = max(by_site.get(each.site, 0), each.subjects_at_least)
    listed = sorted(counts, key=lambda each: -1 if each.subjects is None else each.subjects, reverse=True)
    return CountAnswer(
        question=question,
        subjects_at_least=sum(by_site.values()),
        sites=sum(1 for surely in by_site.values() if surely),
        told=_number(counts, "told"),
        withheld=_number(counts, "withheld"),
        no_cube=_number(counts, "no-cube"),
        datasets=tuple(listed[:MAX_LISTED]),
        not_listed=max(0, len(listed) - MAX_LISTED),
    )


def _number(counts: Iterable[DatasetCount], outcome: str) -> int:
    return sum(each.outcome == outcome for each in counts)
