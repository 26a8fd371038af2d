"""A short sample of the proof `federation-links`: real processes in network namespaces, one bad line between them."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import wall_harness as wall
from proofs import federation_links
from proofs.link_judge import faults_of, faults_of_the_fault, measured
from proofs.link_plant import approved_study, plant
from proofs.link_watch import Cut, Seen, follow
from proofs.links import TESTS, Fault, why_no_links
from safetensors.numpy import load, save

from myofed_coordinator.runs.folder import RunFolder
from myofed_node.federation.ledger import verify_ledger

pytestmark = [pytest.mark.functional, pytest.mark.slow]

SITES = ("site-a", "site-b")
SHAPE = (1500, 1500)
"""9 MB, several pieces a transfer."""
BAD = Fault(mbit=20, loss=0.02, delay_s=0.05, cut_s=2)
STEPS_OF_ONE = {"learning_rate": 1.0, "learning_rate_end": 1.0, "local_steps": 3}
"""The fake worker adds one to every number, and that must be plausible."""


@pytest.fixture(scope="module")
def refused() -> str:
    """What this host refuses of what the lines need; empty where it refuses nothing."""
    return why_no_links()


def test_a_host_without_namespaces_fails_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing tried is no pass: the failure names the program that is missing."""
    monkeypatch.setenv("PATH", "/nonexistent")
    tried, failed = federation_links.links()
    assert tried == []
    assert len(failed) == 1
    assert "unshare" in failed[0]


def test_a_fault_that_was_not_there_fails_the_proof(tmp_path: Path) -> None:
    """A fast, lossless, prompt line that was never cut passes for none of the faults, and a bad cut is named."""
    clean = Seen(RunFolder(tmp_path), "site-a", Fault(), 9.0, 0.01, (1, 1), (90.0, 80.0), (0.0, 0.0), ())
    assert faults_of_the_fault(clean) == []
    for fault, words in (
        (Fault(mbit=10), ["90.0 Mbit/s from", "80.0 Mbit/s to"]),
        (Fault(mbit=400), ["at most", "at most"]),
        (Fault(loss=0.02), ["0.00 % of the packets from", "0.00 % of the packets to"]),
        (Fault(delay_s=0.2), ["a handshake took 0.010 s"]),
        (Fault(cut_s=60), ["not cut once each way"]),
    ):
        found = faults_of_the_fault(replace(clean, fault=fault))
        assert len(found) == len(words)
        assert all(word in text for word, text in zip(words, found, strict=True))
    cuts = (Cut("download", 99, 100, 7, 59.0, 61.0), Cut("upload", 50, 100, 0, 60.0, 1.0))
    found = faults_of_the_fault(replace(clean, fault=Fault(cut_s=60), cuts=cuts))
    words = ["mid-transfer", "7 bytes passed", "59.0 s", "61.0 s from healing"]
    assert len(found) == len(words)
    assert all(word in text for word, text in zip(words, found, strict=True))


def test_everything_waits_in_the_delaying_proxy_and_nothing_changes() -> None:
    """A megabyte there and back takes the delay twice, and is the same; the end of it passes as well."""
    content = bytes(range(256)) * 4096
    with socket.create_server(("127.0.0.1", 0)) as echo, socket.create_server(("127.0.0.1", 0)) as free:
        port, target = free.getsockname()[1], echo.getsockname()[1]
        free.close()

        def serve() -> None:
            peer, _ = echo.accept()
            with peer:
                received = bytearray()
                while data := peer.recv(65536):
                    received += data
                peer.sendall(received)

        threading.Thread(target=serve, daemon=True).start()
        argv = [sys.executable, "-m", "proofs.delaying_proxy", str(port), "127.0.0.1", str(target), "0.3"]
        with subprocess.Popen(argv, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as proxy:
            assert proxy.stdin is not None
            assert proxy.stdout is not None
            assert proxy.stdout.readline() == b"ready\n"
            with socket.create_connection(("127.0.0.1", port), timeout=30) as near:
                began = time.monotonic()
                near.sendall(content)
                near.shutdown(socket.SHUT_WR)
                back = bytearray()
                while data := near.recv(65536):
                    back += data
                took = time.monotonic() - began
            proxy.stdin.close()
            assert proxy.wait(10) == 0
    assert bytes(back) == content
    assert took >= 0.6


def test_weights_pass_a_line_that_is_slow_lossy_late_and_cut(tmp_path: Path, refused: str) -> None:
    """20 Mbit/s, 2 % loss, 50 ms each way, a cut of 2 s in the download and in the upload: the exact mean, whole ledgers."""
    if refused:
        pytest.skip(f"this host gives no lines between network namespaces: {refused}")
    draw = np.random.default_rng(0)
    weights = save({"net.weight": draw.standard_normal(SHAPE, np.float32), "net.bias": np.zeros(4, np.float32)})
    with plant(tmp_path, SITES, start=wall.Node.up) as made:
        approved_study(made, wall.STUDY, weights=weights, rounds=1, training=STEPS_OF_ONE)
        seen = follow(made.it, made.lines["site-b"], BAD, study=wall.STUDY, site="site-b", size=len(weights))
        figures = measured(made.it, seen, size=len(weights))
        assert faults_of(made.it, seen, sites=SITES, rounds=1) == [], figures
        first, last = load(weights), load(seen.run.weights(1).read_bytes())
        for node in made.it.nodes.values():
            verify_ledger(node.site.folder.ledger)
    for name in first:
        np.testing.assert_allclose(last[name] - first[name], 1.0, atol=1e-5)
    assert [cut["way"] for cut in figures["cuts"]] == ["download", "upload"]
    assert figures["weights_fetched"] >= 2  # the round's, and the last model to evaluate it
    assert figures["weights_sent"] >= 1
