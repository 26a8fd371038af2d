"""doctor: every defect has its code and makes the whole unhealthy."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest
from coordinator_factories import NOW
from sqlalchemy import delete

from myofed_coordinator.certificates import CA_DAYS
from myofed_coordinator.config import load_config
from myofed_coordinator.database import RevisionRow, open_database
from myofed_coordinator.doctor import Check, DoctorReport, examine
from myofed_coordinator.home import HomeFolder


def readable_keys(home: HomeFolder) -> None:
    home.signing_key.chmod(0o644)


def no_signing_key(home: HomeFolder) -> None:
    home.signing_key.write_text("nothing")


def other_ca_key(home: HomeFolder) -> None:
    home.ca_key.write_bytes(home.server_key.read_bytes())


def missing_certificate(home: HomeFolder) -> None:
    home.loopback_certificate.unlink()


def empty_database(home: HomeFolder) -> None:
    database = open_database(load_config(home).database(home))
    with database.write() as session:
        session.execute(delete(RevisionRow))
    database.close()


def broken_audit(home: HomeFolder) -> None:
    home.audit.write_text("{}\n")


def no_audit(home: HomeFolder) -> None:
    home.audit.unlink()


def altered_model(home: HomeFolder) -> None:
    (home.models / f"{'a' * 64}.safetensors").write_bytes(b"x")


def service_down(home: HomeFolder) -> None:
    home.status.write_text(json.dumps({"children": {"superlink": "down"}, "pids": {}}))


@pytest.mark.parametrize(
    ("spoil", "check", "code"),
    [
        (readable_keys, "KEYS_PRIVATE", "KEYS_READABLE"),
        (no_signing_key, "SIGNING_KEY", "SIGNING_KEY"),
        (other_ca_key, "AUTHORITY", "CERTIFICATE_PAIR"),
        (missing_certificate, "CERTIFICATES", "CERTIFICATE_PAIR"),
        (empty_database, "DATABASE", "DATABASE_EMPTY"),
        (broken_audit, "AUDIT_CHAIN", "AUDIT_BROKEN"),
        (no_audit, "AUDIT_CHAIN", "AUDIT_EMPTY"),
        (altered_model, "MODELS", "MODEL_ALTERED"),
        (service_down, "SERVICES", "SERVICES_DOWN"),
    ],
)
def test_defect_is_found_and_says_what_to_do(
    home: HomeFolder, spoil: Callable[[HomeFolder], None], check: str, code: str
) -> None:
    """Exactly the check that looks there fails, with a hint."""
    spoil(home)
    report = examine(home, load_config(home), now=NOW)
    failed = [found for found in report.checks if not found.ok]
    assert [found.code for found in failed] == [check]
    assert failed[0].message.startswith(code)
    assert failed[0].hint
    assert not report.healthy


def test_full_disk_and_other_flower_are_found(home: HomeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are read from this machine, and both say what to do."""
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=1 << 20))
    monkeypatch.setattr("myofed_coordinator.doctor.version", lambda _name: "1.40.0")
    failed = [check.message.split(":")[0] for check in examine(home, load_config(home), now=NOW).checks if not check.ok]
    assert failed == ["DISK_FULL", "FLOWER_VERSION"]


def test_certificate_near_its_end_is_found(home: HomeFolder) -> None:
    """Thirty days before the server certificate ends, doctor says so."""
    later = NOW + timedelta(days=800)
    failed = [check.message for check in examine(home, load_config(home), now=later).checks if not check.ok]
    assert [message.split(":")[0] for message in failed] == ["CERTIFICATE_EXPIRES"]


def authority(home: HomeFolder, *, days: int) -> Check:
    """What doctor says of the CA so long before it ends."""
    later = NOW + timedelta(days=CA_DAYS - days) - timedelta(hours=2)
    (found,) = (c for c in examine(home, load_config(home), now=later).checks if c.code == "AUTHORITY")
    return found


def test_end_of_the_ca_is_told_half_a_year_before(home: HomeFolder) -> None:
    """First a warning, which leaves the home healthy; in the last month a defect."""
    assert "valid until" in authority(home, days=181).message
    early, late = authority(home, days=179), authority(home, days=29)
    assert (early.ok, early.warning, late.ok) == (True, True, False)
    for told in (early, late):
        assert told.message.startswith("CA_EXPIRES: the consortium's CA ends on 20")
        assert "all join anew" in told.hint


def test_new_home_is_healthy_and_no_check_is_not_health(home: HomeFolder) -> None:
    """All checks hold on a new home; an empty report is unhealthy."""
    assert examine(home, load_config(home), now=NOW).healthy
    assert not DoctorReport(checks=()).healthy
