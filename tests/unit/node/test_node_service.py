"""The service's beat: each part's failure is a code and stops no other part."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from site_factories import NOW, NOW_TEXT, FakeCoordinator, demo_site, enrol, study

import myofed_node.service
from myofed_node.audit import SiteAudit
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.service import Service, run
from myofed_node.service_state import ServiceState, load_service_state
from myofed_node.site_setup import Site
from myofed_schemas.errors import MyofedError

START = ServiceState(at=NOW_TEXT, code="STARTING", web="http://127.0.0.1:1/")


@pytest.fixture
def coordinator() -> FakeCoordinator:
    return FakeCoordinator()


@pytest.fixture
def site(tmp_path: Path, coordinator: FakeCoordinator) -> Site:
    made = demo_site(tmp_path / "a")
    enrol(made, coordinator)
    return made


def _beat(site: Site, coordinator: FakeCoordinator, last: ServiceState = START) -> ServiceState:
    return Service(site, CoordinatorApi(coordinator)).beat(last, now=NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/site/heartbeat", "COORDINATOR_AWAY"),
        ("/site/studies", "COORDINATOR_AWAY"),
        ("/site/planning", "COORDINATOR_AWAY"),
        ("/site/audit-head", "COORDINATOR_AWAY"),
    ],
)
def test_part_that_fails_stops_no_other(site: Site, coordinator: FakeCoordinator, path: str, code: str) -> None:
    """All five are tried at every beat; the state is the first code."""
    coordinator.refusals[path] = (503, "")
    state = _beat(site, coordinator)
    assert state.code == code
    asked = {"POST /site/heartbeat", "GET /site/studies", "GET /site/planning", "GET /site/audit-head"}
    assert asked <= set(coordinator.paths())


def test_failed_beat_keeps_what_was_known(site: Site, coordinator: FakeCoordinator) -> None:
    """The last contact is when the coordinator last answered."""
    good = _beat(site, coordinator)
    coordinator.refusals["/site"] = (403, "SITE_REVOKED")
    bad = _beat(site, coordinator, good)
    assert bad.code == "SITE_REVOKED"
    assert (bad.last_contact, bad.head_cosigned, bad.web) == (NOW_TEXT, good.head_cosigned, START.web)


def test_disk_that_is_full_is_a_code(site: Site, coordinator: FakeCoordinator) -> None:
    """The service goes on and says so."""
    coordinator.raises["/site/studies"] = OSError(28, "No space left on device")
    assert _beat(site, coordinator).code == "SYSTEM_ERROR"


def test_unforeseen_error_ends_the_service(site: Site, coordinator: FakeCoordinator) -> None:
    """A defect of ours is not swallowed: the process ends and is started again."""
    coordinator.raises["/site/studies"] = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        _beat(site, coordinator)


def test_good_beat_syncs_studies_skew_and_head(site: Site, coordinator: FakeCoordinator) -> None:
    """The study lies here, the head is co-signed, the skew is known."""
    weights = b"weights"
    signed = coordinator.offer(study(weights))
    coordinator.models[signed.manifest.initial_weights_sha256] = weights
    coordinator.clock = "2025-12-31T23:59:58Z"
    state = _beat(site, coordinator)
    assert (state.code, state.clock_skew_s, state.head_cosigned) == ("OK", 2, 1)
    assert (site.folder.study("thigh") / "manifest-1.json").exists()
    assert SiteAudit(site.folder).verify().sequence == state.head_cosigned


def test_state_lies_on_disk_after_every_beat_until_the_stop(
    site: Site, coordinator: FakeCoordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's address is there before the first beat, the code after it."""
    stop, seen = threading.Event(), list[ServiceState | None]()

    def beat(_service: Service, last: ServiceState, *, now: object) -> ServiceState:
        seen.append(load_service_state(site.folder))
        stop.set()
        return last.model_copy(update={"code": "OK"})

    monkeypatch.setattr(Service, "beat", beat)
    monkeypatch.setattr(myofed_node.service, "_chores", lambda _site, _api: [])
    run(site, stop=stop, clock=lambda: NOW)
    assert seen[0] is not None
    assert seen[0].code == "STARTING"
    assert (seen[0].web or "").startswith("http://127.0.0.1:")
    after = load_service_state(site.folder)
    assert after is not None
    assert after.code == "OK"


def test_process_without_a_site_says_why_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log has the code; the exit status is the documented one."""
    monkeypatch.setattr(myofed_node.service.sys, "argv", ["service", str(tmp_path)])
    monkeypatch.setattr(myofed_node.service, "die_with_parent", lambda: None)
    monkeypatch.setattr(myofed_node.service.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as caught:
        myofed_node.service.main()
    assert caught.value.code == 13
    assert "SITE_CONFIG_MISSING" in capsys.readouterr().err


def test_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """A fixed port in use has a code and a mend."""
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        site = demo_site(tmp_path / "b", web_port=other.getsockname()[1])
        with pytest.raises(MyofedError) as caught:
            run(site, stop=threading.Event(), clock=lambda: NOW)
    assert caught.value.code == "WEB_PORT_TAKEN"


def test_what_runs_left_is_swept_at_the_start_and_once_a_day(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study that is broken is the state's code; the beats go on."""
    stop, hours, swept = threading.Event(), iter([0, 0, 0, 1, 23, 24]), list[datetime]()

    def beat(_service: Service, last: ServiceState, *, now: datetime) -> ServiceState:
        if now - NOW == timedelta(hours=25):
            stop.set()
        return last.model_copy(update={"code": "OK"})

    def forget(_folder: object, *, now: datetime) -> None:
        swept.append(now)
        raise MyofedError("PRIVACY_LEDGER_BROKEN", "of one study")

    def clock() -> datetime:
        return NOW + timedelta(hours=next(hours, 25))

    monkeypatch.setattr(Service, "beat", beat)
    monkeypatch.setattr(myofed_node.service, "forget_everywhere", forget)
    quick = replace(site, config=site.config.model_copy(update={"heartbeat_s": 0}))
    run(quick, stop=stop, clock=clock)
    assert [(now - NOW) // timedelta(hours=1) for now in swept] == [0, 24]
