"""The catalog: facets with what each would leave, pages of cards, one card with its counts and its export."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Annotated, cast
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.catalog.feasibility import Asker
from myofed_coordinator.catalog.names import name_of
from myofed_coordinator.catalog.query_parameters import CardsWanted, PathDataset, PathSite
from myofed_coordinator.catalog.search import CatalogSearch
from myofed_coordinator.services import Services
from myofed_coordinator.web.render import Asked, Renderer
from myofed_schemas.catalog import DatasetCard
from myofed_schemas.catalog_search import CardCounts, CardPage, CardShown, Facet, FacetCount
from myofed_schemas.cube import CubeCell
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

AT = "/catalog"
VALUES_SHOWN = 8
BAR_PX = 120
"""Length of the longest bar of a chart."""
Seer = Annotated[Person, Depends(gate.page(Permission.SEE_CATALOG))]
Counter = Annotated[Person, Depends(gate.page(Permission.ASK_COUNTS))]

FACET_WORDS = {
    "site": "Site",
    "region": "Body region",
    "diagnosis": "Diagnosis",
    "phenotype": "Phenotype",
    "sequence": "Sequence",
    "suffix": "Series",
    "vendor": "Scanner",
    "field-strength": "Field strength",
    "muscle": "Muscle with labels",
    "label-origin": "Labels made",
    "conformity": "Protocol",
    "follow-up": "Follow-up",
    "use-terms": "Terms of use",
}
"""What people call a facet."""


@dataclass(frozen=True)
class FacetValueView:
    """One box of a facet: its bar is as long as its share of the facet's largest number of cards."""

    value: str
    name: str
    cards: int
    ticked: bool
    bar_px: int

    @property
    def slug(self) -> str:
        """The value as a part of an element's id."""
        return "".join(c if c.isalnum() else "-" for c in self.value)


@dataclass(frozen=True)
class FacetView:
    """One facet: the first values at once, the rest when asked for."""

    field: str
    title: str
    first: tuple[FacetValueView, ...]
    more: tuple[FacetValueView, ...]

    @property
    def chosen(self) -> int:
        """How many of its values are chosen."""
        return sum(value.ticked for value in (*self.first, *self.more))

    @property
    def needs_more(self) -> bool:
        """One of the later values is chosen, and must be in sight."""
        return any(value.ticked for value in self.more)


@dataclass(frozen=True)
class CatalogView:
    """The catalog as it was asked for.

    Attributes:
        wanted: What the address says.
        facets: Those that the cards have.
        cards: One page.
        newer, older: Addresses of the neighbouring pages; empty where there is none.
    """

    wanted: CardsWanted
    facets: tuple[FacetView, ...]
    cards: CardPage
    newer: str
    older: str

    @property
    def say(self) -> str:
        """What a screen reader hears when the choice changes."""
        return f"{self.cards.total} data sets, at least {self.cards.subjects_at_least} subjects"


@dataclass(frozen=True)
class Bar:
    """One published count; `px` is its bar."""

    value: str
    name: str
    count: int
    px: int


@dataclass(frozen=True)
class Chart:
    """The published counts of one dimension."""

    dimension: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class CardView:
    """One card.

    Attributes:
        shown: The card and how its counts are protected.
        counts: Its counts by one condition, once they were asked for.
        charts: The same, drawn.
    """

    shown: CardShown
    counts: CardCounts | None = None
    charts: tuple[Chart, ...] = ()

    @property
    def card(self) -> DatasetCard:
        """The current version."""
        return self.shown.card

    @property
    def address(self) -> str:
        """Of this page."""
        return f"{AT}/{self.card.site}/{self.card.dataset}"


