"""`convert`: de-identified DICOM becomes an ORMIR-MIDS data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myofed_node.commands.console import MOST_LINES, InArgument, JsonOption, reporting
from myofed_schemas.clock import system_now
from myofed_schemas.exit_codes import ExitCode

if TYPE_CHECKING:
    from myofed_schemas.conversion import ConversionReport, IngestReport


DatasetArgument = Annotated[
    Path, typer.Argument(metavar="OUT", help="New or empty folder, or a data set of ours.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    app.command("convert", epilog="Example: myofed-node convert clean/ dataset/ --overrides overrides.yaml")(convert)


def convert(
    source: InArgument,
    out: DatasetArgument,
    overrides: Annotated[
        Path | None,
        typer.Option(
            "--overrides",
            metavar="FILE",
            dir_okay=False,
            help="What headers cannot say, by protocol or series (YAML); docs/conversion.md describes every key.",
            show_default=False,
        ),
    ] = None,
    processes: Annotated[
        int | None, typer.Option("--processes", min=1, help="Worker processes; one a core when not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make OUT an ORMIR-MIDS data set from DICOM that our de-identification wrote; its report must lie beside.

    A call that was cut short goes on when it is made again. A new series of a session that is there already becomes the next run.
    """
    with reporting(as_json=as_json) as console:
        from myofed_node.mids.convert import ConvertOptions
        from myofed_node.mids.convert import convert as convert_folder
        from myofed_node.mids.judging.overrides import NO_OVERRIDES, load_overrides

        options = ConvertOptions(
            overrides=load_overrides(overrides) if overrides else NO_OVERRIDES, processes=processes
        )
        progress = console.progress("series")
        report = convert_folder(source, out, now=system_now(), options=options, progress=progress)
        for rule in report.unused_overrides:
            console.say(f"override rule {rule} matched no series: names change in de-identification")
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
