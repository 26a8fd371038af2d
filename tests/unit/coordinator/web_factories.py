"""What the tests of pages arrange with: a reader of HTML, runs, and a client that is somebody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html.parser import HTMLParser

from fastapi import Request
from fastapi.testclient import TestClient

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Person, Role
from myofed_coordinator.api.people import PeoplePort, people_app
from myofed_coordinator.services import Services
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import RoundReport, RunStatus, SiteError

TOKEN = "t" * 43
RUN = "run-0a1b2c3d"


@dataclass
class FakeRuns:
    """Runs as the runs' room would give them."""

    known: list[RunStatus] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def list(self) -> Sequence[RunStatus]:
        return self.known

    def show(self, run_id: str) -> RunStatus:
        for status in self.known:
            if status.run_id == run_id:
                return status
        raise MyofedError("RUN_UNKNOWN", "no such run")

    def stop(self, run_id: str, *, actor: object, now: datetime) -> RunStatus:
        self.stopped.append(f"{run_id} by {getattr(actor, 'name', actor)}")
        return self.show(run_id)


class Nesting(HTMLParser):
    """Follows opening and closing tags; `open` holds what is not closed yet."""

    VOID = frozenset({"meta", "link", "input", "img", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@dataclass(frozen=True)
class OnePerson:
    """A doorkeeper who admits this person and checks the token of forms."""

    person: Person

    def admit(self, request: Request, *, csrf: str) -> Person:
        if request.method not in gate.CHANGES_NOTHING and csrf != "good":
            raise MyofedError("CSRF", "no token")
        return self.person

    def csrf_token(self, _request: Request) -> str:
        return "good"


def client_as(services: Services, runs: FakeRuns, role: Role, *, now: datetime) -> TestClient:
    """A browser of somebody with this role."""
    app = people_app(PeoplePort(services, runs, TOKEN, lambda: now))
    gate.set_doorkeeper(app, OnePerson(Person("somebody", frozenset({role}))))
    return TestClient(app, base_url="https://testserver", follow_redirects=False)


def a_run(digest: str, *, state: str = "running") -> RunStatus:
    rounds = tuple(
        RoundReport(
            round=number,
            started_at="2026-11-22T12:00:00Z",
            seconds=4.5,
            sites=("hospital-a",),
            errors=(SiteError(site="hospital-b", code="WORKER_LOST"),),
            loss=0.5,
            dice=0.2 * number,
            dice_per_site={"hospital-a": 0.2 * number},
            weights_sha256="a" * 64,
        )
        for number in (1, 2)
    )
    return RunStatus(
        run_id=RUN, study_id="thigh-muscles", manifest_digest=digest, state=state, code="OK", rounds=rounds
    )


def words_of(page: str) -> str:
    """The page's text without markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
