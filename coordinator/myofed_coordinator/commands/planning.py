"""`planning ask|list|show|propose`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from myofed_coordinator.commands.frame import HomeOption, JsonOption, actor, dumped, new_group, opened, show
from myofed_coordinator.planning.draft import draft_yaml
from myofed_coordinator.planning.proposal import Proposal
from myofed_coordinator.planning.service import Question
from myofed_coordinator.planning.summary import QueryDetail, QuerySummary, detail, summarise
from myofed_schemas.clock import system_now
from myofed_schemas.files import write_atomically
from myofed_schemas.planning import Fingerprint

planning = new_group("Planning: what sites tell of their images before a study is written.")
QueryArgument = Annotated[
    str, typer.Argument(help="The query's id, e.g. plan-202611301612000a1b2c3d.", show_default=False)
]
TOLD = ("spacing_mm", "slice_mm", "size_px", "thigh_mm", "intensity_50", "intensity_spread")


@planning.command()
def ask(
    home: HomeOption,
    study: Annotated[str, typer.Option(help="Id of the study that is being planned.", show_default=False)],
    title: Annotated[str, typer.Option(help="Its title.", show_default=False)],
    purpose: Annotated[str, typer.Option(help="Why you ask: people at the sites read it.", show_default=False)],
    sites: Annotated[str, typer.Option(help="Who is asked, e.g. hospital-a,hospital-b.", show_default=False)],
    muscles: Annotated[str, typer.Option(help="What the study is to outline, e.g. VL,RF.", show_default=False)],
    min_answers: Annotated[
        int | None, typer.Option(min=1, help="Nothing is proposed from fewer; all sites where not given.")
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="About synthetic patients only.")] = False,
    json: JsonOption = False,
) -> None:
    """Asks sites for a suppressed fingerprint of their labelled images; a person of each site answers or declines.

    Example: myofed-coordinator planning ask --study thigh-muscles --title 'Two thigh muscles' --purpose 'Follow-up of weakness' --sites hospital-a,hospital-b --muscles VL,RF --home /srv/myofed
    """
    question = Question(study, title, purpose, _split(sites), _split(muscles), min_answers, demo)
    with opened(home) as services:
        signed = services.planning.ask(question, actor=actor(), now=system_now())
    show(signed, lines=[f"{signed.query.query_id} asks {', '.join(signed.query.sites)}."], as_json=json)


@planning.command("list")
def list_queries(home: HomeOption, json: JsonOption = False) -> None:
    """Shows every planning query.

    Example: myofed-coordinator planning list --home /srv/myofed
    """
    with opened(home) as services:
        found = [summarise(overview) for overview in services.planning.list_queries()]
    show({"queries": dumped(found)}, lines=[_line(query) for query in found] or ["No query yet."], as_json=json)


@planning.command("show")
def show_query(query: QueryArgument, home: HomeOption, json: JsonOption = False) -> None:
    """Shows one query, what sites answered, and who is missing.

    Example: myofed-coordinator planning show plan-202611301612000a1b2c3d --home /srv/myofed
    """
    with opened(home) as services:
        found = detail(services.planning.show(query))
    show(found, lines=list(_detail_lines(found)), as_json=json)


@planning.command("propose")
def propose_study(
    query: QueryArgument,
    home: HomeOption,
    out: Annotated[Path | None, typer.Option("--out", help="A draft of the study goes here (YAML).")] = None,
    json: JsonOption = False,
) -> None:
    """Proposes spacing, size, normalisation and depth from the answers, and writes a draft of the study.

    Example: myofed-coordinator planning propose plan-202611301612000a1b2c3d --out thigh.yaml --home /srv/myofed
    """
    with opened(home) as services:
        proposal = services.planning.propose(query)
    if out is not None:
        write_atomically(out, draft_yaml(proposal), mode=0o644)
    show(proposal, lines=list(_proposal_lines(proposal)), as_json=json)


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _line(query: QuerySummary) -> str:
    told = sum(state == "told" for state in query.states.values())
    waits = ", ".join(site for site, state in query.states.items() if state == "open")
    head = f"{query.query_id} {query.study_id}: {told} of {len(query.states)} told, {query.min_answers} needed"
    return f"{head}; waits for {waits}" if waits else head


def _detail_lines(query: QueryDetail) -> Iterator[str]:
    yield _line(query)
    yield f"  muscles {', '.join(query.query.muscles)}"
    told = {answer.site: answer.fingerprint for answer in query.answers}
    for site, state in query.states.items():
        yield f"  {site}: {state}"
        found = told.get(site)
        if found is not None:
            yield from _told_lines(found)


def _told_lines(found: Fingerprint) -> Iterator[str]:
    count = "withheld" if found.subjects.value is None else str(found.subjects.value)
    yield f"    subjects {count} (k {found.policy.k}); channels {', '.join(found.channels) or 'withheld'}"
    for name in TOLD:
        told = ", ".join(f"{p.percent} %: {p.value:g}" for p in getattr(found, name))
        yield f"    {name} {told or 'withheld'}"
    yield f"    structures {', '.join(found.structures) or 'withheld'}"


def _proposal_lines(proposal: Proposal) -> Iterator[str]:
    planning_, plan = proposal.planning, proposal.plan
    yield f"From {', '.join(plan.sites)}: {planning_.spacing_mm:g} mm, {planning_.size_px[0]} x {planning_.size_px[1]} px,"
    yield f"  normalisation {planning_.normalisation}, {planning_.levels} levels of {', '.join(map(str, plan.network_channels))} channels."
    if proposal.left_out:
        yield f"  Not drawn singly at every one of these sites, left out of the draft: {', '.join(proposal.left_out)}."
