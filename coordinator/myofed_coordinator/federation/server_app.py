"""The coordinator's ServerApp, a process entry point: finds the run's folder and runs its rounds."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from myofed_coordinator.federation.collect import Pace
from myofed_coordinator.federation.grid_engine import GridEngine
from myofed_coordinator.federation.idle import IdleNodes
from myofed_coordinator.federation.news import Doze, News
from myofed_coordinator.federation.rounds import RoundLoop
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.clock import system_now
from myofed_schemas.errors import MyofedError
from myofed_schemas.supervise import die_with_parent

HOME_VARIABLE = "MYOFED_HOME"
RUN_ID = re.compile(r"run-[a-z0-9]{8,32}")

app = ServerApp()


@dataclass(frozen=True)
class SystemClock:
    """This machine's time."""

    def monotonic(self) -> float:
        """Seconds, never going back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """This much later."""
        time.sleep(seconds)

    def now(self) -> datetime:
        """UTC, aware."""
        return system_now()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """The run named in the run-config has ended, and its folder says how.

    Raises:
        MyofedError: RUN_ID, RUN_LOCKED, or why the run failed.
    """
    die_with_parent()
    home = HomeFolder(Path(os.environ[HOME_VARIABLE]))
    folder = RunFolder(home.run_folder(_run_id(context)))
    engine = GridEngine(grid, announce=News(home.news).announce, runs=home.runs, idle=IdleNodes(home.idle))
    with folder.locked():
        doze = Doze(News(home.replies), sleep=time.sleep)
        RoundLoop(folder, engine, Pace(SystemClock(), doze)).run()


def _run_id(context: Context) -> str:
    run_id = str(context.run_config["run-id"])
    if RUN_ID.fullmatch(run_id) is None:
        raise MyofedError("RUN_ID", "expected a run's id in the run-config, found something else")
    return run_id
