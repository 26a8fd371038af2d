"""Runs: started, stopped, shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from coordinator_factories import NOW, FakeSite, make_manifest, make_weights

from myofed_coordinator.runs.service import RunsService
from myofed_coordinator.services import Services
from myofed_coordinator.studies.leads import Doer
from myofed_schemas.errors import MyofedError

WEIGHTS = make_weights()


@pytest.fixture
def sites(services: Services, enrol: Callable[[str], FakeSite]) -> list[FakeSite]:
    """Two sites and a study that wants both."""
    made = [enrol("hospital-a"), enrol("hospital-b")]
    manifest = make_manifest(WEIGHTS, sites=("hospital-a", "hospital-b"))
    services.studies.create(manifest, WEIGHTS, actor=Doer("admin"), now=NOW)
    return made


def approve(services: Services, site: FakeSite) -> None:
    manifest = services.studies.show("thigh-muscles").signed.manifest
    services.studies.record_decision(site.decide(manifest), site=site.name, now=NOW)


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(MyofedError) as caught:
        action()
    return caught.value.code


def test_study_without_enough_approvals_is_not_started(services: Services, sites: list[FakeSite]) -> None:
    """One of two approved: no run, no folder."""
    runs = RunsService(services)
    approve(services, sites[0])
    assert code_of(lambda: runs.start("thigh-muscles", actor="admin", now=NOW)) == "NOT_APPROVED"
    assert code_of(lambda: runs.start("other-study", actor="admin", now=NOW)) == "STUDY_UNKNOWN"
    assert list(runs.list()) == []


def test_second_run_of_a_study_waits_for_the_end_of_the_first(services: Services, sites: list[FakeSite]) -> None:
    """Two runs would ask the same sites at once."""
    runs = RunsService(services)
    for site in sites:
        approve(services, site)
    first = runs.start("thigh-muscles", actor="admin", now=NOW)
    assert code_of(lambda: runs.start("thigh-muscles", actor="admin", now=NOW)) == "RUN_ACTIVE"
    runs.stop(first.run_id, actor=Doer("admin"), now=NOW)
    second = runs.start("thigh-muscles", actor="admin", now=NOW + timedelta(seconds=1))
    assert [status.run_id for status in runs.list()] == [first.run_id, second.run_id]


def test_started_run_has_everything_its_server_app_needs(services: Services, sites: list[FakeSite]) -> None:
    """Manifest, participants with their node keys, initial weights; a revoked site is not among them."""
    runs = RunsService(services)
    for site in sites:
        approve(services, site)
    status = runs.start("thigh-muscles", actor="admin", now=NOW)
    folder = runs.folder(status.run_id)
    assert (status.state, status.code) == ("submitted", "OK")
    assert folder.manifest() == services.studies.show("thigh-muscles").signed
    assert folder.initial_weights.read_bytes() == WEIGHTS
    assert set(folder.sites().node_keys) == {"hospital-a", "hospital-b"}
    assert [p.name for p in services.home.runs.iterdir()] == [status.run_id]
    services.enrolment.revoke("hospital-b", actor="admin", now=NOW)
    assert set(runs.participants(folder.manifest()).node_keys) == {"hospital-a"}


def test_stop_of_a_live_run_is_a_request_and_of_a_dead_one_an_end(services: Services, sites: list[FakeSite]) -> None:
    """While a ServerApp holds the run, it ends it itself; an ended run stays as it ended."""
    runs = RunsService(services)
    for site in sites:
        approve(services, site)
    run_id = runs.start("thigh-muscles", actor="admin", now=NOW).run_id
    with runs.folder(run_id).locked():
        assert runs.stop(run_id, actor=Doer("admin"), now=NOW).state == "submitted"
        assert runs.folder(run_id).stop_request.exists()
    assert runs.stop(run_id, actor=Doer("admin"), now=NOW).state == "stopped"
    assert runs.stop(run_id, actor=Doer("admin"), now=NOW).code == "STOPPED"


@pytest.mark.parametrize("run_id", ["run-00000000", "../secrets", "run-../../x", ""])
def test_unknown_run_is_refused_whatever_its_name(services: Services, run_id: str) -> None:
    """A run's id never leads out of the runs' folder."""
    assert code_of(lambda: RunsService(services).show(run_id)) == "RUN_UNKNOWN"
