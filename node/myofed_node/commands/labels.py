"""`labels`: a site's label maps come in and go out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from myofed_node.commands.console import JsonOption, SiteOption, reporting
from myofed_schemas.clock import system_now
from myofed_schemas.exit_codes import ExitCode


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    labels = typer.Typer(help="Label maps of the site's readers.", no_args_is_help=True, rich_markup_mode=None)
    labels.command("import", epilog="Example: myofed-node labels import delivery/ --site /srv/myofed")(labels_import)
    app.add_typer(labels, name="labels")


def labels_import(
    delivery: Annotated[Path, typer.Argument(metavar="FOLDER", help="labels.csv and maps.", show_default=False)],
    site: SiteOption,
    as_json: JsonOption = False,
) -> None:
    """Import a reader's label maps: each row of FOLDER/labels.csv is imported, or refused with a code."""
    with reporting(as_json=as_json) as console:
        from myofed_node.label_intake import import_into_site
        from myofed_node.site_setup import open_site

        report = import_into_site(open_site(site), delivery, now=system_now())
        console.result(report, report.lines())
        if report.refused:
            raise typer.Exit(ExitCode.WITHHELD)
