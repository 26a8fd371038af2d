"""`myofed-demo`: parses, runs the story, prints what it showed, leaves no process behind."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import click
import typer
from rich.console import Console

from myofed_demo.federation import Federation
from myofed_demo.memory import PeakMemory
from myofed_demo.progress import Progress
from myofed_demo.result import DEMO_NOTE, print_tables
from myofed_demo.settings import SITE_NAMES, DemoOptions
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

DEFAULT_SUBJECTS = (14, 12, 10)
EPILOG = "Example: myofed-demo --seed 2 --json > demo.json"

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EPILOG)
def demo(
    sites: Annotated[int, typer.Option(min=1, max=len(SITE_NAMES), help="Number of hospitals.")] = 3,
    rounds: Annotated[int, typer.Option(min=1, max=200, help="Rounds of federated training.")] = 10,
    subjects: Annotated[str, typer.Option(help="Subjects per hospital, e.g. 14,12,10 (at least 5 each).")] = "",
    workdir: Annotated[Path | None, typer.Option(help="New or empty folder for everything it makes.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides patients and training.")] = 1,
    local_steps: Annotated[int, typer.Option(min=1, max=500, help="Optimiser steps of a site in a round.")] = 30,
    stay_up: Annotated[bool, typer.Option("--stay-up", help="Keep it running at the end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """A whole federation on this machine: synthetic patients, one coordinator, N hospitals, a trained model.

    Everything runs as separate processes over TLS on loopback. Ctrl-C at any moment leaves no process behind.
    """
    options = DemoOptions(
        workdir=_new_folder(workdir),
        sites=sites,
        rounds=rounds,
        subjects=_subjects(subjects, sites),
        seed=seed,
        local_steps=local_steps,
        stay_up=stay_up,
        json=as_json,
    )
    _run(options)


def _run(options: DemoOptions) -> None:
    from myofed_demo.story import tell

    progress = Progress()
    progress.say(DEMO_NOTE)
    progress.say(f"everything lies in {options.workdir}")
    federation = Federation(options, progress)
    try:
        with PeakMemory() as memory:
            result = tell(federation, peak_memory_mb=memory.megabytes)
        (options.workdir / "demo.json").write_text(json.dumps(result.document(), indent=1) + "\n")
        if options.json:
            print(json.dumps(result.document(), indent=1))  # noqa: T201  the document is the output
        else:
            print_tables(result, Console(stderr=True))
        if options.stay_up:
            _stay_up(federation)
    finally:
        _hold_signals()
        federation.close()


def _stay_up(federation: Federation) -> None:
    for name in federation.options.site_names:
        federation.start_node(name)
    federation.progress.say(f"coordinator: {federation.people_url}  (token: {federation.home}/keys/admin.token)")
    for name in federation.options.site_names:
        federation.progress.say(f"{name}: see 'myofed-node status --site {federation.site(name)}'")
    federation.progress.say("Ctrl-C ends it")
    while True:
        federation.check()
        time.sleep(1)


def _subjects(text: str, sites: int) -> tuple[int, ...]:
    if not text:
        return tuple(DEFAULT_SUBJECTS[n % len(DEFAULT_SUBJECTS)] for n in range(sites))
    parts = text.split(",")
    if len(parts) != sites or not all(part.strip().isdigit() and int(part) >= 5 for part in parts):
        raise typer.BadParameter(f"expected {sites} numbers of at least 5, e.g. {','.join(['12'] * sites)}")
    return tuple(int(part) for part in parts)


def _new_folder(chosen: Path | None) -> Path:
    folder = chosen or Path("demo-work") / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
    if folder.exists() and any(folder.iterdir()):
        raise typer.BadParameter(f"{folder} is not empty; name another --workdir")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _hold_signals() -> None:
    """From here on a second Ctrl-C does not cut the cleaning up short."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def main() -> None:
    """Entry point of the console script: errors become one message and an exit code, here and nowhere else."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        status = app(standalone_mode=False)
    except typer.Exit as done:
        status = done.exit_code
    except (KeyboardInterrupt, typer.Abort):
        status = ExitCode.INTERRUPTED
    except MyofedError as error:
        print(f"myofed-demo: {error}", file=sys.stderr)  # noqa: T201
        status = error.exit_code
    except click.ClickException as error:
        error.show()
        status = ExitCode.USAGE
    if status == ExitCode.INTERRUPTED:  # typer turns Ctrl-C into this exit status by itself
        print("stopped; no process was left behind", file=sys.stderr)  # noqa: T201
    sys.exit(int(status or 0))
