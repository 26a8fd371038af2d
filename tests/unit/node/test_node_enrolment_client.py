"""The one request before there is a certificate: to the invite's CA only, and always in the ledger."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from site_factories import NOW, demo_site

from myofed_node.enrolment_client import MAX_REPLY_BYTES, post_enrolment
from myofed_node.federation.ledger import read_ledger
from myofed_node.site_setup import Site
from myofed_schemas.enrolment import EnrolmentReply, Invite
from myofed_schemas.errors import MyofedError

BODY = b'{"body": "request"}'
PENDING = EnrolmentReply(state="pending", code="PENDING").model_dump_json().encode()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return demo_site(tmp_path / "a")


@contextmanager
def _office(site: Site, *, status: int = 200, reply: bytes = PENDING) -> Iterator[int]:
    """A TLS server on loopback with the site's own loopback certificate; gives its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            return

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(site.folder.loopback_certificate, site.folder.loopback_key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def _invite(port: int, ca: Path) -> Invite:
    return Invite(
        site="alpha",
        people_url=f"https://127.0.0.1:{port}",
        sites_url="https://127.0.0.1:2",
        ca_pem=ca.read_text(),
        coordinator_key="a" * 64,
        token="t" * 43,
        expires_at="2026-01-02T00:00:00Z",
    )


def _code(site: Site, invite: Invite) -> str:
    with pytest.raises(MyofedError) as caught:
        post_enrolment(site, invite, BODY, now=NOW)
    return caught.value.code


def test_server_of_another_ca_gets_nothing(site: Site, tmp_path: Path) -> None:
    """TLS inspection or a wrong address: refused before the token leaves."""
    other = demo_site(tmp_path / "b")
    with _office(other) as port:
        assert _code(site, _invite(port, site.folder.loopback_ca)) == "COORDINATOR_NOT_TRUSTED"
    assert list(read_ledger(site.folder.ledger)) == []


def test_absent_server_is_unreachable_and_in_the_ledger(site: Site) -> None:
    """Status 0: an attempt counts."""
    assert _code(site, _invite(9, site.folder.loopback_ca)) == "COORDINATOR_UNREACHABLE"
    assert [entry.status for entry in read_ledger(site.folder.ledger)] == [0]


@pytest.mark.parametrize(
    ("status", "reply", "code"),
    [
        (500, b"", "ENROLMENT_REFUSED"),
        (200, b"<html>", "REPLY_INVALID"),
        (200, b"x" * (MAX_REPLY_BYTES + 9), "REPLY_INVALID"),
    ],
)
def test_answer_that_is_none_is_refused(site: Site, status: int, reply: bytes, code: str) -> None:
    """Neither a proxy's page nor an endless answer is used."""
    with _office(site, status=status, reply=reply) as port:
        assert _code(site, _invite(port, site.folder.loopback_ca)) == code


def test_exchange_stands_in_the_ledger(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is parsed; proxies of the environment are not used; bytes out are those of the body."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with _office(site) as port:
        assert post_enrolment(site, _invite(port, site.folder.loopback_ca), BODY, now=NOW).state == "pending"
    (entry,) = read_ledger(site.folder.ledger)
    assert (entry.kind, entry.path, entry.status, entry.out_bytes) == ("enrol", "/enrol", 200, len(BODY))
