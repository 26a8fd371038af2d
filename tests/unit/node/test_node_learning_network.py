"""A child without a network has none: tried, not assumed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from myofed_node.learning import network
from myofed_node.learning.network import Isolation, find_isolation, visible_network, without_network

needs_namespaces = pytest.mark.skipif(
    find_isolation() is Isolation.NONE, reason="this host allows no network namespace (unshare -n, unshare -rn)"
)


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = without_network([sys.executable, "-c", code, *arguments], isolation=find_isolation())
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@needs_namespaces
def test_loopback_of_the_host_is_out_of_reach() -> None:
    """A server that listens on 127.0.0.1 here cannot be reached from inside."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), timeout=5)"
        outcome = python(code, str(server.getsockname()[1]))
    assert outcome.returncode != 0
    assert "OSError" in outcome.stderr or "unreachable" in outcome.stderr


@needs_namespaces
def test_unix_socket_of_the_host_still_works(tmp_path: Path) -> None:
    """The worker's own door is a path, not an address."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)
        threading.Thread(target=lambda: server.accept()[0].sendall(b"hello"), daemon=True).start()
        code = (
            "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.recv(5).decode())"
        )
        assert python(code, str(path)).stdout.strip() == "hello"


@needs_namespaces
def test_process_inside_sees_that_it_has_no_network() -> None:
    """What the worker answers to a ping is true on both sides of the wall."""
    code = "from myofed_node.learning.network import visible_network; print(visible_network())"
    assert python(code).stdout.strip() == "none"


@needs_namespaces
def test_child_keeps_the_process_id_of_the_command() -> None:
    """The supervisor's signal reaches the worker itself, not a wrapper."""
    command = without_network([sys.executable, "-c", "import os; print(os.getpid())"], isolation=find_isolation())
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert int(child.communicate(timeout=60)[0]) == child.pid


def test_host_without_unshare_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no way works the answer is NONE, and the command stays as it was."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert find_isolation() is Isolation.NONE
    assert without_network(["true"], isolation=Isolation.NONE) == ["true"]


def test_way_that_fails_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused `unshare -n` leads to the next way."""
    monkeypatch.setattr(network, "_works", lambda way: way is Isolation.USER)
    assert find_isolation() is Isolation.USER
    assert without_network(["a", "b"], isolation=Isolation.USER) == ["unshare", "-r", "-n", "--", "a", "b"]


@pytest.mark.skipif(not Path("/proc/net/dev").exists(), reason="needs Linux")
def test_this_process_sees_the_state_of_its_own_interfaces() -> None:
    """Present exactly where an interface of this namespace is up, by `ip`-independent evidence: connecting to oneself."""
    with socket.create_server(("127.0.0.1", 0)) if visible_network() == "present" else open(os.devnull) as server:
        if visible_network() == "present":
            socket.create_connection(server.getsockname(), timeout=5).close()
        else:
            with pytest.raises(OSError):
                socket.create_connection(("127.0.0.1", 9), timeout=5)
