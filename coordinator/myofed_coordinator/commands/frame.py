"""What all commands share: their options, opening the home, printing, and turning an error into an exit code."""

from __future__ import annotations

import json as json_text
import os
import pwd
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import click
import typer
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import OperationalError
from typer.core import TyperGroup

from myofed_coordinator.config import load_config
from myofed_coordinator.database import database_unreachable
from myofed_coordinator.faults import in_words
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.services import Services, open_services
from myofed_coordinator.studies.leads import Doer
from myofed_schemas.errors import MyofedError, system_error
from myofed_schemas.exit_codes import ExitCode

_JSON = "myofed.json"


def _remember(context: typer.Context, as_json: bool) -> bool:
    context.meta[_JSON] = as_json
    return as_json


HomeOption = Annotated[
    Path, typer.Option("--home", envvar="MYOFED_HOME", help="The coordinator's home folder.", show_default=False)
]
OptionalHomeOption = Annotated[
    Path | None, typer.Option("--home", envvar="MYOFED_HOME", help="The coordinator's home folder.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.", callback=_remember)]


class RefusingGroup(TyperGroup):
    """The one place where an expected error becomes text on stderr (JSON on stdout with --json) and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """The command's result; never a traceback for an expected error."""
        try:
            return super().invoke(ctx)
        except MyofedError as error:
            raise _refused(error, ctx) from error
        except OSError as error:
            raise _refused(system_error(error), ctx) from None
        except OperationalError:
            raise _refused(database_unreachable(), ctx) from None


def _refused(error: MyofedError, context: click.Context) -> typer.Exit:
    say(str(error))
    if context.meta.get(_JSON):
        print_json({"error": {"code": error.code, "message": error.message, "hint": error.hint}})
    return typer.Exit(int(error.exit_code))


def new_group(summary: str) -> typer.Typer:
    """A group of commands."""
    return typer.Typer(help=summary, no_args_is_help=True, cls=RefusingGroup, pretty_exceptions_enable=False)


@contextmanager
def opened(folder: Path) -> Generator[Services]:
    """The services of this home, closed afterwards."""
    home = HomeFolder(folder.absolute())
    services = open_services(home, load_config(home))
    try:
        yield services
    finally:
        services.close()


def actor() -> str:
    """The login of the person at this machine, for the audit chain."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name[:64]
    except KeyError:
        return f"uid-{os.getuid()}"


def operator() -> Doer:
    """The same person, as who does something to a study."""
    return Doer(actor(), "machine")


def say(text: str) -> None:
    """The text is on stderr, for people."""
    print(text, file=sys.stderr)  # noqa: T201  a command's output


def print_json(document: BaseModel | Mapping[str, object]) -> None:
    """The document is on stdout, whole."""
    value = document.model_dump(mode="json") if isinstance(document, BaseModel) else document
    print(json_text.dumps(value, ensure_ascii=False, indent=1))  # noqa: T201  a command's output


def show(document: BaseModel | Mapping[str, object], *, lines: Sequence[str], as_json: bool) -> None:
    """The document is on stdout with --json; without, the lines are on stderr."""
    if as_json:
        print_json(document)
    for line in lines:
        say(line)


def dumped(documents: Sequence[BaseModel]) -> list[dict[str, Any]]:
    """The documents as JSON values."""
    return [document.model_dump(mode="json") for document in documents]


def read_input(path: Path, *, what: str) -> bytes:
    """The bytes of a file that the person named.

    Raises:
        MyofedError: INPUT_FILE.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise MyofedError(
            "INPUT_FILE", f"cannot read {what}", hint="check the name and the permissions", exit_code=ExitCode.USAGE
        ) from error


Document = TypeVar("Document", bound=BaseModel)


def read_document(kind: type[Document], path: Path, *, what: str) -> Document:
    """The document in a JSON file that the person named.

    Raises:
        MyofedError: INPUT_FILE, also where the file holds something else.
    """
    try:
        return kind.model_validate_json(read_input(path, what=what))
    except ValidationError as error:
        raise MyofedError(
            "INPUT_FILE", f"the file does not hold {what}", hint="`models export` writes it", exit_code=ExitCode.USAGE
        ) from error


def usage(error: ValidationError) -> MyofedError:
    """An error for arguments that do not have the form they need: which, and what was expected; never values."""
    found = in_words(error, whole="arguments")
    return MyofedError("USAGE", f"not of the expected form: {found}", hint="see --help", exit_code=ExitCode.USAGE)
