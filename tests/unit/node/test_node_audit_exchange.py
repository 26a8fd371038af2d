"""Co-signed heads: a chain rewritten after the coordinator signed is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_factories import NOW, FakeCoordinator, demo_site, enrol, refusal_code

from myofed_node.audit import SiteAudit
from myofed_node.audit_exchange import exchange_head, export_chain, verify_cosigned
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.keys import load_identity_key
from myofed_node.site_setup import Site
from myofed_schemas.audit import CosignedHead, SignedAuditHead
from myofed_schemas.audit_proof import proves
from myofed_schemas.canonical import canonical_json
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
    old, asked = site.folder.cosigned_head.read_bytes(), canonical_json(CosignedHead(head=coordinator.cosigned))
    SiteAudit(site.folder).append("TESTED", now=NOW)
    monkeypatch.setattr(coordinator, "_cosign", lambda _path, body: old if body else asked)
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
    assert coordinator.paths() == ["GET /site/audit-head", "POST /site/audit-head"]
    SiteAudit(site.folder).append("TESTED", now=NOW)
    assert verify_cosigned(site.folder) == 2
    assert _exchange(site, coordinator) == 3


def test_head_comes_with_the_proof_from_what_was_cosigned(site: Site, coordinator: FakeCoordinator) -> None:
    """First from nothing, then from the head that the coordinator has, which may be further than ours: an answer was lost."""
    _exchange(site, coordinator)
    assert coordinator.shown is not None
    assert proves(coordinator.shown.proof, coordinator.shown.head, earlier=None)
    kept = site.folder.cosigned_head.read_bytes()
    for _ in range(2):
        SiteAudit(site.folder).append("TESTED", now=NOW)
        earlier = coordinator.cosigned
        _exchange(site, coordinator)
        assert proves(coordinator.shown.proof, coordinator.shown.head, earlier=earlier)
        site.folder.cosigned_head.write_bytes(kept)


def test_head_of_an_earlier_release_is_gone_on_from(site: Site, coordinator: FakeCoordinator) -> None:
    """Without a root: the first exchange after the upgrade proves that the old entry is at its place, and brings a root."""
    _exchange(site, coordinator)
    assert coordinator.cosigned is not None
    coordinator.cosigned = old = coordinator.cosigned.model_copy(update={"root": None})
    site.folder.cosigned_head.write_bytes(canonical_json(coordinator.signed_head(old).signed))
    assert b"root" not in site.folder.cosigned_head.read_bytes()
    assert verify_cosigned(site.folder) == 2
    assert _exchange(site, coordinator) == 2
    assert coordinator.shown is not None
    assert proves(coordinator.shown.proof, coordinator.shown.head, earlier=old)
    assert coordinator.shown.head.root is not None


def test_root_that_is_not_the_chains_is_found(site: Site, coordinator: FakeCoordinator) -> None:
    """The digest alone would hold."""
    _exchange(site, coordinator)
    assert coordinator.cosigned is not None
    other = coordinator.cosigned.model_copy(update={"root": "a" * 64})
    site.folder.cosigned_head.write_bytes(canonical_json(coordinator.signed_head(other).signed))
    assert _code(site) == "AUDIT_REWRITTEN"


def test_chain_whose_last_line_is_no_entry_is_not_shown(site: Site) -> None:
    """Nothing is signed over it."""
    site.folder.audit.write_bytes(site.folder.audit.read_bytes() + b"{}\n")
    assert refusal_code(lambda: SiteAudit(site.folder).prove("alpha", since=0)) == "AUDIT_BROKEN"


def test_exported_chain_is_the_verified_one_with_a_signed_head(
    site: Site, coordinator: FakeCoordinator, tmp_path: Path
) -> None:
    """The lines as they are, and the head under the site's key; of a broken chain nothing is written."""
    _exchange(site, coordinator)
    signed = export_chain(site.folder, tmp_path / "out.jsonl", site="alpha")
    assert (tmp_path / "out.jsonl").read_bytes() == site.folder.audit.read_bytes()
    key = load_identity_key(site.folder).public_key()
    key.verify(bytes.fromhex(signed.signature), canonical_json(signed.head))
    assert SignedAuditHead.model_validate_json((tmp_path / "out.jsonl.head.json").read_bytes()) == signed
    site.folder.audit.write_bytes(site.folder.audit.read_bytes().replace(b"TESTED", b"TESTER"))
    code = refusal_code(lambda: export_chain(site.folder, tmp_path / "bad.jsonl", site="alpha"))
    assert code in ("AUDIT_BROKEN", "AUDIT_REWRITTEN")
    assert not list(tmp_path.glob("*bad*"))


def test_rewritten_chain_is_not_signed_anew(site: Site, coordinator: FakeCoordinator) -> None:
    """A longer chain that is not the co-signed one goes nowhere: a new signature would wash it clean, and the old one is kept."""
    _exchange(site, coordinator)
    kept = site.folder.cosigned_head.read_bytes()
    site.folder.audit.unlink()
    for _ in range(3):
        SiteAudit(site.folder).append("REWRITTEN", now=NOW)
    coordinator.sent.clear()
    assert refusal_code(lambda: _exchange(site, coordinator)) == "AUDIT_REWRITTEN"
    assert coordinator.sent == []
    assert site.folder.cosigned_head.read_bytes() == kept
