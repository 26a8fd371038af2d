"""Commands for requests for participation: who asks for this site's data sets, and a person's answer; nothing leaves by itself."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myofed_node.commands.console import JsonOption, SiteOption, reporting
from myofed_schemas.clock import system_now
from myofed_schemas.negotiation import Answer

if TYPE_CHECKING:
    from myofed_node.negotiation_desk import NegotiationDesk, RequestShown
    from myofed_schemas.duo import ResearchPurpose

RequestArgument = Annotated[
    str, typer.Argument(metavar="REQUEST", help="A request's id, as `requests list` shows it.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    requests = typer.Typer(
        help="Requests for participation: asked from this site's cards.", no_args_is_help=True, rich_markup_mode=None
    )
    request = "ask-202611301612000a1b2c3d --site /srv/myofed"
    requests.command("list", epilog="Example: myofed-node requests list --site /srv/myofed")(list_requests)
    requests.command("show", epilog=f"Example: myofed-node requests show {request}")(show_request)
    requests.command(
        "answer", epilog=f"Example: myofed-node requests answer {request} --say question --text 'How many rounds?'"
    )(answer)
    app.add_typer(requests, name="requests")


def list_requests(site: SiteOption, as_json: JsonOption = False) -> None:
    """List who asked for this site's data sets, and where each request stands."""
    with reporting(as_json=as_json) as console:
        found = _desk(site).list()
        lines = [
            f"{r.negotiation_id} {r.study_id} for {r.dataset}, by {r.asked_by}: {r.state}"
            f"{'' if r.sent else ', an answer is NOT sent yet'}"
            for r in found.requests
        ]
        console.result(found, lines or ["no request yet; a running node fetches new ones by itself"])


def show_request(request: RequestArgument, site: SiteOption, as_json: JsonOption = False) -> None:
    """Show what is asked, what your own terms of use say to the purpose, and the thread; nothing is sent."""
    with reporting(as_json=as_json) as console:
        shown = _desk(site).show(request)
        console.result(shown, _lines(shown))


def answer(
    request: RequestArgument,
    site: SiteOption,
    say: Annotated[
        Answer, typer.Option("--say", help="interested (binds to nothing), declined, or question.", show_default=False)
    ],
    text: Annotated[
        str, typer.Option("--text", help="One line that the asker reads; never a name, a date or a label of a subject.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Send this answer to the coordinator: it is kept, entered in the audit chain and the egress ledger, and the asker reads it."""
    with reporting(as_json=as_json) as console:
        from myofed_node.negotiation_desk import Written

        shown = _desk(site).answer(request, Written(say, text), by=getpass.getuser(), now=system_now())
        console.result(shown, _lines(shown))


def _desk(site: Path) -> NegotiationDesk:
    from myofed_node.coordinator_api import CoordinatorApi
    from myofed_node.federation.egress_client import EgressClient
    from myofed_node.negotiation_desk import NegotiationDesk
    from myofed_node.site_setup import open_site

    opened = open_site(site)
    return NegotiationDesk(opened, CoordinatorApi(EgressClient(opened.folder)))


def _lines(shown: RequestShown) -> Iterator[str]:
    request, thread = shown.thread.signed.request, shown.thread
    yield f"{request.negotiation_id}: study {request.study_id} asks for {request.dataset} (card {request.card_version})"
    yield f"  by {request.asked_by} on {request.asked_at}: {request.message}"
    yield f"  purpose: {', '.join(_purpose(request.purpose))}"
    for term in shown.own_match.terms:
        yield f"  your term {term.term}: {term.verdict}"
    yield f"  your terms of use say: {shown.own_match.verdict}; the coordinator's copy of the card: {thread.match.verdict}"
    for message in thread.messages:
        yield f"  {message.number}. {message.sender} on {message.at}, {message.kind}: {message.text or '-'}"
    yield f"  {thread.state}"
    if shown.unsent is not None:
        yield f"  NOT sent yet, call it again: {shown.unsent.answer}: {shown.unsent.text or '-'}"


def _purpose(purpose: ResearchPurpose) -> Iterator[str]:
    flags = ("health", "methods", "ancestry", "genetic", "care", "commercial", "for_profit")
    yield from (flag.replace("_", " ") for flag in flags if getattr(purpose, flag))
    yield f"diseases {' '.join(purpose.diseases) or 'none in particular'}"
    if purpose.accepts:
        yield f"accepts {' '.join(purpose.accepts)}"
