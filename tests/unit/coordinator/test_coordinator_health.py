"""What machines ask: live, ready, numbers; on loopback, without a name but those of sites."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from coordinator_factories import HOUR, NOW, FakeSite, make_manifest, make_weights
from starlette.testclient import TestClient

from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.health import readiness as readiness_checks
from myofed_coordinator.health.app import health_app
from myofed_coordinator.health.measures import measure
from myofed_coordinator.health.readiness import Watched, readiness
from myofed_coordinator.services import Services, open_runs
from myofed_coordinator.studies.leads import Doer
from myofed_coordinator.up import children
from myofed_schemas.federation import Heartbeat
from myofed_schemas.files import write_atomically

Enrol = Callable[[str], FakeSite]
CHILDREN = b'{"children": {"people-port": "ready", "status-port": "starting"}, "pids": {}}'


@pytest.fixture
def watched(services: Services) -> Watched:
    write_atomically(services.home.status, CHILDREN)
    return Watched(services.home, services.database, lambda: True)


def client(services: Services, watched: Watched, *, later: timedelta = timedelta()) -> TestClient:
    return TestClient(health_app(lambda: readiness(watched), lambda: measure(services, now=NOW + later)))


def numbers(text: str) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(r"^(myofed_\S+) (\S+)$", text, re.MULTILINE)}


def test_status_port_is_on_loopback_alone() -> None:
    """Whoever could reach it from outside would learn the sites without a login."""
    for address in ("0.0.0.0:9000", "10.0.0.1:9000", "localhost:9000", "127.0.0.2:9"):
        with pytest.raises(ValueError, match="status"):
            CoordinatorConfig(status=address)


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("engine", "ENGINE_AWAY"),
        ("services", "SERVICES_DOWN"),
        ("no services", "SERVICES_DOWN"),
        ("disk", "DISK_FULL"),
        ("database", "DATABASE_UNREACHABLE"),
    ],
)
def test_coordinator_that_cannot_work_is_not_ready(
    services: Services, watched: Watched, monkeypatch: pytest.MonkeyPatch, what: str, code: str
) -> None:
    """503, and which check does not hold; it lives all the same."""
    if what == "engine":
        watched = Watched(watched.home, watched.database, lambda: False)
    elif what == "services":
        write_atomically(services.home.status, CHILDREN.replace(b"ready", b"down"))
    elif what == "no services":
        services.home.status.unlink()
    elif what == "disk":
        monkeypatch.setattr(readiness_checks, "FREE_BYTES", 1 << 60)
    else:
        from myofed_coordinator.database import open_database

        away = open_database("postgresql://nobody@127.0.0.1:1/none?connect_timeout=1")
        watched = Watched(watched.home, away, lambda: True)
    asked = client(services, watched)
    answer = asked.get("/readyz")
    assert answer.status_code == 503
    assert [found for found in answer.json()["checks"].values() if found != "OK"] == [code]
    assert asked.get("/livez").json() == {"state": "OK"}


def test_coordinator_that_works_is_ready(services: Services, watched: Watched) -> None:
    """Four checks, all of them; nothing else is answered."""
    asked = client(services, watched)
    answer = asked.get("/readyz")
    assert (answer.status_code, set(answer.json()["checks"].values())) == (200, {"OK"})
    assert len(answer.json()["checks"]) == 4
    assert asked.get("/").status_code == 404
    assert asked.post("/metrics").status_code == 405


def test_metrics_tell_sites_runs_and_what_will_end(services: Services, watched: Watched, enrol: Enrol) -> None:
    """Numbers as they are, by site name alone; those of a site that is out are not told."""
    site, weights = enrol("hospital-a"), make_weights()
    enrol("hospital-b")
    services.enrolment.revoke("hospital-b", actor="admin", now=NOW)
    services.enrolment.create_invite("hospital-c", actor="admin", now=NOW, valid=HOUR)
    beat = Heartbeat(myofed_version="0.1.0", flwr_version="1.41.0", state="UP", sent_at="2026-11-22T12:00:00Z")
    services.enrolment.note_heartbeat("hospital-a", beat, now=NOW)
    services.studies.create(make_manifest(weights, sites=("hospital-a",)), weights, actor=Doer("admin"), now=NOW)
    services.studies.record_decision(
        site.decide(services.studies.show("thigh-muscles").signed.manifest), site="hospital-a", now=NOW
    )
    open_runs(services).start("thigh-muscles", actor="admin", now=NOW)
    text = client(services, watched, later=timedelta(minutes=5)).get("/metrics").text
    found = numbers(text)
    assert found['myofed_sites{state="approved"}'] == 1
    assert found['myofed_sites{state="invited"}'] == 1
    assert found['myofed_site_contact_age_seconds{site="hospital-a"}'] == 300
    assert 364 < found['myofed_site_certificate_days_left{site="hospital-a"}'] < 365
    assert 824 < found['myofed_certificate_days_left{certificate="server"}'] < 826
    assert (found['myofed_runs{state="submitted"}'], found["myofed_run_queue"]) == (1, 1)
    assert (found["myofed_database_up"], found["myofed_rounds_finished"]) == (1, 0)
    assert 0 < found["myofed_database_latency_seconds"] < 5
    assert found["myofed_disk_free_bytes"] > 0
    assert found["myofed_audit_entries"] == services.audit.verify().sequence
    assert found['myofed_service_ready{service="people-port"}'] == 1
    assert "hospital-b" not in text
    assert "thigh" not in text


def test_metrics_of_a_database_that_is_away_say_so(
    services: Services, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers that do not come from it are still there."""
    from sqlalchemy.exc import OperationalError

    def away() -> object:
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    monkeypatch.setattr(services.database, "read", away)
    found = numbers(client(services, watched).get("/metrics").text)
    assert found["myofed_database_up"] == 0
    assert "myofed_disk_free_bytes" in found
    assert not [name for name in found if name.startswith("myofed_site")]


def test_up_starts_the_status_port_unless_it_is_set_off(services: Services) -> None:
    """Where it listens stands in `run/status-port.json`."""
    started = [spec for group in children(services.home, CoordinatorConfig(), engine_port=1) for spec in group]
    (status,) = [spec for spec in started if spec.name == "status-port"]
    port = status.argv[4]
    assert services.home.status_port.read_text() == f'{{"url":"http://127.0.0.1:{port}"}}\n'
    fixed = CoordinatorConfig(status="127.0.0.1:9464", log_format="text")
    (status,) = [s for group in children(services.home, fixed, engine_port=1) for s in group if s.name == "status-port"]
    assert status.argv[4] == "9464"
    assert status.environment["MYOFED_LOG_FORMAT"] == "text"
    off = children(services.home, CoordinatorConfig(status=None), engine_port=1)
    assert "status-port" not in {spec.name for group in off for spec in group}
