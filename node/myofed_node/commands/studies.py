"""Commands about studies: what is offered, and what this site's people decide."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myofed_node.commands import training
from myofed_node.commands.console import Console, JsonOption, SiteOption, reporting
from myofed_schemas.clock import system_now

if TYPE_CHECKING:
    from myofed_node.study_desk import Decided, StudyDesk

StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="The study's id.", show_default=False)]


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    studies = typer.Typer(help="Studies that the coordinator offers.", no_args_is_help=True, rich_markup_mode=None)
    studies.command("list", epilog="Example: myofed-node studies list --site /srv/myofed")(list_studies)
    studies.command("show", epilog="Example: myofed-node studies show thigh-muscles --site /srv/myofed")(show_study)
    app.add_typer(studies, name="studies")
    app.command("approve", epilog="Example: myofed-node approve thigh-muscles --site /srv/myofed")(approve)
    app.command("decline", epilog="Example: myofed-node decline thigh-muscles --site /srv/myofed")(decline)
    app.command("revoke", epilog="Example: myofed-node revoke thigh-muscles --site /srv/myofed")(revoke)
    training.register(app)


def list_studies(site: SiteOption, as_json: JsonOption = False) -> None:
    """List the studies this site was asked to join, and what was decided about the newest version of each."""
    with reporting(as_json=as_json) as console:
        found = _desk(site).list()
        lines = [f"{s.study_id} version {s.version}: {s.decision} - {s.title}" for s in found.studies]
        console.result(found, lines or ["no study yet; a running node fetches new ones by itself"])


def show_study(study: StudyArgument, site: SiteOption, as_json: JsonOption = False) -> None:
    """Show what a study asks for, in words, and what would leave this site. Read it before you approve."""
    with reporting(as_json=as_json) as console:
        from myofed_node.planning_desk import plan_lines
        from myofed_node.study_desk import manifest_lines
        from myofed_node.study_standing import study_standing

        desk = _desk(site)
        newest = desk.approvals.show(study).newest
        standing = study_standing(desk.site, study)
        notes = [f"  {note}" for note in desk.notes(study)]
        planned = plan_lines(newest.manifest, site=desk.site.config.site)
        console.result(newest, [*manifest_lines(newest.manifest), *planned, *notes, *standing.lines()])


def approve(
    study: StudyArgument,
    site: SiteOption,
    digest: Annotated[
        str, typer.Option("--digest", help="Beginning of the digest you read; a newer version is refused.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Approve the newest version of a study: exactly this manifest may train here, nothing else."""
    with reporting(as_json=as_json) as console:
        from myofed_node.learning.models import check_architecture

        desk = _desk(site)
        newest = desk.approvals.show(study).newest
        if newest.digest.startswith(digest):  # else it is refused below
            check_architecture(newest.manifest)
        decided = desk.approve(study, by=getpass.getuser(), now=system_now(), digest=digest or newest.digest)
        _tell(console, decided)


def decline(study: StudyArgument, site: SiteOption, as_json: JsonOption = False) -> None:
    """Decline the newest version of a study; the coordinator learns the decision and no reason."""
    with reporting(as_json=as_json) as console:
        _tell(console, _desk(site).decline(study, by=getpass.getuser(), now=system_now()))


def revoke(study: StudyArgument, site: SiteOption, as_json: JsonOption = False) -> None:
    """Revoke an approval: from its next message on, the study trains here no more."""
    with reporting(as_json=as_json) as console:
        _tell(console, _desk(site).revoke(study, by=getpass.getuser(), now=system_now()))


def _desk(site: Path) -> StudyDesk:
    from myofed_node.coordinator_api import CoordinatorApi
    from myofed_node.federation.egress_client import EgressClient
    from myofed_node.site_setup import open_site
    from myofed_node.study_desk import StudyDesk

    opened = open_site(site)
    return StudyDesk(opened, CoordinatorApi(EgressClient(opened.folder)))


def _tell(console: Console, decided: Decided) -> None:
    decision = decided.decision.decision
    reached = "the coordinator knows" if decided.delivered else "the coordinator will know when the node runs"
    said = f"{decision.study_id} version {decision.version}: {decision.decision} ({reached})"
    console.result(decided, [said, *(f"  {note}" for note in decided.notes)])
