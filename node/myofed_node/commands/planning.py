"""Commands for the round before a study: what this site would tell, and a person's answer to a query; nothing leaves by itself."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myofed_node.commands.console import JsonOption, SiteOption, reporting
from myofed_schemas.clock import system_now

if TYPE_CHECKING:
    from myofed_node.planning_desk import PlanningDesk, PlanningShown
    from myofed_schemas.planning import Fingerprint

QueryArgument = Annotated[
    str, typer.Argument(metavar="QUERY", help="A query's id, as `planning list` shows it.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    app.command("fingerprint", epilog="Example: myofed-node fingerprint --site /srv/myofed --json")(fingerprint)
    planning = typer.Typer(
        help="Planning queries: asked before a study is written.", no_args_is_help=True, rich_markup_mode=None
    )
    query = "plan-202611301612000a1b2c3d --site /srv/myofed"
    planning.command("list", epilog="Example: myofed-node planning list --site /srv/myofed")(list_queries)
    planning.command("show", epilog=f"Example: myofed-node planning show {query}")(show_query)
    planning.command("answer", epilog=f"Example: myofed-node planning answer {query} --digest 6d828fa4d0ff")(answer)
    planning.command("decline", epilog=f"Example: myofed-node planning decline {query}")(decline)
    app.add_typer(planning, name="planning")


def fingerprint(site: SiteOption, as_json: JsonOption = False) -> None:
    """Show what would leave for the planning of a study: percentiles over labelled subjects, suppressed; nothing is sent."""
    with reporting(as_json=as_json) as console:
        from myofed_node.learning.fingerprint import fingerprint as take
        from myofed_node.site_setup import open_site

        opened = open_site(site)
        found = take(opened.folder.dataset, site=opened.config.site, policy=opened.config.policy.disclosure())
        console.result(found, _lines(found))


def list_queries(site: SiteOption, as_json: JsonOption = False) -> None:
    """List the planning queries that asked this site, and what was answered."""
    with reporting(as_json=as_json) as console:
        found = _desk(site).list()
        lines = [
            f"{q.query_id} {q.study_id}: {q.state}{'' if q.sent or q.state == 'waiting' else ', not sent yet'} - {q.title}"
            for q in found.queries
        ]
        console.result(found, lines or ["no query yet; a running node fetches new ones by itself"])


def show_query(query: QueryArgument, site: SiteOption, as_json: JsonOption = False) -> None:
    """Show who asks what for, and exactly what would leave if you answered now; nothing is sent. Read it before you answer."""
    with reporting(as_json=as_json) as console:
        shown = _desk(site).show(query)
        console.result(shown, _shown_lines(shown))


def answer(
    query: QueryArgument,
    site: SiteOption,
    digest: Annotated[
        str, typer.Option("--digest", help="Beginning of the digest you read; refused where the images changed since.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Send what `planning show` shows to the coordinator: once, for this query, and never again for it."""
    with reporting(as_json=as_json) as console:
        shown = _desk(site).answer(query, by=getpass.getuser(), now=system_now(), read=digest)
        console.result(shown, _shown_lines(shown))


def decline(query: QueryArgument, site: SiteOption, as_json: JsonOption = False) -> None:
    """Tell the coordinator that this site tells nothing; it learns no reason."""
    with reporting(as_json=as_json) as console:
        shown = _desk(site).decline(query, by=getpass.getuser(), now=system_now())
        console.result(shown, _shown_lines(shown))


def _desk(site: Path) -> PlanningDesk:
    from myofed_node.coordinator_api import CoordinatorApi
    from myofed_node.federation.egress_client import EgressClient
    from myofed_node.planning_desk import PlanningDesk
    from myofed_node.site_setup import open_site

    opened = open_site(site)
    return PlanningDesk(opened, CoordinatorApi(EgressClient(opened.folder)))


def _shown_lines(shown: PlanningShown) -> Iterator[str]:
    query = shown.query
    yield f"{query.query_id} for study {query.study_id}: {query.title}"
    yield f"  purpose: {query.purpose}"
    yield f"  asks {', '.join(query.sites)} about {', '.join(query.muscles)}; proposes from {query.min_answers} answers or more"
    if query.demo:
        yield "  DEMONSTRATION: synthetic patients only"
    told = shown.answer.fingerprint
    if shown.state == "waiting":
        yield "  nobody here has decided; `planning answer` would send:"
    else:
        yield f"  {shown.state}{', sent' if shown.sent else ', NOT sent yet: call it again'}:"
    yield from (f"  {line}" for line in (_lines(told) if told else ["nothing: declined"]))
    yield f"  salt {shown.answer.salt} (of this site's own key); digest of all of it {shown.sha256}"


def _lines(found: Fingerprint) -> Iterator[str]:
    count = "withheld" if found.subjects.value is None else str(found.subjects.value)
    yield f"{found.site}: labelled subjects that can be used: {count} (k {found.policy.k})"
    for name in ("spacing_mm", "slice_mm", "size_px", "thigh_mm", "intensity_50", "intensity_spread"):
        told = ", ".join(f"{p.percent} %: {p.value:g}" for p in getattr(found, name))
        yield f"  {name}: {told or 'withheld'}"
    yield f"  echo times (ms): {', '.join(f'{t:g}' for t in found.echo_times_ms) or 'withheld'}"
    yield f"  channels: {', '.join(found.channels) or 'withheld'}"
    yield f"  structures: {', '.join(found.structures) or 'withheld'}"
