"""`convert`: de-identified DICOM becomes an ORMIR-MIDS data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from myofed_node.commands.console import MOST_LINES, InArgument, JsonOption, OutArgument, reporting
from myofed_schemas.clock import system_now
from myofed_schemas.exit_codes import ExitCode

if TYPE_CHECKING:
    from myofed_schemas.conversion import ConversionReport, IngestReport


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    app.command("convert", epilog="Example: myofed-node convert clean/ dataset/")(convert)


def convert(source: InArgument, out: OutArgument, as_json: JsonOption = False) -> None:
    """Make OUT an ORMIR-MIDS data set from DICOM that our de-identification wrote; its report must lie beside."""
    with reporting(as_json=as_json) as console:
        from myofed_node.mids.convert import convert as convert_folder

        report = convert_folder(source, out, now=system_now(), progress=console.progress("converted"))
        console.result(report, series_lines(report))
        if report.count("quarantined"):
            raise typer.Exit(ExitCode.WITHHELD)


def series_lines(report: ConversionReport | IngestReport) -> list[str]:
    """Counts, and each quarantined series by number and code."""
    counts = ", ".join(f"{report.count(o)} {o}" for o in ("converted", "skipped", "quarantined"))
    held = [series for series in report.series if series.outcome == "quarantined"]
    lines = [f"  series {series.number}: {series.code} ({series.files} files)" for series in held[:MOST_LINES]]
    more = [f"  and {len(held) - MOST_LINES} more"] if len(held) > MOST_LINES else []
    return [f"{len(report.series)} series: {counts}", *lines, *more]
