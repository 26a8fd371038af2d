"""A run in a process group of its own, to be killed at any moment: started, watched, and what it left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

TESTS = Path(__file__).parents[1]
GONE_SECONDS = 5.0
"""Within this time after its parent's death no worker is left."""

Tree = dict[str, tuple[bytes, int]]
"""Content and mode of every file by its path."""


def tree_of(folder: Path) -> Tree:
    """Every file below the folder."""
    paths = sorted(folder.rglob("*")) if folder.exists() else []
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in paths
        if path.is_file()
    }


@contextmanager
def started(module: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """`python -m module arguments` in a session of its own; nothing of it is left afterwards."""
    command = [sys.executable, "-W", "ignore", "-m", module, *map(str, arguments)]
    process = subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        yield process
    finally:
        if not is_gone(process.pid, seconds=0):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def finished(module: str, *arguments: object) -> int:
    """The exit status of an undisturbed run."""
    with started(module, *arguments) as process:
        process.communicate()
        return process.returncode


def seconds_after(module: str, *arguments: object, steps: int) -> float:
    """Seconds from the last of its steps to the end of an undisturbed run."""
    with started(module, *arguments) as process:
        read_until(process, steps)
        begin = time.monotonic()
        process.communicate()
        return time.monotonic() - begin


def read_until(process: subprocess.Popen[str], done: int) -> None:
    """Returns when so many steps are done, or the run has ended."""
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= done:
            return


def is_gone(group: int, *, seconds: float = GONE_SECONDS) -> bool:
    """Whether no process of this group lives after so many seconds; one that nobody has waited for yet is dead."""
    end = time.monotonic() + seconds
    while _alive(group):
        if time.monotonic() >= end:
            return False
        time.sleep(0.02)
    return True


def _alive(group: int) -> bool:
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
        except (psutil.Error, ProcessLookupError):
            continue
    return False
