"""What the first page gathers: connections, what waits for whom, states of processes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from coordinator_factories import HOUR, NOW, FakeSite, make_manifest, make_site, make_weights

from myofed_coordinator.accounts.permissions import Person, Role
from myofed_coordinator.runs.starts import StartsService
from myofed_coordinator.services import Services, open_runs
from myofed_coordinator.studies.leads import Doer
from myofed_coordinator.web.overview import Overview, overview
from myofed_schemas.federation import Heartbeat

WEIGHTS = make_weights()
ADMINISTRATOR = Person("ada", frozenset({Role.ADMINISTRATOR}))
LEAD = Person("lea", frozenset({Role.STUDY_LEAD}))


def shown(services: Services, person: Person = ADMINISTRATOR) -> Overview:
    runs = open_runs(services)
    return overview(services, runs, StartsService(services, runs), person=person, now=NOW)


@pytest.mark.parametrize(("past", "online"), [(timedelta(seconds=30), True), (timedelta(minutes=5), False)])
def test_site_counts_as_connected_while_it_is_heard(
    services: Services, enrol: Callable[[str], FakeSite], past: timedelta, online: bool
) -> None:
    """Ninety seconds of silence, and it is away; a revoked site is away at once."""
    enrol("hospital-a")
    beat = Heartbeat(myofed_version="0.1.0", flwr_version="1.41.0", state="READY", sent_at="2026-11-22T12:00:00Z")
    services.enrolment.note_heartbeat("hospital-a", beat, now=NOW - past)
    assert shown(services).sites[0].online is online
    assert shown(services).say == f"{int(online)} of 1 sites connected, 0 runs active"
    services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    assert not shown(services).sites[0].online


def test_states_of_processes_come_from_up_and_broken_ones_from_nobody(services: Services) -> None:
    """While `up` does not run, or its file is not of this version, no process is claimed to be ready."""
    assert shown(services).children == {}
    services.home.status.write_text("{}")
    assert shown(services).children == {}
    services.home.status.write_text(json.dumps({"children": {"superlink": "ready"}, "pids": {"superlink": 1}}))
    assert shown(services).children == {"superlink": "ready"}
    assert shown(services, LEAD).children == {}, "a study lead does not watch the machine"


def test_only_who_may_approve_is_told_that_a_site_waits(services: Services, enrol: Callable[[str], FakeSite]) -> None:
    """An undecided study is told to everybody who sees studies; a site that asks, to administrators."""
    enrol("hospital-a")
    services.studies.create(make_manifest(WEIGHTS, sites=("hospital-a",)), WEIGHTS, actor=Doer("lead"), now=NOW)
    invite = services.enrolment.create_invite("hospital-b", actor="admin", now=NOW, valid=HOUR)
    services.enrolment.receive_request(make_site("hospital-b").request(invite), now=NOW)
    hrefs = {
        person.account: [item.href for item in shown(services, person).waiting] for person in (ADMINISTRATOR, LEAD)
    }
    assert hrefs == {"ada": ["/sites/hospital-b", "/studies/thigh-muscles"], "lea": ["/studies/thigh-muscles"]}
