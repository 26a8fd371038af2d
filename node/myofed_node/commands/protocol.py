"""`protocol`: how images were acquired, against the profiles a biomarker needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myofed_node.commands.console import (
    MOST_LINES,
    Console,
    JsonOption,
    OptionalSiteOption,
    SiteOption,
    reporting,
)
from myofed_node.commands.page_file import refuse_page_place, write_page
from myofed_schemas.exit_codes import ExitCode

if TYPE_CHECKING:
    from myofed_node.protocol.profiles import Profiles
    from myofed_schemas.protocol import ProtocolReport, ProtocolSummary, SeriesCheck

ProfilesOption = Annotated[
    Path | None,
    typer.Option(
        "--profiles",
        metavar="DIR",
        help="Folder with profiles of your own (*.yaml); they go first.",
        show_default=False,
    ),
]
HtmlOption = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write one HTML page as well.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    protocol = typer.Typer(
        help="Acquisition protocols: check, print, sum up.", no_args_is_help=True, rich_markup_mode=None
    )
    protocol.command("check", epilog="Example: myofed-node protocol check /srv/myofed/dataset --html protocol.html")(
        check
    )
    protocol.command("sheet", epilog="Example: myofed-node protocol sheet fat-fraction-6-echo --html sheet.html")(sheet)
    protocol.command("list", epilog="Example: myofed-node protocol list")(list_profiles)
    protocol.command("summary", epilog="Example: myofed-node protocol summary --site /srv/myofed --html summary.html")(
        summary
    )
    app.add_typer(protocol, name="protocol")


def check(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="ORMIR-MIDS folder.", show_default=False)],
    profiles: ProfilesOption = None,
    site: OptionalSiteOption = None,
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check how every image of a data set was acquired, from sidecars and NIfTI headers alone.

    Exit 0 when all checked images pass or warn. Exit 1 when one fails, when nothing is known of one, or when no profile applied
    to any. With --site, the profiles in the site's folder protocols/ count as well.
    """
    with reporting(as_json=as_json) as console:
        from myofed_node.protocol.check import check as check_dataset

        refuse_page_place(html)

        report = check_dataset(dataset, _profiles(profiles, site))
        if html:
            from myofed_node.protocol.pages import check_page

            _write(html, check_page(report), console)
        console.result(report, _check_lines(report))
        if not report.conforms:
            raise typer.Exit(ExitCode.FAILED)


def sheet(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a profile.", show_default=False)],
    profiles: ProfilesOption = None,
    site: OptionalSiteOption = None,
    html: HtmlOption = None,
    text: Annotated[bool, typer.Option("--text", help="Print as text, also beside --html.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print a profile as a sheet to take to the scanner: as text on stdout, or as one page with --html."""
    with reporting(as_json=as_json) as console:
        from myofed_node.protocol.sheet import sheet as make_sheet
        from myofed_node.protocol.sheet import sheet_lines

        refuse_page_place(html)
        made = make_sheet(_profiles(profiles, site).named(name))
        if html:
            from myofed_node.protocol.pages import sheet_page

            _write(html, sheet_page(made), console)
        if as_json:
            console.result(made.profile.model_dump(mode="json", by_alias=True, exclude_none=True))
        elif text or not html:
            typer.echo("\n".join(sheet_lines(made)))


def list_profiles(
    profiles: ProfilesOption = None, site: OptionalSiteOption = None, as_json: JsonOption = False
) -> None:
    """List the profiles at hand: those that ship with myofed, and your own."""
    with reporting(as_json=as_json) as console:
        found = _profiles(profiles, site)
        lines = [
            f"{one.profile.name} ({one.origin}): {one.profile.title}; for {', '.join(one.profile.applies.suffixes)}"
            for one in sorted(found.known, key=lambda one: one.profile.name)
        ]
        console.result({"profiles": [used.model_dump(mode="json") for used in found.used]}, lines)


def summary(
    site: SiteOption, profiles: ProfilesOption = None, html: HtmlOption = None, as_json: JsonOption = False
) -> None:
    """Sum up how well a site's images conform, by month of ingest and by profile: counts only.

    Exit 1 when not one image was checked; images that fail are counted and do not make this command fail.
    """
    with reporting(as_json=as_json) as console:
        from myofed_node.protocol.summary import summarise
        from myofed_node.site_setup import look_into_site

        refuse_page_place(html)
        opened = look_into_site(site)
        folder = opened.folder
        found = summarise(
            opened.config.site, dataset=folder.dataset, intake=folder.intake, profiles=_profiles(profiles, site)
        )
        if html:
            from myofed_node.protocol.pages import summary_page

            _write(html, summary_page(found), console)
        console.result(found, _summary_lines(found))
        if not found.total.checked:
            raise typer.Exit(ExitCode.FAILED)


def _profiles(own: Path | None, site: Path | None) -> Profiles:
    from myofed_node.protocol.profiles import load_profiles, site_profile_folders

    return load_profiles(*(site_profile_folders(site) if site else ()), *((own,) if own else ()))


def _write(path: Path, page: bytes, console: Console) -> None:
    write_page(path, page)
    console.say(f"the page: {path}")


def _check_lines(report: ProtocolReport) -> list[str]:
    from myofed_node.protocol.pages import total_line

    shown = [line for one in report.series[:MOST_LINES] for line in _series_lines(one)]
    left = len(report.series) - MOST_LINES
    more = [f"and {left} more acquisitions: --json and --html show all"] if left > 0 else []
    return [*shown, *more, total_line(report)]


def _series_lines(one: SeriesCheck) -> list[str]:
    about = one.reason or f"profile {one.profile}"
    found = [
        f"  {f.verdict} {f.key}: expected {f.expected}, found {f.found}; {f.why} [{f.source}; {f.certainty}]"
        for f in one.findings
        if f.verdict != "pass"
    ]
    return [f"{one.verdict} {one.name}: {about}", *found]


def _summary_lines(found: ProtocolSummary) -> list[str]:
    rows = [
        f"{row.month or 'month not known'} {row.profile or 'profile not known'}: {row.tally.passed} pass, {row.tally.warned} warn, "
        f"{row.tally.failed} fail, {row.tally.unknown} unknown ({row.tally.conforming_percent:.0f} % pass or warn)"
        for row in found.months
    ]
    return [*rows, f"{found.total.checked} checked, {found.not_checked} not checked"]
