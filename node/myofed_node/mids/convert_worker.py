"""The process that converts sessions for `convert`: one after the other, over one inherited socket, ended with its parent.

The setup and the tasks come pickled, parent to child only; back come JSON documents. Nothing else is printed: a traceback could
hold what stands in a header.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import sys
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from myofed_node.mids.kept_memory import keep_freed_memory
from myofed_node.mids.series_writer import RunFacts
from myofed_node.mids.session import convert_session
from myofed_node.mids.session_task import ConvertOptions, Judged, SessionTask, Tell
from myofed_schemas.conversion import SeriesOutcome
from myofed_schemas.errors import MyofedError
from myofed_schemas.supervise import die_with_parent

OOM_SCORE = "500"
"""Of -1000..1000: where memory runs out the kernel ends this process, which costs one series, before others."""


@dataclass(frozen=True)
class Setup:
    """What a worker needs for all sessions of a run."""

    run: RunFacts
    options: ConvertOptions


class Told(BaseModel):
    """What a worker tells: where it is, a session's outcomes, or why it cannot go on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["begun", "done", "session", "fault", "failed"]
    uid: str = ""
    series_numbers: tuple[int, ...] = ()
    outcomes: tuple[SeriesOutcome, ...] = ()
    rules: tuple[tuple[int, ...], ...] = ()
    fault: str = ""
    """Type and place in our code of an error that no series should cause; never its text."""
    code: str = ""
    message: str = ""
    hint: str = ""
    exit_code: int = 1

    def judged(self) -> list[Judged]:
        """The outcomes of a session."""
        return [Judged(*one) for one in zip(self.series_numbers, self.outcomes, self.rules, strict=True)]


def serve(connection: Connection) -> None:
    """Converts what comes until the parent closes the connection."""
    setup: Setup = connection.recv()

    def tell(told: Told) -> None:
        connection.send_bytes(told.model_dump_json(exclude_defaults=True).encode())

    tell(Told(kind="done"))
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        tell(_answer(task, setup, lambda what, uid: tell(Told(kind="begun" if what == "begun" else "done", uid=uid))))


def _answer(task: SessionTask, setup: Setup, tell: Tell) -> Told:
    try:
        judged = convert_session(task, setup.run, setup.options, tell=tell)
    except MyofedError as error:
        return Told(
            kind="failed", code=error.code, message=error.message, hint=error.hint, exit_code=int(error.exit_code)
        )
    except OSError as error:
        found = error.strerror or "no reason given"
        return Told(
            kind="failed", code="SYSTEM_ERROR", message=f"expected the operating system to obey, found: {found}"
        )
    except Exception as error:  # noqa: BLE001  a defect met by one series must not stop the others; told by type and place only
        return Told(kind="fault", fault=f"{type(error).__name__} at {_place(error)}")
    return Told(
        kind="session",
        series_numbers=tuple(one.series_number for one in judged),
        outcomes=tuple(one.outcome for one in judged),
        rules=tuple(one.rules for one in judged),
    )


def _place(error: Exception) -> str:
    """File and line of our code that met the error."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "myofed_node" in frame.filename]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"


def main(arguments: list[str]) -> None:
    """A worker on the inherited socket with this number.

    Args:
        arguments: File descriptor.
    """
    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold a patient's images
    with contextlib.suppress(OSError):  # not every kernel has it
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    keep_freed_memory()
    serve(Connection(int(arguments[0])))


if __name__ == "__main__":  # pragma: no cover  what the pool starts; its tests see it at work
    main(sys.argv[1:])
