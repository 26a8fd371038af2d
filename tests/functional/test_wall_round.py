"""One federation of real processes: rounds through sites' port, egress and executor, and what is refused on the way."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import wall_harness as wall
from safetensors.numpy import load

from myofed_coordinator.certificates import new_authority
from myofed_node.federation.egress_client import EgressClient
from myofed_node.federation.ledger import read_ledger, verify_ledger
from myofed_schemas.federation import FLEET_PATHS

pytestmark = pytest.mark.functional


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wall.Federation]:
    with wall.federation(tmp_path_factory.mktemp("f"), sites=2) as federation:
        wall.approved_study(federation, rounds=2)
        yield federation


def client_context(it: wall.Federation, certificate: tuple[Path, Path] | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(it.home.ca))
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context


def of(node: wall.Node) -> tuple[Path, Path]:
    return node.site.folder.tls_certificate, node.site.folder.tls_key


def ask(it: wall.Federation, context: ssl.SSLContext, request: bytes) -> int:
    """The status of a request sent byte for byte as given; 0 where the connection ended without an answer."""
    host, port = it.services.config.sites.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=host) as tls:
                tls.sendall(request)
                line = tls.recv(4096).split(b"\r\n")[0]
        except (ssl.SSLError, ConnectionError):
            return 0
    return int(line.split()[1]) if line else 0


def post(target: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"POST {target} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def node_key_header(node: wall.Node) -> str:
    import base64

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

    key = load_ssh_public_key(node.site.folder.flower_public_key.read_bytes())
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return f"flwr-public-key: {base64.b64encode(pem).decode()}"


FORBIDDEN = [
    "/v1/control/list-runs",
    "/v1/control/start-run",
    "/v1/runtime/acquire-task",
    "/v1/runtime/responses",
    "/docs",
    "/openapi.json",
    "/health",
    "/",
    "/v1/fleet/register-node",
    "/v1/fleet/unregister-node",
    "/v1/fleet/../control/start-run",
    "/v1/fleet/%2e%2e/control/start-run",
    "//v1/fleet/pull-messages",
    "/v1/fleet/pull-messages/",
    "/v1/fleet/pull-messages?x=1",
    "/v1/fleet/pull%2dmessages",
    "/V1/fleet/pull-messages",
    "http://127.0.0.1/v1/control/list-runs",
    "/site/../v1/control/list-runs",
    "/site/%2e%2e/v1/control/list-runs",
    "/site//heartbeat",
    "/site/heartbeat/",
    "/site/heartbeat?x=1",
    "/site/unknown",
    "/site",
    "/enrol",
    "/api/v1/sites",
]


@pytest.mark.parametrize("target", FORBIDDEN)
def test_path_that_is_not_listed_is_not_found_even_with_a_valid_certificate(it: wall.Federation, target: str) -> None:
    """Neither the engine's other paths nor any spelling of them exist at the sites' port."""
    node = it.nodes["site-a"]
    assert ask(it, client_context(it, of(node)), post(target, node_key_header(node))) == 404


@pytest.mark.parametrize("path", FLEET_PATHS)
def test_fleet_path_answers_no_get(it: wall.Federation, path: str) -> None:
    """The ten calls are POST, and nothing else."""
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    assert ask(it, client_context(it, of(it.nodes["site-a"])), request) == 404


def test_nobody_without_a_certificate_of_the_consortium_gets_an_answer(it: wall.Federation, tmp_path: Path) -> None:
    """No certificate, or one of a CA of the same name: the TLS handshake ends it, on every path."""
    rogue = new_authority("myofed consortium CA", now=wall.now())
    (tmp_path / "rogue.pem").write_bytes(rogue.certificate_pem)
    (tmp_path / "rogue.key").write_bytes(rogue.key_pem)
    for certificate in (None, (tmp_path / "rogue.pem", tmp_path / "rogue.key")):
        for path in ("/site/studies", FLEET_PATHS[0], "/docs"):
            assert ask(it, client_context(it, certificate), post(path)) == 0


def test_older_tls_is_refused(it: wall.Federation) -> None:
    """The sites' port speaks TLS 1.3 only."""
    context = client_context(it, of(it.nodes["site-a"]))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert ask(it, context, post("/site/heartbeat")) == 0


def test_certificate_of_one_site_with_the_node_key_of_another_is_refused(it: wall.Federation) -> None:
    """A stolen node key is of no use with another certificate, nor the other way round."""
    one, two = it.nodes["site-a"], it.nodes["site-b"]
    request = post(FLEET_PATHS[3], node_key_header(two))
    assert ask(it, client_context(it, of(one)), request) == 403
    assert ask(it, client_context(it, of(one)), post(FLEET_PATHS[3])) == 403
    unsigned = post(FLEET_PATHS[3], node_key_header(one), "Content-Type: application/protobuf")
    assert ask(it, client_context(it, of(one)), unsigned) in (400, 401), "the engine itself wants the key's signature"


