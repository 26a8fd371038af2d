"""The doctor's report: one failing check makes it unhealthy and hides no other; no check at all is unhealthy."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_factories import NOW, FakeCoordinator, demo_site

from myofed_node import doctor_checks
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.doctor import DoctorReport, examine
from myofed_node.site_setup import Site
from myofed_schemas.errors import MyofedError


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return demo_site(tmp_path / "a")


def _examine(site: Site) -> DoctorReport:
    return examine(site, now=NOW, api=CoordinatorApi(FakeCoordinator()))  # type: ignore[arg-type]


def test_zero_of_zero_checks_is_not_healthy() -> None:
    """Nothing asked proves nothing."""
    assert not DoctorReport(checks=(), failures=0).healthy


def test_failing_check_hides_no_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """All checks run; defects of a check and of the system have codes."""

    def fail() -> str:
        raise MyofedError("FLWR_VERSION", "expected, found", hint="mend it")

    def break_down(_folder: object) -> str:
        raise OSError(5, "Input/output error")

    whole = len(_examine(site).checks)
    monkeypatch.setattr(doctor_checks, "versions", fail)
    monkeypatch.setattr(doctor_checks, "disk_space", break_down)
    report = _examine(site)
    assert len(report.checks) == whole
    assert {c.code for c in report.checks if c.state == "failed"} == {"FLWR_VERSION", "SYSTEM_ERROR"}
    assert not report.healthy
    text = "\n".join(report.lines())
    assert "mend: mend it" in text


def test_new_site_is_healthy_with_warnings(site: Site) -> None:
    """Not enrolled, not up and demo are no defects; JSON says healthy in one word."""
    report = _examine(site)
    assert report.healthy, list(report.lines())
    assert {c.code for c in report.checks if c.state == "warning"} >= {
        "DEMO_POLICY",
        "NOT_ENROLLED",
        "NODE_NOT_RUNNING",
    }
    assert report.model_dump()["healthy"] is True
