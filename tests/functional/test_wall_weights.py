"""Rounds whose weights move by reference: real processes, a line that is cut in the middle, and what is refused."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
import wall_harness as wall
from safetensors.numpy import load

from myofed_coordinator.config import split_address
from myofed_coordinator.runs.folder import RunFolder
from myofed_coordinator.studies.leads import Doer
from myofed_node.federation.ledger import read_ledger, verify_ledger
from myofed_schemas.study import Training
from myofed_schemas.study_options import Transport
from myofed_schemas.weights_transfer import largest_weights

pytestmark = pytest.mark.functional

SHA = hashlib.sha256(b"an update").hexdigest()
LARGE = {"net.weight": (1500, 1500), "net.bias": (4,)}


@dataclass
class CuttingLine:
    """A TCP relay in front of the sites' port that cuts each connection after so many bytes, a number of times."""

    target: tuple[str, int]
    after: int
    cuts: int
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def run(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.target)
            except OSError:
                near.close()
                continue
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self.relay, args=(one, other), daemon=True).start()

    def relay(self, source: socket.socket, sink: socket.socket) -> None:
        passed = 0
        try:
            while data := source.recv(65536):
                passed += len(data)
                if passed > self.after and self.cuts > 0:
                    self.cuts -= 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wall.Federation]:
    with wall.federation(tmp_path_factory.mktemp("f"), sites=2) as federation:
        yield federation


def large_study(it: wall.Federation, **changes: object) -> None:
    """Weights of 9 MB, by reference: several pieces a transfer."""
    from safetensors.numpy import save

    draw = np.random.default_rng(0)
    weights = save({name: draw.standard_normal(shape, np.float32) for name, shape in LARGE.items()})
    usual = wall.make_manifest(tuple(it.nodes), weights).training
    fast = {
        "learning_rate": 1.0,
        "learning_rate_end": 1.0,
    }  # the worker's steps of one must be plausible at the next round
    training = Training.model_validate({**usual.model_dump(), **fast})
    by = Transport(by="reference")
    manifest = wall.make_manifest(tuple(it.nodes), weights, transport=by, training=training, **changes)
    it.services.studies.create(manifest, weights, actor=Doer("test"), now=wall.now())
    for node in it.nodes.values():
        it.approve(node)


def ask(
    it: wall.Federation, node: wall.Node, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, bytes]:
    """A request at the sites' port with this node's certificate."""
    context = ssl.create_default_context(cafile=str(it.home.ca))
    context.load_cert_chain(node.site.folder.tls_certificate, node.site.folder.tls_key)
    host, port = split_address(it.services.config.sites)
    connection = http.client.HTTPSConnection(host, port, context=context, timeout=20)
    connection.request(method, path, body or None, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def put(
    it: wall.Federation, node: wall.Node, run: RunFolder, body: bytes, *, total: int = 0, sha: str = SHA
) -> tuple[int, bytes]:
    total = total or len(body)
    content_range = f"bytes 0-{len(body) - 1}/{total}"
    return ask(it, node, "PUT", f"/site/weights/{run.run_id}/{sha}", body, content_range=content_range)


def code(answer: tuple[int, bytes]) -> tuple[int, str]:
    return answer[0], json.loads(answer[1])["code"]


def test_rounds_by_reference_survive_a_line_that_is_cut(it: wall.Federation) -> None:
    """Every connection to the coordinator breaks off after 3 MB, six times; three rounds end with the exact mean."""
    target = split_address(it.services.config.sites)
    line = CuttingLine(target, after=3_000_000, cuts=6)
    threading.Thread(target=line.run, daemon=True).start()
    node = it.nodes["site-a"]
    link = node.site.folder.coordinator
    link.write_bytes(link.read_bytes().replace(f":{target[1]}".encode(), f":{line.port}".encode()))
    assert node.process is not None
    node.process.stop()
    node.up()
    wall.until(node.process.ready, seconds=60, what="site-a ready behind the line")
    large_study(it, rounds=3, min_sites=2)
    run = it.start_run()
    status = it.finish(run, seconds=120)
    assert (status.state, [report.errors for report in status.rounds]) == ("completed", [(), (), ()])
    assert line.cuts == 0
    first, last = load(run.initial_weights.read_bytes()), load(run.weights(3).read_bytes())
    for name in LARGE:
        np.testing.assert_allclose(last[name] - first[name], 3.0, atol=1e-5)
    entries = [e for e in read_ledger(node.site.folder.ledger) if e.path.startswith("/site/weights/")]
    size = run.initial_weights.stat().st_size
    assert sum(e.in_bytes for e in entries if e.method == "GET" and e.status == 206) >= 4 * size
    assert sum(e.out_bytes for e in entries if e.method == "PUT") >= 3 * size
    assert {e.study for e in entries} == {wall.STUDY}
    verify_ledger(node.site.folder.ledger)
    largest = max(e.in_bytes for e in read_ledger(node.site.folder.ledger) if e.kind == "engine")
    assert largest < 100_000  # Flower carried no weights


def test_what_is_not_this_sites_own_is_refused(it: wall.Federation) -> None:
    """Foreign reads, wrong digests, holes, oversize and ended runs; nothing of a refused upload stays."""
    one, other = it.nodes["site-a"], it.nodes["site-b"]
    ended = it.services.home.runs
    (first,) = [path for path in ended.iterdir() if path.name.startswith("run-")]
    assert code(put(it, one, RunFolder(first), b"an update")) == (404, "RUN_UNKNOWN")  # has ended
    for node in it.nodes.values():
        node.pace(30)
    run = it.start_run()
    wall.until(lambda: all(node.tasks() >= 5 for node in it.nodes.values()), seconds=60, what="tasks under way")
    path = f"/site/weights/{run.run_id}/{SHA}"
    assert put(it, one, run, b"an update")[0] == 200
    assert code(ask(it, other, "GET", path)) == (404, "WEIGHTS_UNKNOWN")  # nobody reads an update,
    assert code(ask(it, one, "GET", path)) == (404, "WEIGHTS_UNKNOWN")  # not the site that sent it either
    assert json.loads(ask(it, other, "GET", f"{path}/offset")[1]) == {"offset": 0, "complete": False}
    stranger = it.join("site-c")
    offered = hashlib.sha256(run.initial_weights.read_bytes()).hexdigest()
    assert code(ask(it, stranger, "GET", f"/site/weights/{run.run_id}/{offered}")) == (404, "RUN_UNKNOWN")
    assert code(put(it, stranger, run, b"an update")) == (404, "RUN_UNKNOWN")
    wrong = hashlib.sha256(b"other").hexdigest()
    assert code(put(it, other, run, b"an update", sha=wrong))[1] == "WEIGHTS_DIGEST"
    assert not list((run.root / "transit" / "in" / "site-b").iterdir())
    largest = largest_weights(run.manifest().manifest.state_dict)
    assert code(put(it, other, run, b"x", total=largest + 1)) == (413, "WEIGHTS_SIZE")
    late = ask(it, other, "PUT", path, b"an update", content_range="bytes 100-108/109")
    assert code(late) == (404, "WEIGHTS_UNKNOWN")  # nothing of it is under way
    assert code(ask(it, other, "PUT", path, b"an update")) == (416, "RANGE_INVALID")
    part = ask(it, one, "GET", f"/site/weights/{run.run_id}/{offered}", range="bytes=8-15")
    assert part == (206, run.initial_weights.read_bytes()[8:16])
    for node in (one, other):
        node.pace(0)
    assert it.finish(run, seconds=120).state == "completed"