def add_catalog(router: APIRouter, renderer: Renderer, services: Services, *, clock: Callable[[], datetime]) -> None:
    """The router serves the pages of the catalog."""
    reading = services.catalog_reading

    @router.get("/catalog")
    def cards(request: Request, person: Seer) -> HTMLResponse:
        view = catalog_view(reading.search, wanted_of(request.query_params.multi_items()))
        return renderer.page(Asked(request, person), "catalog.html", at=AT, view=view)

    @router.get("/catalog/{site}/{dataset}")
    def card(site: PathSite, dataset: PathDataset, request: Request, person: Seer) -> HTMLResponse:
        view = CardView(reading.search.card(site, dataset))
        return renderer.page(Asked(request, person), "card.html", at=AT, view=view)

    @router.get("/catalog/{site}/{dataset}/counts")
    def counts(site: PathSite, dataset: PathDataset, request: Request, person: Counter) -> HTMLResponse:
        shown = reading.search.card(site, dataset)
        told = reading.feasibility.counts(site, dataset, asker=Asker(person.account, clock()))
        return renderer.page(Asked(request, person), "card.html", at=AT, view=CardView(shown, told, charts_of(told)))


def wanted_of(parameters: Iterable[tuple[str, str]]) -> CardsWanted:
    """What the address asks; a field of the form that was left empty asks nothing.

    Raises:
        MyofedError: MALFORMED.
    """
    single = {"text", "sort", "page", "per_page"}
    given: dict[str, object] = {}
    for name, value in parameters:
        if value and name in single:
            given[name] = value
        elif value:
            given[name] = (*cast("tuple[str, ...]", given.get(name, ())), value)
    try:
        return CardsWanted.model_validate(given)
    except ValidationError as error:
        raise MyofedError(
            "MALFORMED", "expected an address of the catalog, found another parameter", exit_code=ExitCode.BAD_INPUT
        ) from error


def catalog_view(search: CatalogSearch, wanted: CardsWanted) -> CatalogView:
    """Facets and cards for what the address asks."""
    choice = wanted.choice()
    chosen = {(str(each.facet), each.value) for each in choice.choices}
    page = search.page(choice, wanted.wanted())
    has_next = page.page * page.per_page < page.total
    return CatalogView(
        wanted=wanted,
        facets=tuple(_facet(facet, chosen) for facet in search.facets(choice).facets),
        cards=page,
        newer=_address(wanted, page.page - 1) if page.page > 1 else "",
        older=_address(wanted, page.page + 1) if has_next else "",
    )


def charts_of(counts: CardCounts) -> tuple[Chart, ...]:
    """The counts by dimension, each with bars up to its own largest one."""
    charts = []
    for dimension, cells in groupby(counts.cells, key=lambda cell: cell.at[0].dimension):
        charts.append(_chart(dimension, tuple(cells)))
    return tuple(charts)


def _chart(dimension: str, cells: tuple[CubeCell, ...]) -> Chart:
    most = max(cell.count for cell in cells) or 1
    bars = (
        Bar(cell.at[0].value, name_of(cell.at[0].value), cell.count, cell.count * BAR_PX // most)
        for cell in sorted(cells, key=lambda cell: -cell.count)
    )
    return Chart(dimension, tuple(bars))


def _facet(facet: Facet, chosen: set[tuple[str, str]]) -> FacetView:
    most = max((value.cards for value in facet.values), default=1) or 1
    values = [_value(facet.facet, value, chosen, most=most) for value in facet.values]
    field = facet.facet.replace("-", "_")
    return FacetView(field, FACET_WORDS[facet.facet], tuple(values[:VALUES_SHOWN]), tuple(values[VALUES_SHOWN:]))


def _value(facet: str, value: FacetCount, chosen: set[tuple[str, str]], *, most: int) -> FacetValueView:
    return FacetValueView(
        value.value, value.name, value.cards, (facet, value.value) in chosen, value.cards * BAR_PX // most
    )


def _address(wanted: CardsWanted, page: int) -> str:
    named = wanted.model_dump(mode="json", exclude_defaults=True, exclude_none=True) | {"page": page}
    return f"{AT}?{urlencode(named, doseq=True)}"
