"""`myofed-node`: the node as a command line. Commands live in `commands/`; here they get their names."""

from __future__ import annotations

import logging
import os
import sys
import traceback
import warnings

import typer

from myofed_node.commands import (
    convert,
    data,
    dicom_export,
    intake,
    keys,
    labels,
    learning,
    people,
    planning,
    protocol,
    records,
    requests,
    site,
    studies,
    subjects,
    validate,
)
from myofed_schemas.exit_codes import ExitCode

app = typer.Typer(
    name="myofed-node",
    help="The hospital's node: DICOM in, validated ORMIR-MIDS on your own disk, training without an image leaving.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # they print local variables, and those hold patients' data
)
for room in (
    site,
    data,
    convert,
    validate,
    intake,
    labels,
    subjects,
    protocol,
    dicom_export,
    studies,
    people,
    learning,
    planning,
    requests,
    records,
    keys,
):
    room.register(app)


def main() -> None:
    """The command has run; the process ends with its documented exit status.

    A defect of ours is reported by its kind and place only: the text of an unknown exception may quote a file.
    """
    os.umask(0o077)
    warnings.simplefilter("ignore")  # warnings and log lines of DICOM libraries quote values of elements
    logging.lastResort = None
    try:
        app()
    except Exception as error:  # noqa: BLE001  process entry point: no traceback with patients' data reaches a screen
        place = traceback.extract_tb(error.__traceback__)[-1]
        module = os.path.basename(place.filename)  # noqa: PTH119  the name of our own source file
        typer.echo(f"INTERNAL_ERROR: unexpected {type(error).__name__} at {module}:{place.lineno}", err=True)
        sys.exit(ExitCode.FAILED)
