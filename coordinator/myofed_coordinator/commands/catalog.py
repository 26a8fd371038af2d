"""`catalog query|facets|count|queries|export`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from myofed_coordinator.catalog.dcat_terms import Format
from myofed_coordinator.catalog.feasibility import Asker
from myofed_coordinator.catalog.service import CatalogQuery
from myofed_coordinator.commands.frame import HomeOption, JsonOption, actor, new_group, opened, show, usage
from myofed_coordinator.services import Services
from myofed_schemas.catalog import DatasetCard
from myofed_schemas.catalog_search import CardChoice, CountAnswer, CountQuestion, FacetAnswer, FacetName
from myofed_schemas.clock import system_now
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically

catalog = new_group("The catalog of the sites' dataset cards.")
SHOWN = 12
"""Values of a facet that are named where one is not known."""
DEMO = "DEMO POLICY: synthetic patients only; limits on counts are lowered"
ChoiceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--choose", help="A facet's value, e.g. region=thigh; repeatable, one facet's values are joined by OR."
    ),
]
TextOption = Annotated[
    str | None, typer.Option("--text", help="Words of title, diagnoses, muscles, vendors, sequences.")
]


@catalog.command()
def query(
    home: HomeOption,
    muscle: Annotated[str | None, typer.Option(help="Its label maps name this muscle, e.g. VL.")] = None,
    suffix: Annotated[str | None, typer.Option(help="It has series of this kind, e.g. MESE.")] = None,
    vendor: Annotated[str | None, typer.Option(help="Scanner vendor, e.g. Siemens.")] = None,
    region: Annotated[str | None, typer.Option(help="Body region, e.g. thigh.")] = None,
    diagnosis: Annotated[str | None, typer.Option(help="ORPHA code, e.g. ORPHA:269.")] = None,
    json: JsonOption = False,
) -> None:
    """Finds dataset cards; counts are as the hospitals suppressed and rounded them.

    Example: myofed-coordinator catalog query --muscle VL --vendor Siemens --home /srv/myofed
    """
    asked: dict[FacetName, str | None] = {
        "muscle": muscle,
        "suffix": suffix,
        "vendor": vendor,
        "region": region,
        "diagnosis": diagnosis,
    }
    question = CatalogQuery(muscle=muscle, suffix=suffix, vendor=vendor, region=region, diagnosis=diagnosis)
    with opened(home) as services:
        answer = services.catalog.query(question)
        unknown = _unknown(services, [(facet, value) for facet, value in asked.items() if value is not None])
    total = (
        f"{len(answer.cards)} cards, at least {answer.subjects_at_least} subjects; {answer.withheld} counts withheld"
    )
    warning = [DEMO] if any(card.disclosure.demo for card in answer.cards) else []
    lines = [*(_card_line(card) for card in answer.cards), total, *unknown, *warning]
    show(answer, lines=lines, as_json=json)


@catalog.command()
def facets(home: HomeOption, choose: ChoiceOption = None, text: TextOption = None, json: JsonOption = False) -> None:
    """Shows what the cards that match have: by value the cards, and how many subjects they surely tell.

    Example: myofed-coordinator catalog facets --choose region=thigh --text FSHD --home /srv/myofed
    """
    choice = _choice(choose, text)
    with opened(home) as services:
        answer = services.catalog_reading.search.facets(choice)
        unknown = _unknown(services, [(each.facet, each.value) for each in choice.choices])
    show(answer, lines=[*_facet_lines(answer), *unknown], as_json=json)


@catalog.command()
def count(
    home: HomeOption,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="A condition on subjects, e.g. diagnosis=ORPHA:269; at most three."),
    ] = None,
    choose: ChoiceOption = None,
    text: TextOption = None,
    json: JsonOption = False,
) -> None:
    """Counts subjects by the hospitals' protected cubes: how many, where. Logged, and within the budget, as over the API.

    Example: myofed-coordinator catalog count --where diagnosis=ORPHA:269 --choose region=thigh --home /srv/myofed
    """
    try:
        filters = [dict(zip(("dimension", "value"), pair, strict=True)) for pair in _pairs(where)]
        question = CountQuestion.model_validate({"cards": _choice(choose, text), "filters": filters})
    except ValidationError as error:
        raise usage(error) from error
    with opened(home) as services:
        answer = services.catalog_reading.feasibility.ask(question, asker=Asker(actor(), system_now()))
        unknown = _unknown(services, [(each.facet, each.value) for each in question.cards.choices])
    show(answer, lines=[*_count_lines(answer), *unknown], as_json=json)


@catalog.command()
def queries(
    home: HomeOption,
    page: Annotated[int, typer.Option(min=1, help="Page of the log, newest first.")] = 1,
    json: JsonOption = False,
) -> None:
    """Shows who asked which count question, when; what was answered is not kept.

    Example: myofed-coordinator catalog queries --home /srv/myofed
    """
    with opened(home) as services:
        found = services.catalog_reading.log.page(page)
    lines = [
        f"{entry.asked_at} {entry.account}{' REFUSED' if entry.refused else ''}: {_asked(entry.question)}"
        for entry in found.entries
    ]
    show(found, lines=[*lines, f"{found.total} in all"], as_json=json)


@catalog.command()
def export(
    out: Annotated[Path, typer.Option("--out", help="The document goes here.", show_default=False)],
    home: HomeOption,
    form: Annotated[Format, typer.Option("--format", help="Turtle or JSON-LD.")] = "ttl",
    public: Annotated[bool, typer.Option("--public", help="Only what everybody may see.")] = False,
    json: JsonOption = False,
) -> None:
    """Writes the whole catalog as DCAT-AP 3.0.1 with terms of HealthDCAT-AP.

    Example: myofed-coordinator catalog export --format jsonld --out catalog.jsonld --home /srv/myofed
    """
    from myofed_coordinator.catalog.dcat import catalog_document

    with opened(home) as services:
        reading = services.catalog_reading
        cards = reading.search.every(public=public)
        write_atomically(out, catalog_document(cards, reading.place, form=form), mode=0o644)
    show({"path": str(out), "datasets": len(cards)}, lines=[f"Written: {len(cards)} data sets"], as_json=json)


def _pairs(named: list[str] | None) -> Iterator[tuple[str, str]]:
    for each in named or ():
        name, mark, value = each.partition("=")
        if not mark:
            raise MyofedError("USAGE", "expected NAME=VALUE", hint="see --help", exit_code=ExitCode.USAGE)
        yield name, value


def _choice(choose: list[str] | None, text: str | None) -> CardChoice:
    choices = [{"facet": facet, "value": value} for facet, value in _pairs(choose)]
    try:
        return CardChoice.model_validate({"choices": choices, "text": text})
    except ValidationError as error:
        raise usage(error) from error


def _unknown(services: Services, pairs: Sequence[tuple[FacetName, str]]) -> Iterator[str]:
    """A line for each value that no card has at all, perhaps a slip, with those that there are."""
    if not pairs:
        return
    every = services.catalog_reading.search.facets(CardChoice()).facets
    known = {facet.facet: [each.value for each in facet.values] for facet in every}
    for facet, value in pairs:
        if value not in known.get(facet, ()):
            some = ", ".join(known.get(facet, ())[:SHOWN]) or "none yet"
            yield f"No card has {facet} {value}; values of {facet}: {some}"


def _facet_lines(answer: FacetAnswer) -> Iterator[str]:
    yield f"{answer.cards} cards, at least {answer.subjects_at_least} subjects; {answer.withheld} counts withheld"
    for facet in answer.facets:
        yield facet.facet
        for value in facet.values:
            name = "" if value.name == value.value else f" ({value.name})"
            yield f"  {value.value}{name}: {value.cards} cards, at least {value.subjects_at_least}, {value.withheld} withheld"


def _count_lines(answer: CountAnswer) -> Iterator[str]:
    for each in answer.datasets:
        told = str(each.subjects) if each.outcome == "told" else each.outcome
        yield f"{each.site:<24} {each.dataset:<24} {told}"
    if answer.not_listed:
        yield f"... and {answer.not_listed} data sets"
    yield (
        f"At least {answer.subjects_at_least} subjects at {answer.sites} sites; {answer.withheld} data sets withhold "
        f"the count, {answer.no_cube} publish none"
    )


def _asked(question: CountQuestion) -> str:
    parts = [f"{choice.facet}={choice.value}" for choice in question.cards.choices]
    parts += [f"{each.dimension}={each.value}" for each in question.filters]
    return " ".join([*parts, *([f"text {question.cards.text!r}"] if question.cards.text else [])]) or "everything"


def _card_line(card: DatasetCard) -> str:
    count = "withheld" if card.subjects.value is None else f"{card.subjects.value} subjects"
    return f"{card.site:<24} {card.title:<32} {card.region:<10} {'/'.join(card.suffixes):<16} {count}"
