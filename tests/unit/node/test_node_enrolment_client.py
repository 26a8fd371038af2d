"""The one request before there is a certificate: to the invite's CA only, and always in the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from site_factories import NOW, demo_site
from tls_servers import plain_server, tls_server

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
def _office(site: Site, *, status: int = 200, reply: bytes = PENDING, clock: datetime = NOW) -> Iterator[int]:
    """A TLS server on loopback with the site's own loopback certificate; gives its port."""
    pair = (site.folder.loopback_certificate, site.folder.loopback_key)
    with tls_server(*pair, status=status, reply=reply, clock=clock) as port:
        yield port


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
    """Refused before the token leaves; the look at its certificate stands in the ledger, with no byte out."""
    other = demo_site(tmp_path / "b")
    with _office(other) as port:
        assert _code(site, _invite(port, site.folder.loopback_ca)) == "COORDINATOR_OTHER_CA"
    assert [(e.method, e.path, e.out_bytes) for e in read_ledger(site.folder.ledger)] == [("GET", "/health", 0)]


def test_absent_server_is_unreachable_and_in_the_ledger(site: Site) -> None:
    """Status 0: an attempt counts."""
    assert _code(site, _invite(9, site.folder.loopback_ca)) == "COORDINATOR_UNREACHABLE"
    assert [entry.status for entry in read_ledger(site.folder.ledger)] == [0]


def _said(site: Site, invite: Invite) -> str:
    with pytest.raises(MyofedError) as caught:
        post_enrolment(site, invite, BODY, now=NOW)
    return str(caught.value)


def test_way_that_is_closed_is_told_in_words(site: Site) -> None:
    """Nobody listening, a name that nobody knows, something that speaks no TLS: each with the mend."""
    assert "connection refused" in _said(site, _invite(9, site.folder.loopback_ca))
    nowhere = _invite(9, site.folder.loopback_ca).model_copy(update={"people_url": "https://nobody.invalid:8443"})
    assert "does not resolve" in _said(site, nowhere)
    with plain_server() as port:
        assert "does not speak TLS" in _said(site, _invite(port, site.folder.loopback_ca))


def test_proxy_that_refuses_is_told_apart_from_the_coordinator(site: Site) -> None:
    """The hospital's own proxy says no."""
    with plain_server() as port:
        config = site.config.model_copy(update={"outbound_proxy": f"http://127.0.0.1:{port}"})
        assert _code(Site(site.folder, config), _invite(9, site.folder.loopback_ca)) == "PROXY_REFUSED"


@pytest.mark.parametrize(("hours", "said"), [(-26, "CLOCK_AHEAD"), (26, "CLOCK_BEHIND")])
def test_clock_that_no_certificate_would_bear_is_told_exactly(site: Site, hours: int, said: str) -> None:
    """By the Date header of the coordinator's own answer; under an hour the doctor tells."""
    with _office(site, clock=NOW + timedelta(hours=hours)) as port:
        message = _said(site, _invite(port, site.folder.loopback_ca))
    assert said in message
    assert "1 days 2 h" in message
    assert "join again" in message
    with _office(site, clock=NOW + timedelta(minutes=50)) as port:
        assert post_enrolment(site, _invite(port, site.folder.loopback_ca), BODY, now=NOW).state == "pending"


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
