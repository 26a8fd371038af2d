"""`validate`: whether a folder is an ORMIR-MIDS data set of the profile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from myofed_node.commands.console import MOST_LINES, JsonOption, reporting
from myofed_schemas.exit_codes import ExitCode


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    app.command("validate", epilog="Example: myofed-node validate /srv/myofed/dataset --json")(validate)


def validate(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="ORMIR-MIDS folder.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Check a data set against ORMIR-MIDS and profile myofed-1; exit 1 on any error."""
    with reporting(as_json=as_json) as console:
        from myofed_node.mids.validate import validate as validate_dataset

        report = validate_dataset(dataset)
        findings = [f"{f.level} {f.code} {f.path}: {f.message} {f.hint}" for f in report.findings[:MOST_LINES]]
        total = f"{report.checks} checks, {report.count('error')} errors, {report.count('warning')} warnings"
        console.result(report, [*findings, total])
        if not report.conforms:
            raise typer.Exit(ExitCode.FAILED)
