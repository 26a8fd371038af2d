"""The client and proxies: what cannot be a proxy is refused without its password, then the ways through and around one."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from myofed_client import Coordinator
from myofed_schemas.errors import MyofedError

TOKEN = "secret-token-of-a-person"
NAME = "coordinator.invalid"
"""No name service knows it: whoever reaches it came through the proxy."""
ENVIRONMENT = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")


class Studies(BaseHTTPRequestHandler):
    """A coordinator without studies."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@dataclass
class Proxy:
    """A CONNECT proxy that leads every name to one port.

    Attributes:
        port: Of the coordinator behind it.
        heads: What it was told in the open.
        answer: Status of its answer.
    """

    port: int
    heads: list[str] = field(default_factory=list)
    answer: int = 200
    url: str = ""

    def handle(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (piece := client.recv(4096)):
            head += piece
        self.heads.append(head.decode("latin-1"))
        client.sendall(f"HTTP/1.1 {self.answer} said\r\n\r\n".encode())
        if self.answer != 200:
            return
        with socket.create_connection(("127.0.0.1", self.port)) as behind:
            back = threading.Thread(target=copy, args=(behind, client), daemon=True)
            back.start()
            copy(client, behind)
            back.join(5)


def copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65_536):
            target.sendall(piece)
    except OSError:
        return


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy but the test's."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    """A certificate for the name and for this machine, with its key behind it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    names = x509.SubjectAlternativeName([x509.DNSName(NAME), x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = (
        builder.not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "ca.pem"
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + plain)
    return path


@pytest.fixture
def coordinator_port(ca: Path) -> Iterator[int]:
    """Of a TLS server on loopback."""
    server = HTTPServer(("127.0.0.1", 0), Studies)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy(coordinator_port: int) -> Iterator[Proxy]:
    """On loopback."""
    made = Proxy(coordinator_port)

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            made.handle(self.request)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


def refusal(call: Callable[[], object]) -> MyofedError:
    with pytest.raises(MyofedError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("proxy_url", ["ftp://ann:pa55word@proxy.example", "http://ann:pa55word@proxy.example:port"])
@pytest.mark.parametrize("by", ["argument", "environment"])
def test_what_cannot_be_a_proxy_is_refused_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy_url: str, by: str
) -> None:
    """Neither in the message nor in what led to it."""
    if by == "environment":
        monkeypatch.setenv("HTTPS_PROXY", proxy_url)
    error = refusal(lambda: Coordinator(f"https://{NAME}", TOKEN, proxy=proxy_url if by == "argument" else None))
    assert error.code == "CLIENT_PROXY"
    assert "pa55word" not in f"{error} {error.__cause__}"
    assert error.__suppress_context__


def test_proxy_that_refuses_is_told_as_such(ca: Path, proxy: Proxy) -> None:
    """And nothing was said to it but where to."""
    proxy.answer = 403
    with Coordinator(f"https://{NAME}", TOKEN, ca=ca, proxy=proxy.url) as client:
        assert refusal(client.studies).code == "COORDINATOR_UNREACHABLE"
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT {NAME}:443 ")
    assert TOKEN not in head


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY", "proxy="])
def test_request_goes_through_the_proxy_that_is_named(
    monkeypatch: pytest.MonkeyPatch, ca: Path, proxy: Proxy, name: str
) -> None:
    """By the environment or by the argument; TLS to the coordinator itself, so that the proxy never sees the token."""
    if name != "proxy=":
        monkeypatch.setenv(name, proxy.url)
    with Coordinator(f"https://{NAME}", TOKEN, ca=ca, proxy=proxy.url if name == "proxy=" else None) as client:
        assert client.studies() == []
    (head,) = proxy.heads
    assert TOKEN not in head


@pytest.mark.parametrize("around", ["NO_PROXY", "proxy="])
def test_request_goes_around_the_proxy(
    monkeypatch: pytest.MonkeyPatch, ca: Path, proxy: Proxy, coordinator_port: int, around: str
) -> None:
    """Where NO_PROXY names the coordinator, or no proxy at all is asked for."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    if around == "NO_PROXY":
        monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    wanted = "" if around == "proxy=" else None
    with Coordinator(f"https://127.0.0.1:{coordinator_port}", TOKEN, ca=ca, proxy=wanted) as client:
        assert client.studies() == []
    assert proxy.heads == []


def test_password_of_a_proxy_is_in_no_repr() -> None:
    """Nor is the token."""
    with Coordinator(f"https://{NAME}", TOKEN, proxy="http://ann:pa55word@proxy.example:3128") as client:
        assert "pa55word" not in repr(client) + repr(vars(client))
