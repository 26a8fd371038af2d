"""Errors and exit codes as a documented interface."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from myofed_schemas.errors import MyofedError, system_error
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.quantities import milliseconds_from_seconds


def test_error_reads_as_code_message_and_hint() -> None:
    """A person sees what was expected, what was found and what to do."""
    error = MyofedError("ECHO_TIME_UNIT", "EchoTime is 0.012, expected 0.5..300 ms", hint="Looks like seconds.")
    assert str(error) == "ECHO_TIME_UNIT: EchoTime is 0.012, expected 0.5..300 ms. Hint: Looks like seconds."
    assert error.exit_code is ExitCode.FAILED
    assert str(MyofedError("A_CODE", "x")) == "A_CODE: x"


@pytest.mark.parametrize(
    ("error", "found", "hint"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/data/P123"), "No such file", "make the folder"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left", "make room"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error", "mend what the system says"),
        (OSError(), "OSError", "mend what the system says"),
    ],
)
def test_error_of_the_system_says_what_to_do_and_names_no_path(error: OSError, found: str, hint: str) -> None:
    """The system's own words and a hint; a path could hold a patient's number."""
    told = system_error(error)
    assert told.code == "SYSTEM_ERROR"
    assert found in told.message
    assert hint in told.hint
    assert "P123" not in str(told)


def test_every_exit_code_is_documented(repository: Path) -> None:
    """docs/exit-codes.md names each with its number."""
    text = (repository / "docs" / "exit-codes.md").read_text()
    documented = {(int(n), name) for n, name in re.findall(r"^\| (\d+) \| `([A-Z_]+)`", text, re.MULTILINE)}
    assert documented == {(code.value, code.name) for code in ExitCode}


def test_seconds_become_milliseconds_once() -> None:
    """2.3 ms written in seconds by other tools is 2.3 here, without binary dust."""
    assert milliseconds_from_seconds(0.0023) == 2.3
