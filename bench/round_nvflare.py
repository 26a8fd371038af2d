"""Rounds of NVFlare 2.9.0 for `bench round`: POC mode, mutual TLS, three clients, in an environment and a network of its own.

Its server listens on 0.0.0.0, so everything runs in a namespace whose only network is loopback.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from bench.round_watch import Rounds, family, timeline, watch

REPOSITORY = Path(__file__).parents[1]
ENVIRONMENT = REPOSITORY / ".venv-bench-nvflare"
PACKAGE = "nvflare==2.9.0"
JOB = Path(__file__).parent / "round_nvflare_job.py"
ENDS_WITHIN_S = 240


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
    python = environment()
    with tempfile.TemporaryDirectory(prefix="myofed-nvflare-", ignore_cleanup_errors=True) as folder:
        begins = Path(folder, "site-1.jsonl")
        # One round more than is counted: a round's end is seen as the begin of the next at the same client.
        arguments = [str(python), str(JOB), folder, kind, str(rounds + 1), str(steps), _our_packages()]
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

            return watch(lambda: timeline(begins)[1:], lambda: _processes(driver.pid, folder), rounds=rounds, lost=lost)
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
