"""Each check of the doctor finds its defect and says how to mend it."""

from __future__ import annotations

import json
import os
from collections import namedtuple
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from consortium_ca import Consortium
from site_factories import NOW, FakeCoordinator, demo_site, enrol

from myofed_node import client_certificate, confinement
from myofed_node import doctor_checks as checks
from myofed_node.config import SiteConfig
from myofed_node.confinement import Confinement
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.federation.ledger import EgressLedger, Passage
from myofed_node.learning import network
from myofed_node.site_folder import SiteFolder
from myofed_node.site_setup import Site
from myofed_schemas.errors import MyofedError

Usage = namedtuple("Usage", "free")  # noqa: PYI024  what shutil.disk_usage gives, as far as it is read


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return demo_site(tmp_path / "a")


def _defect(call: Callable[[], str]) -> str:
    with pytest.raises(MyofedError) as caught:
        call()
    assert caught.value.hint
    return caught.value.code


def _running(folder: SiteFolder, **children: str) -> None:
    status = {"children": children or {"egress": "ready"}, "pids": {"egress": os.getpid()}}
    folder.status.write_text(json.dumps(status))


def _certificate(site: Site) -> None:
    request = client_certificate.make_request(site.folder.tls_key, site="alpha")
    site.folder.tls_certificate.write_bytes(Consortium().issue(request))


def test_engine_of_another_version_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pin holds for a running installation, too."""
    monkeypatch.setattr(checks.importlib.metadata, "version", lambda _name: "1.0.0")
    assert _defect(checks.versions) == "FLWR_VERSION"


@pytest.mark.parametrize("name", ["root", "keys", "deid_keys", "deid_key", "tls_key"])
def test_wider_permissions_are_a_defect(site: Site, name: str) -> None:
    """Folder, keys' folder, each key."""
    path: Path = getattr(site.folder, name)
    path.chmod(path.stat().st_mode | 0o040)
    assert _defect(lambda: checks.permissions(site.folder)) == "PERMISSIONS_TOO_WIDE"


def test_key_custody_is_tried_and_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words how the key is kept, or what to change on this host."""
    for way in Confinement:
        monkeypatch.setattr(confinement, "find_confinement", lambda _folder, way=way: way)
        if way is Confinement.NONE:
            assert _defect(lambda: checks.key_custody(site.folder, site.config)) == "KEY_READABLE_BY_SERVICES"
        else:
            assert checks.CUSTODY[way.value] in checks.key_custody(site.folder, site.config)


def test_second_name_of_the_key_is_a_defect(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hard link elsewhere is the same file, outside of the folder that is kept from the services."""
    monkeypatch.setattr(confinement, "find_confinement", lambda _folder: Confinement.HIDDEN)
    (site.folder.dataset / "copy").hardlink_to(site.folder.deid_key)
    assert _defect(lambda: checks.key_custody(site.folder, site.config)) == "KEY_READABLE_BY_SERVICES"


