"""`validate`: whether a folder is an ORMIR-MIDS data set of the profile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myofed_node.commands.console import MOST_LINES, JsonOption, reporting
from myofed_node.commands.page_file import refuse_page_place, write_page
from myofed_schemas.exit_codes import ExitCode

if TYPE_CHECKING:
    from myofed_schemas.rules import ValidationReport

LONG = 200
"""Names of a data set from which on its progress is shown."""


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    app.command("validate", epilog="Example: myofed-node validate /srv/myofed/dataset --html findings.html")(validate)


def validate(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="ORMIR-MIDS folder.", show_default=False)],
    as_json: JsonOption = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write the findings as one HTML page.", show_default=False),
    ] = None,
    standard: Annotated[
        bool, typer.Option("--standard", help="Ask the rules of the draft standard only, not those of the profile.")
    ] = False,
    rules: Annotated[
        Path | None, typer.Option("--rules", metavar="FILE", help="YAML with rules to ask as well.", show_default=False)
    ] = None,
) -> None:
    """Check a data set against ORMIR-MIDS and profile myofed-1; exit 1 on any error."""
    with reporting(as_json=as_json) as console:
        refuse_page_place(html)
        from myofed_node.mids.validation.rule_files import load_rules
        from myofed_node.mids.validation.validate import validate as validate_dataset

        report = validate_dataset(
            dataset,
            standard_only=standard,
            added=load_rules(rules) if rules else (),
            progress=_when_long(console.progress("checked")),
        )
        if html:
            from myofed_node.mids.validation.validation_page import validation_page

            write_page(html, validation_page(report))
        console.result(report, report_lines(report))
        if not report.conforms:
            raise typer.Exit(ExitCode.FAILED)


def _when_long(show: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """`show`, silent for a small data set."""

    def shown(done: int, total: int) -> None:
        if total >= LONG:
            show(done, total)

    return shown


def report_lines(report: ValidationReport) -> Iterator[str]:
    """The first findings, how often each code came up where not all are shown, and the counts."""
    for finding in report.findings[:MOST_LINES]:
        yield f"{finding.level} {finding.code} ({finding.source}) {finding.path}: {finding.message}. Hint: {finding.hint}"
    if len(report.findings) > MOST_LINES:
        yield f"and {len(report.findings) - MOST_LINES} more; --json and --html name all. By code:"
        counted = Counter((finding.level, finding.code) for finding in report.findings)
        yield from (f"  {count} {level} {code}" for (level, code), count in counted.most_common())
    yield f"{report.checks} checks of {report.images} images: {report.count('error')} errors, {report.count('warning')} warnings"
