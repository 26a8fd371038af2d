"""A people's port with something of everything behind it, in this process, and a person in front who may everything."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from argon2 import PasswordHasher
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "coordinator"))  # sites and studies lie with the unit tests
from coordinator_factories import HOUR, NOW, make_card, make_manifest, make_person, make_site, make_weights

from myofed_coordinator.accounts.models import AccountRow
from myofed_coordinator.accounts.passwords import Passwords
from myofed_coordinator.accounts.permissions import Role
from myofed_coordinator.accounts.sessions import csrf_of
from myofed_coordinator.api.login import COOKIE
from myofed_coordinator.api.openapi import document
from myofed_coordinator.api.people import PeoplePort, build_people_app, people_app
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.initialise import initialise
from myofed_coordinator.services import Services, open_runs, open_services
from myofed_coordinator.studies.leads import Doer

EVERYBODY = "all"
MARK = "Bearer somebody-who-may-everything"
"""What the fuzzer sends; the wrapper below puts a session that is alive in its place."""
A_REQUEST = timedelta(seconds=8)
"""So much later each request comes: guesses that the fuzzer makes are never too many in a minute."""


@dataclass
class Ticking:
    """A clock that each request puts forward."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class FuzzedPort:
    """The port as it is served, with its OpenAPI document."""

    app: ASGIApp
    document: dict[str, Any]
    services: Services


@contextmanager
def fuzzed_port() -> Iterator[FuzzedPort]:
    """A port with sites, a card, a study, a start and a model; files are not flushed to the disk."""
    cheap = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    with (
        tempfile.TemporaryDirectory(prefix="myofed-api-") as folder,
        patch("myofed_coordinator.services.Passwords", lambda: cheap),
        patch.object(os, "fsync", lambda _descriptor: None),
    ):
        home = initialise(Path(folder) / "home", CoordinatorConfig(), actor="admin", now=NOW)
        services = open_services(home, CoordinatorConfig())
        _fill(services, Path(folder))
        clock = Ticking()
        port = PeoplePort(services, open_runs(services), "t" * 43, clock)
        yield FuzzedPort(_as_somebody(build_people_app(port), services, clock), document(people_app(port)), services)
        services.close()


def _fill(services: Services, folder: Path) -> None:
    make_person(services.accounts, EVERYBODY, Role.ADMINISTRATOR, now=NOW)
    make_person(services.accounts, "nobody", Role.AUDITOR, now=NOW)
    with services.database.write() as session:
        session.get_one(AccountRow, EVERYBODY).roles = ",".join(sorted(set(Role) - {Role.SITE_REPRESENTATIVE}))
    site = make_site("hospital-a")
    invite = services.enrolment.create_invite("hospital-a", actor="admin", now=NOW, valid=HOUR, pre_approved=True)
    services.enrolment.receive_request(site.request(invite), now=NOW)
    services.enrolment.create_invite("hospital-b", actor="admin", now=NOW, valid=HOUR)
    services.catalog.publish(make_card("hospital-a"), site="hospital-a", now=NOW)
    weights = make_weights()
    signed = services.studies.create(make_manifest(weights, sites=("hospital-a",)), weights, actor=Doer("lead"), now=NOW)
    services.studies.record_decision(site.decide(signed.manifest), site="hospital-a", now=NOW)
    (folder / "model").write_bytes(make_weights(seed=3))
    services.models.register("run-0a1b2c3d", folder / "model", manifest_digest=signed.digest, rounds=2, now=NOW)


def _as_somebody(app: ASGIApp, services: Services, clock: Ticking) -> ASGIApp:
    """The same app; a request with MARK comes from a browser in which EVERYBODY is signed in, whatever ended before."""
    held = [""]

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        clock.now += A_REQUEST
        if scope["type"] == "http" and Headers(scope=scope).get("authorization") == MARK:
            if services.sessions.person(held[0], now=clock.now) is None:
                held[0] = services.sessions.open(EVERYBODY, method="password", replaces="", now=clock.now)
            headers = MutableHeaders(scope=scope)
            del headers["authorization"]
            headers["cookie"] = f"{COOKIE}={held[0]}"
            headers["x-csrf-token"] = csrf_of(held[0])
        await app(scope, receive, send)

    return wrapped
