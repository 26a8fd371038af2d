"""Co-signed heads: a chain rewritten after the coordinator signed is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_factories import NOW, FakeCoordinator, demo_site, enrol

from myofed_node.audit import SiteAudit
from myofed_node.audit_exchange import exchange_head, verify_cosigned
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.site_setup import Site
from myofed_schemas.errors import MyofedError


@pytest.fixture
def coordinator() -> FakeCoordinator:
    return FakeCoordinator()


@pytest.fixture
def site(tmp_path: Path, coordinator: FakeCoordinator) -> Site:
    made = demo_site(tmp_path / "a")
    enrol(made, coordinator)
    SiteAudit(made.folder).append("TESTED", now=NOW)
    return made


def _exchange(site: Site, coordinator: FakeCoordinator) -> int:
    return exchange_head(site.folder, CoordinatorApi(coordinator), site="alpha")  # type: ignore[arg-type]


def _code(site: Site) -> str:
    with pytest.raises(MyofedError) as caught:
        verify_cosigned(site.folder)
    return caught.value.code


def test_signature_of_another_key_is_refused(site: Site, coordinator: FakeCoordinator) -> None:
    """Only the coordinator's own signature is kept."""
    coordinator.key = FakeCoordinator().key
    with pytest.raises(MyofedError) as caught:
        _exchange(site, coordinator)
    assert caught.value.code == "COSIGNATURE_INVALID"
    assert verify_cosigned(site.folder) == 0


def test_signature_over_another_head_is_refused(
    site: Site, coordinator: FakeCoordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old answer played back is not this head's."""
    _exchange(site, coordinator)
    old = site.folder.cosigned_head.read_bytes()
    SiteAudit(site.folder).append("TESTED", now=NOW)
    monkeypatch.setattr(coordinator, "_cosign", lambda _path, _body: old)
    with pytest.raises(MyofedError, match="another head"):
        _exchange(site, coordinator)


def test_chain_rewritten_after_the_signature_is_found(site: Site, coordinator: FakeCoordinator) -> None:
    """The new chain is whole in itself, and all the same not the one that was co-signed."""
    _exchange(site, coordinator)
    site.folder.audit.unlink()
    for _ in range(3):
        SiteAudit(site.folder).append("REWRITTEN", now=NOW)
    SiteAudit(site.folder).verify()
    assert _code(site) == "AUDIT_REWRITTEN"


def test_shortened_chain_is_found(site: Site, coordinator: FakeCoordinator) -> None:
    """Entries cut off the end are missed."""
    _exchange(site, coordinator)
    lines = site.folder.audit.read_bytes().splitlines(keepends=True)
    site.folder.audit.write_bytes(lines[0])
    assert _code(site) == "AUDIT_REWRITTEN"


@pytest.mark.parametrize("damage", [b"{", b""])
def test_damaged_signature_file_is_found(site: Site, coordinator: FakeCoordinator, damage: bytes) -> None:
    """It is not taken for "none yet"."""
    _exchange(site, coordinator)
    site.folder.cosigned_head.write_bytes(damage)
    assert _code(site) == "COSIGNATURE_INVALID"


def test_same_head_is_not_sent_twice(site: Site, coordinator: FakeCoordinator) -> None:
    """The coordinator is asked only when something new was decided; the chain grows on and stays vouched for."""
    assert _exchange(site, coordinator) == 2
    assert _exchange(site, coordinator) == 2
    assert coordinator.paths() == ["POST /site/audit-head"]
    SiteAudit(site.folder).append("TESTED", now=NOW)
    assert verify_cosigned(site.folder) == 2
    assert _exchange(site, coordinator) == 3