def test_running_service_that_is_not_confined_is_a_defect(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was started before the upgrade, or on its own; it is named."""
    monkeypatch.setattr(confinement, "find_confinement", lambda _folder: Confinement.HIDDEN)
    _running(site.folder)
    with pytest.raises(MyofedError, match="egress") as caught:
        checks.key_custody(site.folder, site.config)
    assert caught.value.code == "KEY_READABLE_BY_SERVICES"


def test_secret_beside_the_keys_folder_is_a_defect(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vault's key or a list of pseudonyms that every service could read; inside keys/deid, or absent, it is none."""
    monkeypatch.setattr(confinement, "find_confinement", lambda _folder: Confinement.HIDDEN)
    for name, defect in (("keys/list.csv", True), ("keys/deid/list.csv", False), ("keys/absent.csv", False)):
        config = site.config.model_copy(update={"pseudonyms": name})
        if "absent" not in name:
            (site.folder.root / name).touch(mode=0o600)
        if defect:
            assert _defect(lambda config=config: checks.key_custody(site.folder, config)) == "KEY_READABLE_BY_SERVICES"
        else:
            assert "hidden" in checks.key_custody(site.folder, config)


def test_missing_text_recognition_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Suspicious images would all be withheld, and nobody would know why."""
    monkeypatch.setattr("myofed_anonymization.ocr.is_installed", lambda: True)
    assert checks.text_recognition() == "installed"
    monkeypatch.setattr("myofed_anonymization.ocr.is_installed", lambda: False)
    assert _defect(checks.text_recognition) == "OCR_NOT_INSTALLED"


def test_custody_of_a_key_that_is_missing_is_a_defect(site: Site) -> None:
    """Nothing tried proves nothing."""
    site.folder.deid_key.unlink()
    assert _defect(lambda: checks.key_custody(site.folder, site.config)) == "KEY_MISSING"


def test_key_in_a_folder_of_another_user_is_not_missed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this account may not look, the key counts as there, and the rest is checked."""
    real = Path.exists

    def exists(path: Path) -> bool:
        if path == site.folder.deid_key:
            raise PermissionError
        return real(path)

    monkeypatch.setattr(Path, "exists", exists)
    monkeypatch.setattr(confinement, "find_confinement", lambda _folder: Confinement.OWN_USER)
    assert "another user" in checks.key_custody(site.folder, site.config)
    assert "0600" in checks.permissions(site.folder)


def test_missing_key_is_a_defect(site: Site) -> None:
    """Before a command stumbles over it."""
    site.folder.identity_key.unlink()
    assert _defect(lambda: checks.permissions(site.folder)) == "KEY_MISSING"


def test_full_disk_is_a_defect(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a study is half on disk."""
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _path: Usage(1))
    assert _defect(lambda: checks.disk_space(site.folder)) == "DISK_FULL"


def test_broken_chain_and_broken_ledger_are_defects(site: Site) -> None:
    """Both records are verified whole."""
    site.folder.audit.write_bytes(site.folder.audit.read_bytes().replace(b"alpha", b"gamma") * 2)
    site.folder.ledger.write_bytes(b"{}\n")
    assert _defect(lambda: checks.audit_chain(site.folder)) == "AUDIT_BROKEN"
    assert _defect(lambda: checks.egress_ledger(site.folder)) == "LEDGER_BROKEN"


def test_folder_too_deep_for_a_socket_is_a_defect(tmp_path: Path) -> None:
    """The kernel takes 107 bytes."""
    assert _defect(lambda: checks.socket_path(SiteFolder(tmp_path / ("x" * 100)))) == "SOCKET_PATH_TOO_LONG"


def test_host_that_cannot_isolate_the_worker_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said openly where the training process has a network."""
    monkeypatch.setattr(network, "find_isolation", lambda: network.Isolation.NONE)
    assert _defect(checks.worker_isolation) == "WORKER_HAS_NETWORK"
    monkeypatch.setattr(network, "find_isolation", lambda: network.Isolation.USER)
    assert "no network" in checks.worker_isolation()


def test_demo_policy_is_told(site: Site) -> None:
    """A hospital's policy passes."""
    assert _defect(lambda: checks.policy(site.config)) == "DEMO_POLICY"
    assert "k 10" in checks.policy(SiteConfig(site="alpha"))


def test_site_that_never_joined_is_told(site: Site) -> None:
    """With the command that is missing."""
    assert _defect(lambda: checks.enrolment(site.folder)) == "NOT_ENROLLED"
    enrol(site, FakeCoordinator())
    assert "enrolled since" in checks.enrolment(site.folder)


@pytest.mark.parametrize(("days", "code"), [(6, "CERTIFICATE_EXPIRES"), (8, "CERTIFICATE_EXPIRED")])
def test_certificate_near_or_past_its_end_is_a_defect(site: Site, days: int, code: str) -> None:
    """The fixture's certificate lasts a week."""
    _certificate(site)
    assert _defect(lambda: checks.client_certificate_days(site.folder, now=NOW + timedelta(days=days))) == code


def test_certificate_with_time_left_is_none(site: Site) -> None:
    """And a site without one is not at fault for that."""
    assert checks.client_certificate_days(site.folder, now=NOW) == "none yet"
    _certificate(site)
    assert "25 days" in checks.client_certificate_days(site.folder, now=NOW - timedelta(days=18))


def test_end_of_the_consortiums_ca_is_told_half_a_year_before(site: Site) -> None:
    """A site that never joined has none."""
    assert checks.consortium_ca_days(site.folder, now=NOW) == "none yet"
    _certificate(site)
    site.folder.consortium_ca.write_bytes(site.folder.tls_certificate.read_bytes())
    assert _defect(lambda: checks.consortium_ca_days(site.folder, now=NOW)) == "CA_EXPIRES"
    assert "valid until" in checks.consortium_ca_days(site.folder, now=NOW - timedelta(days=200))


def test_services_that_are_down_are_told(site: Site) -> None:
    """None at all, or one of them by name; a status that a killed `up` left behind counts as stopped."""
    assert _defect(lambda: checks.services(site.folder)) == "NODE_NOT_RUNNING"
    site.folder.status.write_text('{"children": {"egress": "ready"}, "pids": {"egress": 4194305}}')
    assert _defect(lambda: checks.services(site.folder)) == "NODE_NOT_RUNNING"
    _running(site.folder, egress="ready", worker="down")
    assert _defect(lambda: checks.services(site.folder)) == "SERVICE_DOWN"
    _running(site.folder)
    assert checks.services(site.folder) == "1 ready"


def test_refusals_in_the_ledger_are_told(site: Site) -> None:
    """403 on the last request: revoked; a local attempt to go elsewhere: told as such."""
    ledger = EgressLedger(site.folder.ledger)
    ledger.append(Passage("refused", "GET", "/docs"), now=NOW)
    assert _defect(lambda: checks.last_refusals(site.folder)) == "EGRESS_REFUSED"
    ledger.append(Passage("site", "POST", "/site/heartbeat", status=403), now=NOW)
    assert _defect(lambda: checks.last_refusals(site.folder)) == "SITE_REVOKED"


@pytest.mark.parametrize("clock", ["2026-01-01T00:00:05Z", "2025-12-31T23:59:55Z"])
def test_clock_that_differs_is_a_defect(site: Site, clock: str) -> None:
    """Flower refuses a node that is five seconds ahead."""
    coordinator = FakeCoordinator()
    enrol(site, coordinator)
    _running(site.folder)
    coordinator.clock = clock
    api = CoordinatorApi(coordinator)  # type: ignore[arg-type]
    assert _defect(lambda: checks.coordinator(site.folder, api, now=NOW)) == "CLOCK_SKEW"


def test_doctor_asks_through_the_egress_only_and_not_when_it_is_down(site: Site) -> None:
    """No connection is opened without a ledger line."""
    coordinator = FakeCoordinator()
    api = CoordinatorApi(coordinator)  # type: ignore[arg-type]
    assert "not asked" in checks.coordinator(site.folder, api, now=NOW)
    assert coordinator.sent == []
    enrol(site, coordinator)
    _running(site.folder)
    assert "+0 s" in checks.coordinator(site.folder, api, now=NOW)
    assert coordinator.paths() == ["POST /site/heartbeat"]
