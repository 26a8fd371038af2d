"""Runs the products' own commands, as a person would, and reads the JSON document each prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.supervise import die_with_parent

ALLOWED = (ExitCode.DONE, ExitCode.WITHHELD)
"""A site may quarantine a series (the demo plants one) and the command has still done its work."""


def environment(workdir: Path) -> dict[str, str]:
    """The environment of every process of the demo: nothing of the caller's but the path, nobody phones home."""
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": str(workdir),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": os.environ.get("PYTHONDONTWRITEBYTECODE", ""),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "NO_PROXY": "*",
    }


class Commands:
    """Starts commands from several threads and can stop all that run."""

    def __init__(self, workdir: Path) -> None:
        self._environment = environment(workdir)
        self._log = workdir / "commands.log"
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def run(self, program: str, *arguments: str | Path) -> Any:
        """The JSON document that `program arguments --json` printed.

        Raises:
            MyofedError: DEMO_COMMAND: the exit status is neither 0 nor "something was withheld".
        """
        process = self._start([str(Path(sys.executable).parent / program), *map(str, arguments), "--json"])
        out, err = process.communicate()
        with self._lock:
            self._running.discard(process)
            with self._log.open("a") as log:
                log.write(f"$ {program} {' '.join(map(str, arguments))}\nexit {process.returncode}\n{err}\n")
        if process.returncode not in ALLOWED:
            raise MyofedError(
                "DEMO_COMMAND",
                f"'{program} {arguments[0]}' ended with exit code {process.returncode}: {_last_lines(err)}",
                hint=f"The whole output is in {self._log}.",
            )
        return json.loads(out) if out.strip() else {}

    def stop(self) -> None:
        """No command runs any more and none will start."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.kill()

    def _start(self, argv: Sequence[str]) -> subprocess.Popen[str]:
        with self._lock:
            if self._stopped:
                raise MyofedError("DEMO_STOPPED", "The demonstration is being stopped.", exit_code=ExitCode.INTERRUPTED)
            process = subprocess.Popen(
                argv,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509  one C call; a killed demo leaves no process
            )
            self._running.add(process)
            return process


def _last_lines(text: str, count: int = 3) -> str:
    return " | ".join(line.strip() for line in text.strip().splitlines()[-count:]) or "no message"


class Service:
    """One `up` command, running until stopped."""

    def __init__(self, argv: Sequence[str], *, log: Path, variables: Mapping[str, str]) -> None:
        self._name = argv[0]
        self._log = log
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                [str(Path(sys.executable).parent / argv[0]), *argv[1:]],
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509  one C call; a killed demo leaves no process
            )

    def check(self) -> None:
        """The service still runs.

        Raises:
            MyofedError: DEMO_SERVICE: it ended by itself.
        """
        if (status := self._process.poll()) is not None:
            raise MyofedError(
                "DEMO_SERVICE",
                f"'{self._name} up' ended with exit code {status}.",
                hint=f"Its output is in {self._log}.",
            )

    def ask_to_stop(self) -> None:
        """SIGTERM has been sent."""
        if self._process.poll() is None:
            self._process.terminate()

    def stop(self, grace_s: float = 25.0) -> None:
        """The service and its children have ended (killed after the grace)."""
        self.ask_to_stop()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
