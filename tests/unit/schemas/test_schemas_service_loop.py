"""The loop of an `up` command."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from myofed_schemas import service_loop
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.service_loop import ServiceLoop, free_port, is_listening, only_one
from myofed_schemas.supervise import ChildSpec, Supervisor


def test_second_one_on_the_same_lock_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    """Also after the first ended with an error."""
    with only_one(tmp_path / "lock"), pytest.raises(MyofedError) as caught, only_one(tmp_path / "lock"):
        pass
    assert caught.value.code == "ALREADY_RUNNING"
    with pytest.raises(ZeroDivisionError), only_one(tmp_path / "lock"):
        raise ZeroDivisionError
    with only_one(tmp_path / "lock"):
        pass


def test_port_is_free_until_somebody_listens() -> None:
    """Nobody, then somebody."""
    port = free_port()
    assert not is_listening("127.0.0.1", port)
    with socket.create_server(("127.0.0.1", port)):
        assert is_listening("127.0.0.1", port)


def loop(tmp_path: Path, said: list[str]) -> ServiceLoop:
    child = ChildSpec(
        name="sleeper",
        argv=[sys.executable, "-c", "import time; time.sleep(60)"],
        environment={},
        log=tmp_path / "log",
        cwd=tmp_path,
    )
    return ServiceLoop([Supervisor([child])], tmp_path / "status.json", lambda: said.append("ready"))


def signal_when_ready(tmp_path: Path, pids: list[int]) -> None:
    status = tmp_path / "status.json"
    while not (status.exists() and "ready" in status.read_text()):
        time.sleep(0.02)
    pids.append(json.loads(status.read_text())["pids"]["sleeper"])
    os.kill(os.getpid(), signal.SIGTERM)


def test_children_run_until_a_signal_and_nothing_is_left(tmp_path: Path) -> None:
    """Said once that all is ready; the status tells the states and is gone at the end; handlers are as before."""
    said: list[str] = []
    pids: list[int] = []
    before = signal.getsignal(signal.SIGTERM)
    teller = threading.Thread(target=signal_when_ready, args=(tmp_path, pids))
    teller.start()
    assert loop(tmp_path, said).run() == ExitCode.DONE
    teller.join()
    assert said == ["ready"]
    assert not (tmp_path / "status.json").exists()
    assert signal.getsignal(signal.SIGTERM) == before
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_full_disk_does_not_stop_the_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The status cannot be written; the children go on."""
    said: list[str] = []

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(service_loop, "write_atomically", full)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    assert loop(tmp_path, said).run() == ExitCode.DONE
    assert said == ["ready"]
