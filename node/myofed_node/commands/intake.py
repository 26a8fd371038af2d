"""Commands about studies that came through the DICOM port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from myofed_node.commands.console import JsonOption, SiteOption, reporting
from myofed_schemas.clock import system_now

if TYPE_CHECKING:
    from myofed_node.intake.desk import StudyShown

StudyArgument = Annotated[
    str,
    typer.Argument(
        metavar="STUDY", help="As `intake list` shows it, or its beginning (8 or more).", show_default=False
    ),
]


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    intake = typer.Typer(help="Studies that scanners and archives sent.", no_args_is_help=True)
    intake.command("list", epilog="Example: myofed-node intake list --site /srv/myofed")(list_studies)
    intake.command("retry", epilog="Example: myofed-node intake retry 3f2a91c0 --site /srv/myofed")(retry)
    intake.command("discard", epilog="Example: myofed-node intake discard 3f2a91c0 --yes --site /srv/myofed")(discard)
    app.add_typer(intake, name="intake")


def list_studies(site: SiteOption, as_json: JsonOption = False) -> None:
    """List the studies that came, where each stands and what would take it further; digests stand for their UIDs."""
    with reporting(as_json=as_json) as console:
        from myofed_node.intake.desk import IntakeDesk
        from myofed_node.site_setup import open_site

        found = IntakeDesk(open_site(site)).list()
        console.result(found, [_line(study) for study in found.studies] or ["nothing came yet"])


def retry(study: StudyArgument, site: SiteOption, as_json: JsonOption = False) -> None:
    """Let a study that is quarantined or failed be worked on again, after its reason was mended (say, in the policy)."""
    with reporting(as_json=as_json) as console:
        from myofed_node.intake.desk import IntakeDesk
        from myofed_node.site_setup import open_site

        shown = IntakeDesk(open_site(site)).retry(study, now=system_now())
        console.result(shown, [_line(shown)])


def discard(
    study: StudyArgument,
    site: SiteOption,
    yes: Annotated[bool, typer.Option("--yes", help="Without being asked.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete what was received of a study for good; what of it is in the data set stays there."""
    with reporting(as_json=as_json) as console:
        from myofed_node.intake.desk import IntakeDesk
        from myofed_node.site_setup import open_site

        desk = IntakeDesk(open_site(site))
        found = desk.find(study)
        if not yes:
            typer.confirm(f"Delete {found.instances} received instances of {found.study[:8]}?", abort=True, err=True)
        shown = desk.discard(found.study, now=system_now())
        console.result(shown, [_line(shown)])


def _line(study: StudyShown) -> str:
    todo = f"; {study.action}" if study.action else ""
    return f"{study.study[:8]} {study.state} ({study.code}), {study.instances} instances, {study.updated_at}{todo}"
