"""What every command says in the same way: text on stderr, one JSON document on stdout, a documented exit code."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from myofed_schemas.errors import MyofedError, system_error
from myofed_schemas.exit_codes import ExitCode

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
SiteOption = Annotated[
    Path, typer.Option("--site", envvar="MYOFED_SITE", metavar="DIR", help="The site's folder.", show_default=False)
]
InArgument = Annotated[Path, typer.Argument(metavar="IN", help="File or folder.", show_default=False)]
OutArgument = Annotated[Path, typer.Argument(metavar="OUT", help="New or empty folder.", show_default=False)]
MOST_LINES = 20
"""Series and findings named on a screen; the report names all."""
OptionalSiteOption = Annotated[
    Path | None,
    typer.Option("--site", envvar="MYOFED_SITE", metavar="DIR", help="The site's folder.", show_default=False),
]


class Console:
    """Where one command reports to; what it prints on stdout is one JSON document or nothing."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def say(self, text: str) -> None:
        """A person reads this line on stderr."""
        typer.echo(text, err=True)

    def result(self, document: BaseModel | Mapping[str, Any], lines: Iterable[str] = ()) -> None:
        """The command's one result: JSON on stdout when asked for, lines on stderr otherwise."""
        if self._as_json:
            value = document.model_dump(mode="json") if isinstance(document, BaseModel) else document
            typer.echo(json.dumps(value, indent=1, ensure_ascii=False))
        else:
            for line in lines:
                self.say(line)

    def report(self, path: Path, lines: Iterable[str] = ()) -> None:
        """The command's one result lies in this JSON file: its bytes go to stdout when asked for, lines to stderr otherwise."""
        if self._as_json:
            sys.stdout.flush()
            with path.open(encoding="utf-8") as stream:
                shutil.copyfileobj(stream, sys.stdout)
        else:
            for line in lines:
                self.say(line)

    def progress(self, what: str) -> Callable[[int, int], None]:
        """A function of (done, total): a bar on a terminal, a plain line at each tenth elsewhere."""
        return _bar(what) if sys.stderr.isatty() else _tenths(what)

    def steps(self) -> Callable[[str, int, int], None]:
        """A function of (step, done, total): one progress a step."""
        shown: dict[str, Callable[[int, int], None]] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in shown:
                shown[step] = self.progress(step)
            shown[step](done, total)

        return show


@contextmanager
def reporting(*, as_json: bool) -> Iterator[Console]:
    """A command runs; an expected failure becomes its code, message, hint and exit status.

    Raises:
        typer.Exit: With the documented status, after the report.
    """
    console = Console(as_json=as_json)
    try:
        yield console
    except MyofedError as error:
        _refuse(error, as_json=as_json)
        raise typer.Exit(error.exit_code) from None
    except OSError as error:
        found = system_error(error)
        _refuse(found, as_json=as_json)
        raise typer.Exit(found.exit_code) from None
    except KeyboardInterrupt:
        console.say("interrupted; run the same command again to go on")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _refuse(error: MyofedError, *, as_json: bool) -> None:
    typer.echo(str(error), err=True)
    if as_json:
        document = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
        typer.echo(json.dumps(document, indent=1, ensure_ascii=False))


def _tenths(what: str) -> Callable[[int, int], None]:
    told = -1

    def show(done: int, total: int) -> None:
        nonlocal told
        tenth = 10 * done // total if total else 10
        if tenth > told:
            told = tenth
            typer.echo(f"{what}: {done} of {total}", err=True)

    return show


def _bar(what: str) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        filled = 30 * done // total if total else 30
        end = "\n" if done >= total else ""
        typer.echo(f"\r{what} [{'#' * filled}{'.' * (30 - filled)}] {done}/{total}{end}", err=True, nl=False)

    return show
