"""The executor's side: every way in which a worker can fail has a code."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from wire_examples import manifest

from myofed_node.learning.protocol import EvaluateRequest, PingRequest, Reply, read_frame, write_frame
from myofed_node.learning.worker_client import call, check_socket_path, ping
from myofed_schemas.errors import MyofedError


def worker_that(path: Path, behaves: Callable[[socket.socket], None]) -> None:
    """A listener on `path` that treats its first caller like this."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)

    def one() -> None:
        peer, _ = listener.accept()
        with listener, peer:
            behaves(peer)

    threading.Thread(target=one, daemon=True).start()


def hang_up(peer: socket.socket) -> None:
    read_frame(peer)


def stay_silent(peer: socket.socket) -> None:
    read_frame(peer)
    peer.recv(1)


def refuse(peer: socket.socket) -> None:
    read_frame(peer)
    write_frame(peer, Reply(code="WEIGHTS_SHAPE"))


def babble(peer: socket.socket) -> None:
    read_frame(peer)
    peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


def forget_the_state(peer: socket.socket) -> None:
    read_frame(peer)
    write_frame(peer, Reply(code="OK"))


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (hang_up, "FRAME_CUT"),
        (stay_silent, "WORKER_TIMEOUT"),
        (refuse, "WEIGHTS_SHAPE"),
        (babble, "FRAME_FORMAT"),
        (forget_the_state, "REPLY_INVALID"),
    ],
)
def test_failing_worker_is_a_code(tmp_path: Path, behaviour: Callable[[socket.socket], None], code: str) -> None:
    """Death, silence, refusal and nonsense are told apart."""
    worker_that(tmp_path / "s", behaviour)
    with pytest.raises(MyofedError) as refusal:
        ping(tmp_path / "s", timeout_s=0.3)
    assert refusal.value.code == code


@pytest.mark.parametrize(("stopped", "code"), [(True, "TRAINING_STOPPED"), (False, "WORKER_TIMEOUT")])
def test_stopped_site_hangs_up_on_its_worker(tmp_path: Path, stopped: bool, code: str) -> None:
    """A task under way is given up as soon as the switch is seen; without it the time limit holds as ever."""
    worker_that(tmp_path / "s", stay_silent)
    request = EvaluateRequest(manifest=manifest(), dataset="/nowhere", subjects=("a",))
    with pytest.raises(MyofedError) as refusal:
        call(tmp_path / "s", request, b"x", timeout_s=0.3, stop=lambda: stopped)
    assert refusal.value.code == code


def test_answer_of_a_worker_that_is_not_stopped_is_read(tmp_path: Path) -> None:
    """The switch is asked beside the answer, and does not stand in its way."""
    worker_that(tmp_path / "s", refuse)
    request = EvaluateRequest(manifest=manifest(), dataset="/nowhere", subjects=("a",))
    with pytest.raises(MyofedError) as refusal:
        call(tmp_path / "s", request, b"x", timeout_s=5, stop=lambda: False)
    assert refusal.value.code == "WEIGHTS_SHAPE"


def test_missing_worker_is_a_code(tmp_path: Path) -> None:
    """Nobody on the socket, or only its name."""
    with pytest.raises(MyofedError) as refusal:
        call(tmp_path / "s", PingRequest(), timeout_s=1)
    assert refusal.value.code == "WORKER_UNREACHABLE"
    assert str(tmp_path) not in str(refusal.value)


def test_socket_path_that_the_kernel_refuses_is_a_code(tmp_path: Path) -> None:
    """107 bytes are the limit; the message gives the length, not the path."""
    check_socket_path(Path("/" + "x" * 106))
    with pytest.raises(MyofedError) as refusal:
        check_socket_path(Path("/" + "x" * 107))
    assert refusal.value.code == "SOCKET_PATH_TOO_LONG"
    assert "xxx" not in str(refusal.value)


def test_client_needs_no_torch() -> None:
    """The executor's process never loads torch, MONAI or numpy through this module."""
    code = (
        "import sys, myofed_node.learning.worker_client, myofed_node.learning.network, myofed_node.learning.split;"
        "print(sorted({'torch', 'monai', 'numpy', 'nibabel'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_round_that_is_over_hangs_up_on_the_worker(tmp_path: Path) -> None:
    """Nobody waits for the answer any more: the worker's task ends with the connection."""
    worker_that(tmp_path / "s", stay_silent)
    request = EvaluateRequest(manifest=manifest(), dataset="/nowhere", subjects=("a",))
    with pytest.raises(MyofedError) as refusal:
        call(tmp_path / "s", request, timeout_s=20.0, over=lambda: True)
    assert refusal.value.code == "ROUND_OVER"
