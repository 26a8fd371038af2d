"""Log lines hold codes and numbers; what a library would have quoted of a person never comes in."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from myofed_schemas.json_log import configure_logging, correlation, style_of

PLANTED = ("DOE^JANE", "19570412", "/archive/DOE_JANE/1.2.840.113619.2.5")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (list(root.handlers), root.level, sys.excepthook, threading.excepthook)
    yield io.StringIO()
    root.handlers[:], root.level, sys.excepthook, threading.excepthook = before


def plant(style: str) -> None:
    """What libraries do: values as arguments, in f-strings, in exceptions, in extra fields."""
    foreign = logging.getLogger("pydicom")
    for value in PLANTED:
        foreign.warning("invalid value %s in element", value)
        foreign.warning(f"invalid value {value}")
        foreign.error("failed", extra={"value": value})
        try:
            int(value + "x")
        except ValueError:
            foreign.exception("could not read")
            logging.getLogger("myofed.service").exception("READ_FAILED")
    logging.getLogger("uvicorn.error").error("Application %s failed", PLANTED[0])


@pytest.mark.parametrize("style", ["json", "text"])
def test_no_planted_value_is_in_a_log(stream: io.StringIO, style: str) -> None:
    """Neither arguments nor f-strings of libraries, nor the text of an exception, whoever logs it."""
    configure_logging("service", style=style, stream=stream)  # type: ignore[arg-type]
    plant(style)
    said = stream.getvalue()
    assert not [value for value in PLANTED if value in said]
    assert "invalid value %s in element" in said
    assert "(text withheld)" in said
    assert "ValueError" in said
    assert "READ_FAILED" in said


def test_every_line_is_one_document(stream: io.StringIO) -> None:
    """With time, level, process, place and what belongs together; a line end inside stays inside."""
    configure_logging("people-port", stream=stream)
    token = correlation.set("abc123")
    logging.getLogger("myofed.requests").info("GET %s\n%d", "/sites", 200)
    correlation.reset(token)
    logging.getLogger("myofed").warning("RUN_HUNG")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["message"], first["correlation"], first["level"]) == ("GET /sites\n200", "abc123", "INFO")
    assert (first["process"], first["logger"]) == ("people-port", "myofed.requests")
    assert first["where"].startswith("test_schemas_json_log:")
    assert first["at"].endswith("Z")
    assert (second["message"], "correlation" in second) == ("RUN_HUNG", False)


def test_text_has_one_line_a_record(stream: io.StringIO) -> None:
    """For people over a terminal."""
    configure_logging("runs", style=style_of("text"), stream=stream)
    logging.getLogger("myofed.runs").info("one\ntwo")
    assert stream.getvalue().count("\n") == 1
    assert "runs myofed.runs one two" in stream.getvalue()
    assert style_of("anything") == style_of(None) == "json"


def test_libraries_that_tell_every_request_are_quiet(stream: io.StringIO) -> None:
    """Their warnings are heard."""
    configure_logging("egress", stream=stream)
    logging.getLogger("httpx").info("HTTP Request: %s", "GET")
    logging.getLogger("httpx").warning("odd %s", "x")
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize("where", ["main", "thread"])
def test_unforeseen_error_ends_in_one_line_without_its_text(where: str) -> None:
    """Of a process, and of a thread: type and places, not the message."""
    code = (
        "import sys, threading\n"
        "from myofed_schemas.json_log import configure_logging\n"
        "configure_logging('runs')\n"
        f"def fail(): raise ValueError({PLANTED[0]!r})\n"
        + ("fail()" if where == "main" else "t = threading.Thread(target=fail); t.start(); t.join()")
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    (line,) = done.stderr.splitlines()
    assert PLANTED[0] not in line
    found = json.loads(line)
    assert (found["error"], found["level"], found["message"]) == (
        "ValueError",
        "CRITICAL",
        "ended by an unforeseen error",
    )


def test_unforeseen_error_of_process_or_thread_is_a_line_without_its_text(stream: io.StringIO) -> None:
    """An interruption from the keyboard is none; the error's own words never stand in the line."""
    configure_logging("service", stream=stream)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert stream.getvalue() == ""
    error = ValueError(PLANTED[0])
    sys.excepthook(ValueError, error, None)
    threading.excepthook(threading.ExceptHookArgs((ValueError, error, None, None)))
    lines = stream.getvalue().splitlines()
    assert [json.loads(line)["level"] for line in lines] == ["CRITICAL", "CRITICAL"]
    assert PLANTED[0] not in stream.getvalue()
