"""What every command says in the same way."""

from __future__ import annotations

import json
import sys

import pytest
import typer

from myofed_node.commands.console import Console, reporting
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


def _fail(error: BaseException, *, as_json: bool) -> int:
    with pytest.raises(typer.Exit) as caught, reporting(as_json=as_json):
        raise error
    return caught.value.exit_code


def test_expected_failure_is_one_json_document_and_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """Code, message and hint on stdout when JSON was asked for, the same in words on stderr."""
    error = MyofedError("NOT_CLEAN", "expected a, found b", hint="do c", exit_code=ExitCode.NOT_CLEAN)
    assert _fail(error, as_json=True) == 11
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"error": {"code": "NOT_CLEAN", "message": "expected a, found b", "hint": "do c"}}
    assert "NOT_CLEAN: expected a, found b. Hint: do c" in shown.err


def test_error_of_the_system_does_not_name_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    """The name of a source file may be a patient's."""
    assert _fail(PermissionError(13, "Permission denied", "/export/DOE^JOHN.dcm"), as_json=False) == 1
    shown = capsys.readouterr()
    assert "Permission denied" in shown.err
    assert "DOE" not in shown.err
    assert shown.out == ""


def test_interrupt_has_its_own_exit_code() -> None:
    """130, as shells expect."""
    assert _fail(KeyboardInterrupt(), as_json=False) == 130


def test_unforeseen_error_is_not_swallowed() -> None:
    """It reaches the process entry point."""
    with pytest.raises(ZeroDivisionError), reporting(as_json=True):
        raise ZeroDivisionError


def test_result_is_json_on_stdout_or_lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Never both."""
    Console(as_json=True).result({"a": 1}, ["line"])
    shown = capsys.readouterr()
    assert (json.loads(shown.out), shown.err) == ({"a": 1}, "")
    Console(as_json=False).result({"a": 1}, ["line"])
    assert capsys.readouterr() == ("", "line\n")


def test_progress_is_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a tenth, not one a file; nothing to do is said once."""
    show = Console(as_json=True).steps()
    for done in range(1, 201):
        show("convert", done, 200)
    show("deidentify", 0, 0)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 12
    assert lines[-2:] == ["convert: 200 of 200", "deidentify: 0 of 0"]


def test_progress_is_a_bar_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with a line break."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    show = Console(as_json=False).progress("convert")
    show(1, 2)
    show(2, 2)
    text = capsys.readouterr().err
    assert text.startswith("\rconvert [###############...............] 1/2")
    assert text.endswith("2/2\n")
