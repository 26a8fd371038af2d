"""Fixtures of the coordinator's tests: a home folder, and its services on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from coordinator_factories import HOUR, NOW, FakeSite, make_site
from sqlalchemy import delete

from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.database import Base
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.initialise import initialise
from myofed_coordinator.services import Services, open_services

DEFAULT_POSTGRES = "postgresql://root@127.0.0.1:5432/test"


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of an empty database of this session's own, dropped afterwards."""
    psycopg = pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    server = os.environ.get("MYOFED_TEST_POSTGRES_URL", DEFAULT_POSTGRES)
    name = f"myofed_test_{secrets.token_hex(6)}"
    try:
        connection = psycopg.connect(server, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL: set MYOFED_TEST_POSTGRES_URL or start one on 127.0.0.1:5432")
    connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield server.rpartition("/")[0] + f"/{name}?options=-csynchronous_commit%3Doff"
    finally:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """None for SQLite in the home folder, else PostgreSQL's URL."""
    return request.getfixturevalue("postgres_url") if request.param == "postgresql" else None


@pytest.fixture
def home(tmp_path: Path) -> HomeFolder:
    """A new home on SQLite."""
    return initialise(tmp_path / "coordinator", CoordinatorConfig(), actor="admin", now=NOW)


@pytest.fixture
def services(tmp_path: Path, database_url: str | None) -> Iterator[Services]:
    """Services of a new home; the test runs once on each database."""
    config = CoordinatorConfig(database_url=database_url)
    home = initialise(tmp_path / "coordinator", config, actor="admin", now=NOW)
    opened = open_services(home, config)
    yield opened
    if database_url:
        with opened.database.write() as session:
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(delete(table))
    opened.close()


@pytest.fixture
def enrol(services: Services) -> Callable[[str], FakeSite]:
    """Makes a site of this name that is approved."""

    def enrolled(name: str) -> FakeSite:
        site = make_site(name)
        invite = services.enrolment.create_invite(name, actor="admin", now=NOW, valid=HOUR, pre_approved=True)
        assert services.enrolment.receive_request(site.request(invite), now=NOW).state == "approved"
        return site

    return enrolled
