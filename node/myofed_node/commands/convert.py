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
        for line in unused_lines(report):
            console.say(line)
        console.result(report, series_lines(report))
        if report.count("quarantined"):
            raise typer.Exit(ExitCode.WITHHELD)


def unused_lines(report: ConversionReport | IngestReport) -> list[str]:
    """One line with the numbers of the override file's rules and levels that matched nothing; none where all did."""
    found = {"rule": report.unused_overrides, "level": report.unused_levels}
    told = [f"{what}{'s' if len(n) > 1 else ''} {', '.join(map(str, n))}" for what, n in found.items() if n]
    return (
        [f"override {' and '.join(told)} matched no series: names and UIDs change in de-identification"] if told else []
    )


def series_lines(report: ConversionReport | IngestReport) -> list[str]:
    """Counts, each quarantined series by number and code, and where the codes are explained."""
    counts = ", ".join(f"{report.count(o)} {o}" for o in ("converted", "skipped", "quarantined"))
    held = [series for series in report.series if series.outcome == "quarantined"]
    lines = [f"  series {series.number}: {series.code} ({series.files} files)" for series in held[:MOST_LINES]]
    more = [f"  and {len(held) - MOST_LINES} more"] if len(held) > MOST_LINES else []
    what = ["docs/conversion.md says what each code means and what to do"] if held else []
    return [f"{len(report.series)} series: {counts}", *lines, *more, *what]
