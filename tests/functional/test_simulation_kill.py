"""Real processes: a simulated run killed at once, gone on with, and the same bits with other workers and Flower's engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "simulation"))
from simulation_factories import write_sites, write_study

pytestmark = [pytest.mark.functional, pytest.mark.slow]
PROGRAM = [sys.executable, "-c", "from myofed_simulation.cli import main; main()"]


def command(home: Path, out: str, *more: str) -> list[str]:
    data = [x for name in ("hospital-a", "hospital-b") for x in ("--sites", f"{name}={home}/data/{name}")]
    files = ["--study", f"{home}/study.yaml", "--weights", f"{home}/initial.safetensors"]
    return [*PROGRAM, "run", *files, *data, "--out", f"{home}/{out}", "--json", *more]


def weights_of(argv: list[str]) -> list[str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=280)
    return list(json.loads(done.stdout)["rounds_sha256"])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of six rounds and two sites' data."""
    folder = tmp_path_factory.mktemp("simulation")
    write_study(folder, rounds=6)
    write_sites(folder / "data", ("hospital-a", "hospital-b"))
    return folder


@pytest.fixture(scope="module")
def undisturbed(home: Path) -> list[str]:
    """Digests of the rounds' weights, one worker."""
    return weights_of(command(home, "whole", "--engine", "pool"))


def test_run_killed_by_sigkill_goes_on_to_the_same_bits_with_two_workers(home: Path, undisturbed: list[str]) -> None:
    """Killed as soon as a round is on disk; its worker processes end with it."""
    argv = command(home, "cut", "--engine", "pool", "--workers", "2")
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as run:
        while not list(home.glob("cut/run-*/round-0001.json")):
            assert run.poll() is None
            time.sleep(0.02)
        run.kill()
    deadline = time.monotonic() + 20
    while _alive(run.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _alive(run.pid)
    assert weights_of(argv) == undisturbed


@pytest.mark.skipif(find_spec("ray") is None, reason="the simulation extra is not installed")
def test_flowers_engine_gives_the_same_bits(home: Path, undisturbed: list[str]) -> None:
    """Real ray actors, two of them."""
    assert weights_of(command(home, "flower", "--engine", "flower", "--workers", "2")) == undisturbed


def _alive(group: int) -> bool:
    """Some process of this session is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
