"""Children of `up`: restarted, ordered, stopped, never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from myofed_schemas.supervise import ChildSpec, Supervisor, die_with_parent


def spec(tmp_path: Path, name: str, code: str, **more: object) -> ChildSpec:
    return ChildSpec(
        name=name,
        argv=[sys.executable, "-c", code],
        environment=dict(os.environ),
        log=tmp_path / f"{name}.log",
        cwd=tmp_path,
        **more,  # type: ignore[arg-type]
    )


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


SLEEP = "import time; time.sleep(60)"


def test_killed_child_is_started_again(tmp_path: Path) -> None:
    """SIGKILL of a child costs a restart, not the service."""
    supervisor = Supervisor([spec(tmp_path, "a", SLEEP)])
    supervisor.step()
    first = supervisor.pids()["a"]
    os.kill(first, signal.SIGKILL)

    def restarted() -> bool:
        supervisor.step()
        return supervisor.pids().get("a", first) != first

    until(restarted)
    assert supervisor.states() == {"a": "ready"}
    supervisor.stop()
    assert supervisor.states() == {"a": "down"}


def test_later_child_waits_until_the_earlier_is_ready(tmp_path: Path) -> None:
    """Children start in order of need."""
    flag = tmp_path / "flag"
    supervisor = Supervisor([spec(tmp_path, "a", SLEEP, ready=flag.exists), spec(tmp_path, "b", SLEEP)])
    supervisor.step()
    assert (supervisor.states(), list(supervisor.pids())) == ({"a": "starting", "b": "down"}, ["a"])
    flag.touch()
    supervisor.step()
    assert supervisor.states() == {"a": "ready", "b": "ready"}
    supervisor.stop()


def test_child_that_was_never_started_is_no_obstacle_to_stopping(tmp_path: Path) -> None:
    """A service that is stopped while it still comes up ends like any other."""
    supervisor = Supervisor([spec(tmp_path, "a", SLEEP, ready=lambda: False), spec(tmp_path, "b", SLEEP)])
    supervisor.step()
    supervisor.stop()
    assert supervisor.states() == {"a": "down", "b": "down"}


def test_child_that_never_gets_ready_is_restarted(tmp_path: Path) -> None:
    """A hanging start does not hang the service for ever."""
    supervisor = Supervisor([spec(tmp_path, "a", SLEEP, ready=lambda: False, ready_timeout_s=0.05)])
    supervisor.step()
    first = supervisor.pids()["a"]

    def restarted() -> bool:
        supervisor.step()
        return supervisor.pids().get("a", first) != first

    until(restarted)
    supervisor.stop()


def test_child_that_ignores_sigterm_is_killed_with_its_own_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop means stopped: the child and what it started in its session."""
    monkeypatch.setattr("myofed_schemas.supervise.STOP_GRACE_S", 0.5)
    code = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "p = subprocess.Popen([sys.executable, '-c', 'import signal, time;"
        " signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)']);"
        "open('pid', 'w').write(str(p.pid)); time.sleep(60)"
    )
    supervisor = Supervisor([spec(tmp_path, "a", code)])
    supervisor.step()
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    grandchild = int((tmp_path / "pid").read_text())
    supervisor.stop()
    until(lambda: not alive(grandchild))
    assert supervisor.pids() == {}


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_sigkill_of_the_parent_takes_the_children_along(tmp_path: Path) -> None:
    """A killed `up` leaves no process."""
    code = (
        "import sys, os, time; from pathlib import Path; from myofed_schemas.supervise import *;"
        "s = Supervisor([ChildSpec('a', [sys.executable, '-c', 'import time; time.sleep(60)'], dict(os.environ),"
        " Path('a.log'), Path('.'))]); s.step(); open('pid', 'w').write(str(s.pids()['a'])); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    child = int((tmp_path / "pid").read_text())
    assert alive(child)
    parent.kill()
    parent.wait()
    until(lambda: not alive(child))


def test_die_with_parent_of_this_process_can_be_set_and_cleared() -> None:
    """A process may ask for it about itself; 0 clears it."""
    die_with_parent(0)
