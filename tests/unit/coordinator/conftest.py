"""Fixtures of the coordinator's tests: a home folder, and its services on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from coordinator_factories import HOUR, NOW, FakeSite, make_site
from postgres_cluster import NoClusterError, new_database, some_server
from released_databases import drop_all
from sqlalchemy import delete

from myofed_coordinator.accounts.passwords import Passwords
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.database import Base, open_database
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.initialise import initialise
from myofed_coordinator.services import Services, open_services


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id, at the lowest cost: no test here is an attack on a stolen table."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("myofed_coordinator.services.Passwords", lambda: Passwords(cheap))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a server: the one named, the one on this machine, or a private cluster."""
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    with ExitStack() as stack:
        try:
            url = stack.enter_context(some_server())
        except NoClusterError as why:
            pytest.skip(f"no PostgreSQL: none is named, none on 127.0.0.1:5432, and no private one: {why}")
        yield url


@pytest.fixture(scope="session")
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of an empty database of this session's own, dropped afterwards."""
    with new_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def other_postgres_url(postgres_server: str) -> Iterator[str]:
    """A second one, for what comes from the first."""
    with new_database(postgres_server) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """None for SQLite in the home folder, else PostgreSQL's URL."""
    return request.getfixturevalue("postgres_url") if request.param == "postgresql" else None


@pytest.fixture
def home(tmp_path: Path, database_url: str | None) -> Iterator[HomeFolder]:
    """A new home; the test runs once on each database, unless its module says which by a `database_url` of its own."""
    config = CoordinatorConfig(database_url=database_url)
    yield initialise(tmp_path / "coordinator", config, actor="admin", now=NOW)
    if database_url:
        database = open_database(database_url)
        with database.write() as session:
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(delete(table))
        database.close()


@pytest.fixture
def services(home: HomeFolder, database_url: str | None) -> Iterator[Services]:
    """Services of a new home; the test runs once on each database."""
    opened = open_services(home, CoordinatorConfig(database_url=database_url))
    yield opened
    opened.close()


@pytest.fixture
def bare_url(database_url: str | None, tmp_path: Path) -> Iterator[str]:
    """URL of a database without any table, on each kind; without any afterwards."""
    url = database_url or f"sqlite:///{tmp_path / 'bare.sqlite'}"
    drop_all(url)
    yield url
    drop_all(url)


@pytest.fixture
def enrol(services: Services) -> Callable[[str], FakeSite]:
    """Makes a site of this name that is approved."""

    def enrolled(name: str) -> FakeSite:
        site = make_site(name)
        invite = services.enrolment.create_invite(name, actor="admin", now=NOW, valid=HOUR, pre_approved=True)
        assert services.enrolment.receive_request(site.request(invite), now=NOW).state == "approved"
        return site

    return enrolled
