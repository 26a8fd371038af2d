"""A seeded small sample of the demonstration: everything in it is real, only little is trained."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from proofs.demo import OFFLINE, run_demo, shortfalls_of_safety

SMALL = ("--sites", "2", "--rounds", "2", "--subjects", "5,5", "--local-steps", "2")


@pytest.fixture
def workdir() -> Iterator[Path]:
    """A short path: Unix sockets allow 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="mf-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def processes_of(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            mentions = any(str(folder) in word for word in process.cmdline())
            if mentions and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def offline_works() -> bool:
    return subprocess.run([*OFFLINE, "true"], capture_output=True).returncode == 0


@pytest.mark.functional
def test_small_federation_trains_and_nothing_but_what_may_leaves(workdir: Path) -> None:
    """With loopback as the only network: cards, rounds, models, an exact ledger, no leak, no process left."""
    document = run_demo(SMALL, workdir=workdir / "demo", offline=offline_works())
    assert shortfalls_of_safety(document) == []
    assert [r["round"] for r in document["rounds"]] == [1, 2]
    assert all(len(r["sites"]) == 2 for r in document["rounds"])
    assert document["catalog"]["subjects_at_least"] == 10
    assert set(document["dice"]["federated"]["per_site"]) == {"hospital-a", "hospital-b"}
    assert Path(document["model"]["path"]).exists()
    assert "DEMONSTRATION" in document["note"]
    assert processes_of(workdir) == []


@pytest.mark.functional
@pytest.mark.parametrize("after_s", [4.0, 20.0])
def test_interrupted_demonstration_leaves_no_process_behind(workdir: Path, after_s: float) -> None:
    """Ctrl-C while patients are made, and while services run."""
    program = str(Path(sys.executable).parent / "myofed-demo")
    demo = subprocess.Popen(
        [program, "--workdir", str(workdir / "demo"), *SMALL],
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
        # A shell starts background jobs with SIGINT ignored, and children inherit that: here somebody is at the keys.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  one thread
    )
    time.sleep(after_s)
    assert demo.poll() is None, "it ended before it could be interrupted"
    demo.send_signal(signal.SIGINT)
    _, said = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert "no process was left behind" in said
    assert processes_of(workdir) == []
