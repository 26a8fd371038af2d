"""The catalog under load: facets, full-text, single cards and counts over HTTPS, on SQLite and on PostgreSQL, at three sizes."""

from __future__ import annotations

import os
import random
import secrets
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.audit_log import audit_verify_seconds
from bench.catalog_fill import DIAGNOSES, FULL, REGIONS, SUFFIXES, VENDORS, Size, fill
from bench.catalog_load import Door, Heard, Question, listen
from myofed_coordinator.catalog.search import CatalogSearch, PageWanted
from myofed_coordinator.catalog.service import CatalogService
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.initialise import initialise
from myofed_coordinator.services import open_services
from myofed_schemas.catalog_search import CardChoice
from myofed_schemas.clock import system_now

USERS = 50
SECONDS = 60
POSTGRES = os.environ.get("MYOFED_TEST_POSTGRES_URL", "postgresql://root@127.0.0.1:5432/test")
API = "/api/v1/catalog"
WORDS = (
    "fshd",
    "duchenne thigh",
    "steinert",
    "lgmd siemens",
    "vastus later",
    "dixon",
    "myopathy leg",
    "muscular dys",
    "ptosis",
)
KINDS = ("facet", "fulltext", "card", "count")
WEIGHTS = (30, 30, 30, 10)


def measure() -> dict[str, Any]:
    """95th percentiles in milliseconds of 50 users who ask once a second each, at full size and at a tenth and a hundredth."""
    figures: dict[str, float] = {}
    loads: dict[str, float] = {}
    for times in (100, 10, 1):
        size, said = FULL.less(times), "" if times == 1 else f"_{times}x_less"
        for engine in ("sqlite", "postgresql"):
            loads[f"{engine}{said}"] = round(os.getloadavg()[0], 2)
            found = measure_one(size, engine=engine, users=USERS, seconds=SECONDS if times == 1 else SECONDS // 3)
            figures |= {f"{key}_{engine}{said}": value for key, value in found.items()}
    for kind in ("fulltext", "card"):
        key = f"{kind}_p95_ms"
        figures[key] = max(figures[f"{key}_{engine}"] for engine in ("sqlite", "postgresql"))
    with tempfile.TemporaryDirectory() as folder:
        figures["audit_verify_1m_s"] = audit_verify_seconds(Path(folder))
    return {"figures": figures, "peers": {}, "ratios": {}, "runs": 1, "load_before": loads}


def measure_one(size: Size, *, engine: str, users: int, seconds: int) -> dict[str, float]:
    """Percentiles of each kind of question, seconds of filling and of the first answer, for one catalog on one database.

    Raises:
        AssertionError: An answer was not 200, or the catalog does not hold what it should.
    """
    with tempfile.TemporaryDirectory() as folder, _database(engine) as url:
        config = CoordinatorConfig(
            people=f"127.0.0.1:{_free_port()}", database_url=url, queries_per_hour=10_000, queries_per_day=100_000
        )
        home = initialise(Path(folder) / "home", config, actor="bench", now=system_now())
        services = open_services(home, config)
        begin = time.perf_counter()
        cells = fill(services.database, size)
        filled_s = time.perf_counter() - begin
        names = _names(services.catalog, CatalogSearch(services.database, services.catalog.index), size)
        services.close()
        with _serving(home, config) as door:
            first_s = _first_answer(door)
            heard = listen(door, users, seconds, lambda rng: _question(rng, names))
    assert heard.wrong == [], f"{len(heard.wrong)} wrong answers, e.g. {heard.wrong[:3]}"
    figures = {f"{kind}_p{p}_ms": heard.percentile(kind, p) for kind in KINDS for p in (50, 95)}
    return figures | {
        "fill_s": filled_s,
        "first_answer_s": first_s,
        "cells": float(cells),
        "asked": float(_asked(heard)),
    }


def _asked(heard: Heard) -> int:
    return sum(map(len, heard.latencies_ms.values()))


def _names(catalog: CatalogService, search: CatalogSearch, size: Size) -> list[str]:
    """Addresses of some cards; the catalog holds all that were written."""
    assert catalog.count() == size.cards
    page = search.page(CardChoice(), PageWanted(size=100, sort="newest"))
    assert page.total == size.cards
    return [f"{card.site}/{card.dataset}" for card in page.cards]


def _question(rng: random.Random, names: list[str]) -> Question:
    kind = rng.choices(KINDS, WEIGHTS)[0]
    if kind == "facet":
        chosen = rng.sample(
            [
                f"region={rng.choice(REGIONS)}",
                f"vendor={rng.choice(VENDORS).replace(' ', '%20')}",
                f"diagnosis={rng.choice(DIAGNOSES)}",
                f"suffix={rng.choice(SUFFIXES)}",
            ],
            rng.randint(0, 3),
        )
        return Question(kind, f"{API}/facets?{'&'.join(chosen)}")
    if kind == "fulltext":
        words = f"{rng.choice(WORDS)} {rng.choice(('', 'a', 'm', 'hospital', str(rng.randint(0, 99))))}".strip()
        return Question(kind, f"{API}/cards?text={words.replace(' ', '%20')}&sort=subjects&page={rng.randint(1, 2)}")
    if kind == "card":
        return Question(kind, f"{API}/cards/{rng.choice(names)}")
    body = (
        f'{{"cards":{{"choices":[{{"facet":"region","value":"{rng.choice(REGIONS)}"}},'
        f'{{"facet":"site","value":"hospital-{rng.randint(0, 99):03d}"}}]}},'
        f'"filters":[{{"dimension":"diagnosis","value":"{rng.choice(DIAGNOSES)}"}}]}}'
    )
    return Question(kind, f"{API}/feasibility", body.encode())


@contextmanager
def _database(engine: str) -> Iterator[str | None]:
    """URL of an empty database of its own, dropped afterwards; None is SQLite in the home folder."""
    if engine == "sqlite":
        yield None
        return
    import psycopg
    from sqlalchemy import make_url

    name = f"myofed_bench_{secrets.token_hex(6)}"
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def _serving(home: HomeFolder, config: CoordinatorConfig) -> Iterator[Door]:
    """The process of the people's port, as `up` starts it."""
    with (home.root / "bench.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "myofed_coordinator.api", str(home.root)], stderr=log)
    host, _, port = config.people.partition(":")
    trust = ssl.create_default_context(cafile=str(home.ca))
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end and not _open(host, int(port)):
            assert process.poll() is None, "the people's port ended"
            time.sleep(0.1)
        yield Door(host, int(port), trust, home.admin_token.read_text(encoding="ascii").strip())
    finally:
        process.terminate()
        process.wait(timeout=30)


def _open(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def _first_answer(door: Door) -> float:
    """Seconds of the first question after a start, which reads the whole catalog into memory."""
    heard = listen(door, 1, 1, lambda _rng: Question("first", f"{API}/facets"))
    assert heard.wrong == []
    return heard.percentile("first", 50) / 1000


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
