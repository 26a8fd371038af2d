"""How many, where: the counts that hospitals published, by data set, with what was withheld said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from pydantic import ValidationError
from sqlalchemy import select

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.catalog.cube_cells import conditions
from myofed_coordinator.catalog.feasibility import Asker
from myofed_coordinator.catalog.models import CubeKeyRow
from myofed_coordinator.catalog.names import name_of
from myofed_coordinator.database import Database
from myofed_coordinator.services import Services
from myofed_coordinator.web.catalog_page import FACET_WORDS
from myofed_coordinator.web.forms import Form, form_of
from myofed_coordinator.web.render import Asked, Renderer
from myofed_schemas.catalog_search import CardChoice, CountAnswer, CountQuestion
from myofed_schemas.cube import MAX_FILTERS
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

AT = "/feasibility"
ASKED_FACETS = ("region", "diagnosis", "site", "vendor")
"""Facets by which the form narrows the data sets; the catalog's page has all."""
Counter = Annotated[Person, Depends(gate.page(Permission.ASK_COUNTS))]
Posted = Annotated[Form, Depends(form_of)]


@dataclass(frozen=True)
class Option:
    """One entry of a list to choose from."""

    value: str
    name: str
    chosen: bool = False


@dataclass(frozen=True)
class ListField:
    """A list to choose one of."""

    field: str
    title: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class FeasibilityView:
    """The question as a form, and its answer once it was asked.

    Attributes:
        facets: Which data sets.
        conditions: What a subject must be, up to three.
        answer: None before the first question.
    """

    facets: tuple[ListField, ...]
    conditions: tuple[ListField, ...]
    answer: CountAnswer | None = None


def add_feasibility(
    router: APIRouter, renderer: Renderer, services: Services, *, clock: Callable[[], datetime]
) -> None:
    """The router serves the page of count questions."""
    reading = services.catalog_reading

    @router.get("/feasibility")
    def ask(request: Request, person: Counter) -> HTMLResponse:
        return renderer.page(Asked(request, person), "feasibility.html", at=AT, view=feasibility_view(services, Form()))

    @router.post("/feasibility")
    def answer(request: Request, form: Posted, person: Counter) -> HTMLResponse:
        told = reading.feasibility.ask(question_of(form), asker=Asker(person.account, clock()))
        view = feasibility_view(services, form, told)
        return renderer.page(Asked(request, person), "feasibility.html", at=AT, view=view)


def feasibility_view(services: Services, form: Form, answer: CountAnswer | None = None) -> FeasibilityView:
    """The form as it was filled in, and the answer."""
    facets = {facet.facet: facet.values for facet in services.catalog_reading.search.facets(CardChoice()).facets}
    chosen = tuple(
        _field(f"condition_{n}", f"Condition {n}", form, known_conditions(services.database)) for n in (1, 2, 3)
    )
    return FeasibilityView(
        facets=tuple(
            _field(facet, FACET_WORDS[facet], form, [(value.value, value.name) for value in facets[facet]])
            for facet in ASKED_FACETS
            if facet in facets
        ),
        conditions=chosen,
        answer=answer,
    )


def known_conditions(database: Database) -> list[tuple[str, str]]:
    """Every single condition that some cube counts by, as `dimension=value` with its name."""
    statement = select(CubeKeyRow.at).where(CubeKeyRow.at.not_like("%|%")).order_by(CubeKeyRow.at)
    with database.read() as session:
        keys = session.scalars(statement).all()
    found = []
    for key in keys:
        (one,) = conditions(key)
        found.append((key, f"{one.dimension}: {name_of(one.value)}"))
    return found


def question_of(form: Form) -> CountQuestion:
    """What the form asks.

    Raises:
        MyofedError: QUESTION_FORM.
    """
    choices = [{"facet": facet, "value": form.text(facet)} for facet in ASKED_FACETS if form.text(facet)]
    keys = dict.fromkeys(form.text(f"condition_{n}") for n in range(1, MAX_FILTERS + 1))
    parts = [key.partition("=") for key in keys if key]
    filters = [{"dimension": dimension, "value": value} for dimension, _, value in parts]
    try:
        return CountQuestion.model_validate({"cards": {"choices": choices}, "filters": filters})
    except ValidationError as error:
        raise MyofedError(
            "QUESTION_FORM",
            "expected at most three conditions, and of a dimension that a subject has once at most one",
            hint="choose two different dimensions; only sequences may stand twice",
            exit_code=ExitCode.BAD_INPUT,
        ) from error


def _field(field: str, title: str, form: Form, values: list[tuple[str, str]]) -> ListField:
    return ListField(field, title, tuple(Option(value, name, form.text(field) == value) for value, name in values))
