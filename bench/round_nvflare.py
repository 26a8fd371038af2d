"""Rounds of NVFlare 2.9.0 for `bench round`: POC mode, mutual TLS, three clients, in an environment and a network of its own.

Its server listens on 0.0.0.0, so everything runs in a namespace whose only network is loopback.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.round_watch import LOOK_S, Rounds, family, timeline, watch

REPOSITORY = Path(__file__).parents[1]
ENVIRONMENT = REPOSITORY / ".venv-bench-nvflare"
PACKAGE = "nvflare==2.9.0"
JOB = Path(__file__).parent / "round_nvflare_job.py"
PACE_S = 4.0
"""A task of the round in which a site is killed takes this long, as in `round_ours`."""
KILL_LOOK_S = 120.0
"""Longest wait for the others to go on; the figure is at least this where they do not."""


def environment() -> Path:
    """The peer's own environment, made once; its `bin/python`."""
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / "complete").exists():
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", PACKAGE, "safetensors"], check=True)
        (ENVIRONMENT / "complete").touch()
    return python


def measure(*, kind: str, rounds: int, steps: int) -> Rounds:
    """So many rounds of one kind, in a federation started for them: `empty`, `unet` or `model100mb`."""
    # One round more than is counted: a round's end is seen as the begin of the next at the same client.
    with _job(kind, rounds=rounds + 1, steps=steps) as (folder, lost, processes):
        return watch(lambda: timeline(Path(folder, "site-1.jsonl"))[1:], processes, rounds=rounds, lost=lost)


def site_killed() -> float:
    """Seconds that a round lasts longer for the others when a whole site is killed in the middle of it.

    At least KILL_LOOK_S where they do not go on. The job needs its three clients, as everywhere here: with fewer, its controller
    leaves the others out of every round.
    """
    with _job("empty", rounds=4, steps=0, pace_s=PACE_S) as (folder, lost, processes):
        begins = Path(folder, "site-1.jsonl")
        _until(lambda: len(timeline(begins)) >= 2, lost, within_s=240.0)
        usual = timeline(begins)[1] - timeline(begins)[0]
        for process in processes():
            if "site-3" in " ".join(_words(process)):
                process.kill()
        _until(lambda: len(timeline(begins)) >= 3, lambda: "", within_s=KILL_LOOK_S + usual)
        came = timeline(begins)
        return (came[2] - came[1] if len(came) >= 3 else KILL_LOOK_S + usual) - usual


def _until(reached: Callable[[], bool], lost: Callable[[], str], *, within_s: float) -> None:
    """It is reached, or the time is over; the program ends where the job is lost."""
    end = time.monotonic() + within_s
    while not reached() and time.monotonic() < end:
        if why := lost():
            sys.exit(f"bench round: NVFlare's job is lost: {why}")
        time.sleep(LOOK_S)


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


@contextmanager
def _job(
    kind: str, *, rounds: int, steps: int, pace_s: float = 0.0
) -> Iterator[tuple[str, Callable[[], str], Callable[[], list[psutil.Process]]]]:
    """A federation with one job: its folder, why it was lost, and its processes."""
    python = environment()
    with tempfile.TemporaryDirectory(prefix="myofed-nvflare-", ignore_cleanup_errors=True) as folder:
        settings = {"rounds": rounds, "client": f"{steps} {_our_packages()} {pace_s}"}
        arguments = [str(python), str(JOB), folder, kind, json.dumps(settings)]
        command = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *arguments]
        variables = {
            "PATH": f"{python.parent}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": folder,
            "NVFLARE_POC_WORKSPACE": f"{folder}/poc",
            "OMP_NUM_THREADS": "1",
        }
        log = Path(folder, "driver.log")
        with log.open("wb") as stream:
            driver = subprocess.Popen(
                command, env=variables, cwd=folder, stdout=stream, stderr=stream, start_new_session=True
            )
        try:

            def lost() -> str:
                return "" if driver.poll() is None else log.read_text()[-2000:]

            yield folder, lost, lambda: _processes(driver.pid, folder)
        finally:
            for process in _processes(driver.pid, folder):
                process.kill()
            driver.wait()


def _processes(driver: int, folder: str) -> list[psutil.Process]:
    """The driver's family, and what of it was left to itself: it names the folder in its command line."""
    found = {process.pid: process for process in family(driver)}
    for process in psutil.process_iter(["cmdline"]):
        if any(folder in word for word in process.info["cmdline"] or ()):
            found[process.pid] = process
    return list(found.values())


def _our_packages() -> str:
    """Where torch and MONAI lie: the work is the same for all, so it runs on the same installation."""
    import monai

    return os.fspath(Path(monai.__file__).parents[1])
