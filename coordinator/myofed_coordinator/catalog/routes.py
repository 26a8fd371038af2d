"""HTTP of the catalog: for people who are signed in, and below `/public` for everybody where that is set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Response

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.catalog.dcat_terms import MEDIA_TYPES, Format
from myofed_coordinator.catalog.feasibility import Asker
from myofed_coordinator.catalog.query_parameters import CardsWanted, ChoiceWanted, PathDataset, PathSite
from myofed_coordinator.catalog.reading import CatalogReading
from myofed_coordinator.catalog.route_examples import COUNT_EXAMPLES, RDF_ANSWERS
from myofed_coordinator.catalog.service import CatalogQuery
from myofed_schemas.catalog import CatalogAnswer
from myofed_schemas.catalog_search import (
    AskedCounts,
    CardCounts,
    CardPage,
    CardShown,
    CountAnswer,
    CountQuestion,
    FacetAnswer,
)

Facet = Annotated[str | None, Query(max_length=48)]
Counter = Annotated[Person, Depends(gate.require(Permission.ASK_COUNTS))]
Choice = Annotated[ChoiceWanted, Query()]
Wanted = Annotated[CardsWanted, Query()]
Question = Annotated[CountQuestion, Body(openapi_examples=COUNT_EXAMPLES)]
LogPage = Annotated[int, Query(ge=1, le=100_000, examples=[1])]


def catalog_router(reading: CatalogReading, *, clock: Callable[[], datetime]) -> APIRouter:
    """Everything below `/catalog`, and below `/public/catalog` where everybody may read."""
    router = APIRouter(tags=["catalog"])
    router.include_router(_first_query(reading))
    router.include_router(_cards(reading, public=False), prefix="/catalog")
    router.include_router(_counting(reading, clock=clock), prefix="/catalog")
    if reading.public:
        router.include_router(_cards(reading, public=True), prefix="/public/catalog")
    return router


def _first_query(reading: CatalogReading) -> APIRouter:
    router = APIRouter(dependencies=[Depends(gate.require(Permission.SEE_CATALOG))])

    @router.get("/catalog")
    def query(
        *,
        muscle: Facet = None,
        suffix: Facet = None,
        vendor: Facet = None,
        region: Facet = None,
        diagnosis: Facet = None,
    ) -> CatalogAnswer:
        """Dataset cards that match all that is given, all in one answer (up to 1000); `/catalog/cards` has pages and more facets."""
        return reading.cards.query(
            CatalogQuery(muscle=muscle, suffix=suffix, vendor=vendor, region=region, diagnosis=diagnosis)
        )

    return router


def _cards(reading: CatalogReading, *, public: bool) -> APIRouter:
    asks = gate.public if public else gate.require(Permission.SEE_CATALOG)
    router, search = APIRouter(dependencies=[Depends(asks)]), reading.search

    @router.get("/facets")
    def facets(choice: Choice) -> FacetAnswer:
        """How many cards match, and what each further choice would leave; sums are lower bounds and say what was withheld."""
        return search.facets(choice.choice(), public=public)

    @router.get("/cards")
    def cards(wanted: Wanted) -> CardPage:
        """One page of the cards that match; counts are as the sites suppressed and rounded them."""
        return search.page(wanted.choice(), wanted.wanted(), public=public)

    @router.get("/cards/{site}/{dataset}.{form}", response_class=Response, responses=RDF_ANSWERS)
    def export(site: PathSite, dataset: PathDataset, form: Format) -> Response:
        """The card as DCAT-AP 3.0.1 with terms of HealthDCAT-AP, as Turtle or JSON-LD."""
        from myofed_coordinator.catalog.dcat import dataset_document

        shown = search.card(site, dataset, public=public)
        return Response(dataset_document(shown, reading.place, form=form), media_type=MEDIA_TYPES[form])

    @router.get("/cards/{site}/{dataset}")
    def card(site: PathSite, dataset: PathDataset) -> CardShown:
        """One card, and how its counts are protected."""
        return search.card(site, dataset, public=public)

    if public:

        @router.get("/cards/{site}/{dataset}/counts")
        def public_counts(site: PathSite, dataset: PathDataset) -> CardCounts:
            """Its subjects by one condition at a time; only what surely stands for at least the site's `public_k`."""
            return search.counts(site, dataset, public=True)

    return router


def _counting(reading: CatalogReading, *, clock: Callable[[], datetime]) -> APIRouter:
    router = APIRouter()

    @router.get("/cards/{site}/{dataset}/counts")
    def counts(site: PathSite, dataset: PathDataset, person: Counter) -> CardCounts:
        """Its subjects by one condition at a time, as published; costs one question of the budget."""
        return reading.feasibility.counts(site, dataset, asker=Asker(person.account, clock()))

    @router.post("/feasibility")
    def feasibility(question: Question, person: Counter) -> CountAnswer:
        """How many subjects, where: the published count of each data set that matches, or that it is withheld.

        Each question is logged. Over the budget it is refused with 429 and `Retry-After`.
        """
        return reading.feasibility.ask(question, asker=Asker(person.account, clock()))

    @router.get("/queries", dependencies=[Depends(gate.require(Permission.SEE_AUDIT))])
    def queries(page: LogPage = 1) -> AskedCounts:
        """Who asked which count question, when; newest first. What was answered is not kept."""
        return reading.log.page(page)

    return router