def test_body_without_or_beyond_its_length_is_refused(it: wall.Federation) -> None:
    """A body must say how long it is, and 16 MiB is the most."""
    node = it.nodes["site-a"]
    context = client_context(it, of(node))
    chunked = f"POST {FLEET_PATHS[3]} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode()
    assert ask(it, context, chunked) == 411
    huge = f"POST {FLEET_PATHS[3]} HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 30}\r\n\r\n".encode()
    assert ask(it, context, huge) == 413


def local_ask(node: wall.Node, method: str, path: str, headers: dict[str, str]) -> int:
    address = json.loads(node.site.folder.egress_address.read_bytes())
    context = ssl.create_default_context(cafile=str(node.site.folder.loopback_ca))
    connection = http.client.HTTPSConnection("127.0.0.1", address["port"], context=context, timeout=10)
    connection.putrequest(method, path, skip_host=False)
    for name, value in {"Content-Length": "0", **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def test_egress_sends_nothing_but_what_is_listed_and_notes_what_it_refused(it: wall.Federation) -> None:
    """Another host, another path, a query, or /site/* without the local token: refused here, in the ledger, not sent."""
    node = it.nodes["site-a"]
    before = [e for e in read_ledger(node.site.folder.ledger) if e.kind == "refused"]
    refused = [
        ("POST", "/v1/control/list-runs", {}),
        ("POST", "/v1/fleet/pull-messages?x=1", {}),
        ("POST", "/v1/fleet/%2e%2e/control/start-run", {}),
        ("GET", "https://example.org/", {}),
        ("GET", "/site/studies", {}),
        ("GET", "/site/studies", {"x-myofed-local-token": "0" * 64}),
    ]
    assert [local_ask(node, *request) for request in refused] == [403] * len(refused)
    assert local_ask(node, "CONNECT", "example.org:443", {}) == 400, "ends in the HTTP server, before the application"
    after = [e for e in read_ledger(node.site.folder.ledger) if e.kind == "refused"]
    assert len(after) - len(before) == len(refused)
    assert all((e.status, e.out_bytes) == (0, 0) for e in after)
    assert EgressClient(node.site.folder).request("GET", "/site/studies").status == 200


def test_run_completes_and_both_sides_count_the_same_bytes(it: wall.Federation) -> None:
    """Two rounds end with every weight two higher; each site's ledger holds and adds up to the sites' port's log."""
    folder = it.start_run()
    status = it.finish(folder, seconds=60)
    assert (status.state, status.code) == ("completed", "OK")
    assert [report.sites for report in status.rounds] == [("site-a", "site-b")] * 2
    first, last = load(folder.initial_weights.read_bytes()), load(folder.weights(2).read_bytes())
    assert all(np.array_equal(last[name], first[name] + 2) for name in first)
    assert status.final is not None
    assert status.final.dice == 0.5
    wall.until(folder.closed.exists, seconds=10, what="model registered")
    assert it.services.models.show(str(status.model_sha256)).statement.run_id == folder.run_id
    for node in it.nodes.values():
        verify_ledger(node.site.folder.ledger)
        wall.until(lambda n=node: totals_agree(it, n), seconds=30, what=f"totals of {node.name}")


def totals_agree(it: wall.Federation, node: wall.Node) -> bool:
    """Requests that one side has finished and the other not yet are waited for by the caller."""
    lines = [json.loads(line) for line in it.home.sites_port_log.read_text().splitlines()]
    # The tests above speak to the port without the egress; the SuperNode's and the service's requests are compared.
    paths = ("/v1/fleet/push-messages", "/v1/fleet/push-object", "/v1/fleet/pull-object", "/v1/fleet/get-fab")
    port = [(x["path"], x["in_bytes"], x["out_bytes"]) for x in lines if x["site"] == node.name and x["path"] in paths]
    sent = [(e.path, e.out_bytes, e.in_bytes) for e in read_ledger(node.site.folder.ledger) if e.path in paths]
    return sorted(port) == sorted(sent) and len(sent) > 10


def test_everything_listens_on_loopback_only(it: wall.Federation) -> None:
    """No process of the coordinator or a node waits for connections from outside in this set-up."""
    processes = [it.process, *(node.process for node in it.nodes.values())]
    for process in processes:
        assert process is not None
        for member in process.family():
            for connection in member.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    assert connection.laddr.ip == "127.0.0.1"


def test_second_up_on_the_same_folder_is_refused(it: wall.Federation) -> None:
    """Two supervisors never share a folder."""
    node = it.nodes["site-a"]
    second = wall.start(
        [str(wall.HERE / "wall_node.py"), str(node.site.folder.root)], node.site.folder.root / "x" / "y"
    )
    assert second.popen.wait(30) != 0
