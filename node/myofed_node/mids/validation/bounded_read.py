"""Reading files of unknown origin: regular files only, up to a size, and JSON with all that a parser would swallow."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

MOST_TEXT_BYTES = 16 * 2**20
"""A sidecar has a few kilobytes; the largest header dump of the reference implementation that we have seen, one megabyte."""


class UnreadableError(ValueError):
    """The file is not read; the message says why and never what stands in it."""


def open_regular(path: Path) -> BinaryIO:
    """The open file; a pipe or a device is refused without waiting for whoever writes to it.

    Raises:
        UnreadableError: No such file, no permission, or no regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UnreadableError(f"a file that cannot be opened ({error.strerror})") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnreadableError("no regular file")
    return os.fdopen(descriptor, "rb")


def read_text(path: Path) -> str:
    """All text of the file, UTF-8 with or without byte order mark.

    Raises:
        UnreadableError: What `open_regular` refuses, more than 16 MiB, or no UTF-8.
    """
    try:
        with open_regular(path) as stream:
            content = stream.read(MOST_TEXT_BYTES + 1)
        if len(content) > MOST_TEXT_BYTES:
            raise UnreadableError("more than 16 MiB")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableError("text that is no UTF-8") from None
    except OSError as error:
        raise UnreadableError(f"a file that cannot be read ({error.strerror})") from None


def read_table(path: Path) -> list[list[str]]:
    """Rows of a TSV, without empty ones.

    Raises:
        UnreadableError: What `read_text` refuses.
    """
    return [line.split("\t") for line in read_text(path).splitlines() if line.strip()]


@dataclass(frozen=True)
class JsonFile:
    """A JSON file as it stands there.

    Attributes:
        value: What it says; None where it is unreadable.
        problem: Why it is unreadable; empty where it is not.
        repeated: Keys that stand twice in one object; readers keep one of the two values, each its own.
        no_numbers: NaN, Infinity or -Infinity, which are no JSON (RFC 8259, section 6).
    """

    value: object = None
    problem: str = ""
    repeated: tuple[str, ...] = ()
    no_numbers: tuple[str, ...] = ()


@dataclass
class _Oddities:
    repeated: set[str] = field(default_factory=set)
    no_numbers: set[str] = field(default_factory=set)

    def pairs(self, items: list[tuple[str, object]]) -> dict[str, object]:
        content = dict(items)
        if len(content) < len(items):
            keys = [key for key, _ in items]
            self.repeated |= {key for key in content if keys.count(key) > 1}
        return content

    def constant(self, name: str) -> float:
        self.no_numbers.add(name)
        return float(name)


def read_json(path: Path) -> JsonFile:
    """The JSON file at `path`, whatever it is; nothing is raised."""
    odd = _Oddities()
    try:
        value = json.loads(read_text(path), object_pairs_hook=odd.pairs, parse_constant=odd.constant)
    except UnreadableError as error:
        return JsonFile(problem=str(error))
    except RecursionError:
        return JsonFile(problem="objects nested too deep")
    except json.JSONDecodeError as error:
        return JsonFile(problem=f"no JSON (line {error.lineno})")
    except ValueError:
        return JsonFile(problem="a number of thousands of digits")
    return JsonFile(value, "", tuple(sorted(odd.repeated)), tuple(sorted(odd.no_numbers)))
