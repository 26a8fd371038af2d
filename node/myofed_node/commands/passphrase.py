"""A passphrase as a command gets it: from a file that nobody else can read, or typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

PassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", metavar="FILE", help="Read the passphrase from this file (0600).", show_default=False
    ),
]


def read_passphrase(path: Path | None, *, new: bool) -> str:
    """From the file, without its last line break; else typed, twice where it seals something.

    Raises:
        MyofedError: PASSPHRASE_NOT_TEXT, PRIVATE_FILE_*.
    """
    if path is None:
        typed: str = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=new, err=True)
        return typed
    from myofed_anonymization.private_files import read_private_file

    try:
        return read_private_file(path, what="the passphrase").decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise MyofedError(
            "PASSPHRASE_NOT_TEXT",
            "expected a passphrase in UTF-8, found other bytes",
            hint="write it again",
            exit_code=ExitCode.USAGE,
        ) from None
