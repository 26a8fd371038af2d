"""Small servers on loopback, with real TLS, for what a node meets on its way to a coordinator."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class Authority:
    """A CA that signs server certificates of any time and name."""

    def __init__(self, name: str, *, start: datetime, days: int = 3650) -> None:
        self.name, self._key = name, ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, name, start, start + timedelta(days=days)).public_key(self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self.certificate = builder.add_extension(identifier, critical=False).sign(self._key, hashes.SHA256())

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def server(
        self, folder: Path, *, start: datetime, end: datetime, address: str = "127.0.0.1", name: str = "server"
    ) -> tuple[Path, Path]:
        """Files of a certificate for this address, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, self.name, start, end).public_key(key.public_key())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(names, critical=False).add_extension(identifier, critical=False)
        made = builder.sign(self._key, hashes.SHA256())
        (folder / "server.pem").write_bytes(made.public_bytes(Encoding.PEM))
        (folder / "server.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return folder / "server.pem", folder / "server.key"


def _builder(name: str, issuer: str, start: datetime, end: datetime) -> x509.CertificateBuilder:
    subject, signer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)]) for cn in (name, issuer))
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(signer)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)


@contextmanager
def tls_server(
    certificate: Path, key: Path, *, status: int = 200, reply: bytes = b"", clock: datetime | None = None
) -> Iterator[int]:
    """A server with this certificate and this clock in its Date header (none where None); gives its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.do_GET()

        def do_GET(self) -> None:
            self.send_response_only(status)
            if clock is not None:
                self.send_header("Date", format_datetime(clock, usegmt=True))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            return

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with _serving(server) as port:
        yield port


@contextmanager
def plain_server() -> Iterator[int]:
    """A server without TLS that refuses everything; gives its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            return

    with _serving(http.server.HTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield port


@contextmanager
def _serving(server: http.server.HTTPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
