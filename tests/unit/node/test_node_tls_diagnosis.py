"""What is wrong with the server's certificate, over real TLS: each fault has its own code, its figure and its mend."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from site_factories import demo_site
from tls_servers import Authority, tls_server

from myofed_node.enrolment_client import post_enrolment
from myofed_node.federation.ledger import read_ledger
from myofed_node.site_setup import Site
from myofed_node.tls_diagnosis import diagnosed, look_at_server
from myofed_schemas.clock import system_now
from myofed_schemas.enrolment import Invite
from myofed_schemas.errors import MyofedError

DAY = timedelta(days=1)
TOKEN = "t" * 43


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return demo_site(tmp_path / "a")


@pytest.fixture
def now() -> datetime:
    """OpenSSL judges by this machine's clock."""
    return system_now().replace(microsecond=0)


def said(site: Site, port: int, ca: Authority, *, now: datetime) -> MyofedError:
    invite = Invite(
        site="alpha",
        people_url=f"https://127.0.0.1:{port}",
        sites_url="https://127.0.0.1:2",
        ca_pem=ca.pem,
        coordinator_key="a" * 64,
        token=TOKEN,
        expires_at="2036-01-02T00:00:00Z",
    )
    with pytest.raises(MyofedError) as caught:
        post_enrolment(site, invite, TOKEN.encode(), now=now)
    entries = list(read_ledger(site.folder.ledger))
    assert [(e.method, e.path, e.out_bytes) for e in entries] == [("GET", "/health", 0)]
    return caught.value


def test_clock_behind_is_told_with_its_figure(site: Site, tmp_path: Path, now: datetime) -> None:
    """The certificate is of tomorrow, and the server's clock says that it is the day after."""
    ca = Authority("myofed consortium CA", start=now - DAY)
    pair = ca.server(tmp_path, start=now + DAY, end=now + 900 * DAY)
    with tls_server(*pair, clock=now + 2 * DAY + timedelta(hours=3)) as port:
        error = said(site, port, ca, now=now)
    assert error.code == "CLOCK_BEHIND"
    assert "found this machine's clock 2 days 3 h behind" in error.message
    assert "timedatectl" in error.hint


def test_clock_ahead_is_told_with_its_figure(site: Site, tmp_path: Path, now: datetime) -> None:
    """By this machine's clock the certificate has ended; by the server's it has not."""
    ca = Authority("myofed consortium CA", start=now - 900 * DAY)
    pair = ca.server(tmp_path, start=now - 826 * DAY, end=now - DAY)
    with tls_server(*pair, clock=now - 5 * DAY) as port:
        error = said(site, port, ca, now=now)
    assert error.code == "CLOCK_AHEAD"
    assert "found this machine's clock 5 days ahead of it" in error.message


@pytest.mark.parametrize("clock", [timedelta(), None])
def test_certificate_that_has_ended_is_no_clocks_fault(
    site: Site, tmp_path: Path, now: datetime, clock: timedelta | None
) -> None:
    """Both clocks agree, or the server tells no time: its people must act."""
    ca = Authority("myofed consortium CA", start=now - 900 * DAY)
    pair = ca.server(tmp_path, start=now - 826 * DAY, end=now - DAY)
    with tls_server(*pair, clock=None if clock is None else now) as port:
        error = said(site, port, ca, now=now)
    assert error.code == "COORDINATOR_CERTIFICATE_EXPIRED"
    assert "ended 1 days ago" in error.message or "ended 1 days" in error.message


def test_clock_behind_without_a_figure_of_the_server(site: Site, tmp_path: Path, now: datetime) -> None:
    """Where the server tells no time, the least is known."""
    ca = Authority("myofed consortium CA", start=now - DAY)
    pair = ca.server(tmp_path, start=now + DAY, end=now + 900 * DAY)
    with tls_server(*pair) as port:
        error = said(site, port, ca, now=now)
    assert error.code == "CLOCK_BEHIND"
    assert "at least" in error.message


def test_inspecting_proxy_is_named_by_its_issuer_alone(site: Site, tmp_path: Path, now: datetime) -> None:
    """Only the issuer's common name, in plain characters and cut: a stranger wrote it."""
    ca, name = Authority("myofed consortium CA", start=now - DAY), "Clinic Proxy \u202e\nCA" + "x" * 40
    pair = Authority(name, start=now - DAY).server(tmp_path, start=now - DAY, end=now + DAY, name="patient-name")
    with tls_server(*pair, clock=now) as port:
        error = said(site, port, ca, now=now)
    assert error.code == "TLS_INSPECTED"
    assert "issued by 'Clinic Proxy ??CAxxx" in error.message
    assert "patient-name" not in str(error)
    assert "exempted" in error.hint


def test_other_ca_of_the_same_name_is_told_apart(site: Site, tmp_path: Path, now: datetime) -> None:
    """The invite is of another coordinator, or of before this one was made anew."""
    ca, other = (Authority("myofed consortium CA", start=now - DAY) for _ in range(2))
    with tls_server(*other.server(tmp_path, start=now - DAY, end=now + DAY), clock=now) as port:
        assert said(site, port, ca, now=now).code == "COORDINATOR_OTHER_CA"


def test_right_server_under_a_wrong_name_is_told(site: Site, tmp_path: Path, now: datetime) -> None:
    """The coordinator's own certificate, for another address."""
    ca = Authority("myofed consortium CA", start=now - DAY)
    pair = ca.server(tmp_path, start=now - DAY, end=now + DAY, address="192.0.2.7")
    with tls_server(*pair, clock=now) as port:
        assert said(site, port, ca, now=now).code == "COORDINATOR_WRONG_NAME"


def test_server_that_shows_nothing_the_second_time_is_not_trusted(now: datetime) -> None:
    """Nothing is guessed."""
    assert look_at_server("https://127.0.0.1:9", proxy=None) is None
    ca = Authority("myofed consortium CA", start=now - DAY)
    assert diagnosed(None, ca_pem=ca.pem, code=20, now=now).code == "COORDINATOR_NOT_TRUSTED"
