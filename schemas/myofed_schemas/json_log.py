"""Logs of our processes: one JSON document a line, in codes and numbers; nothing of a person comes in by accident.

What our own loggers (`myofed.*`) say is written as it is: our code logs codes, ids and counts. Of other libraries only the
unformatted template is written, never what was to be put into it, and of an exception only its type and the places in the
code, never its text: either may quote a header, a path or a row.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, TextIO

Style = Literal["json", "text"]
OWN = "myofed"
WITHHELD = "(text withheld)"
PLACES = 8
"""Innermost places of a traceback that are told."""
QUIET = ("httpx", "httpcore", "asyncio")
"""Libraries that tell every request."""

correlation: ContextVar[str] = ContextVar("myofed_correlation", default="")
"""What belongs together over several lines, e.g. one request."""


class JsonLines(logging.Formatter):
    """One JSON document a record, without a line end inside."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        document: dict[str, object] = {
            "at": f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "process": self._process,
            "logger": record.name,
            "where": f"{record.module}:{record.lineno}",
            "message": said(record),
        }
        if together := correlation.get():
            document["correlation"] = together
        if record.exc_info and record.exc_info[0] is not None:
            document["error"] = record.exc_info[0].__name__
            document["places"] = places(record.exc_info[2])
        return json.dumps(document, ensure_ascii=False)


class TextLines(JsonLines):
    """The same for people who read over a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        parts = json.loads(super().format(record))
        rest = " ".join(str(parts[key]) for key in ("correlation", "error", "places") if key in parts)
        line = f"{parts['at']} {parts['level']} {parts['process']} {parts['logger']} {parts['message']} {rest}".rstrip()
        return line.replace("\n", " ")


def said(record: logging.LogRecord) -> str:
    """What may be written of the record's message."""
    if record.name == OWN or record.name.startswith(f"{OWN}."):
        return record.getMessage()
    return str(record.msg) if record.args and isinstance(record.msg, str) else WITHHELD


def places(trace: TracebackType | None) -> list[str]:
    """File and line of the innermost calls; no value, no line of code."""
    return [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(trace)[-PLACES:]]


def configure_logging(process: str, *, style: Style = "json", stream: TextIO | None = None) -> None:
    """Everything that this process logs, and an exception that ends it or a thread, is a line on the stream.

    Args:
        process: Its name in every line.
        style: JSON, or plain text.
        stream: Standard error where None.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(process) if style == "json" else TextLines(process))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    log = logging.getLogger(OWN)

    def died(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            log.critical("ended by an unforeseen error", exc_info=(kind, value, trace))

    def thread_died(arguments: threading.ExceptHookArgs) -> None:
        died(arguments.exc_type, arguments.exc_value or arguments.exc_type(), arguments.exc_traceback)

    sys.excepthook = died
    threading.excepthook = thread_died


def style_of(text: str | None) -> Style:
    """The style that a setting or an environment variable names; JSON where it names none."""
    return "text" if text == "text" else "json"
