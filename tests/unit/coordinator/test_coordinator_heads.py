"""Co-signing of the sites' audit heads."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from coordinator_factories import NOW, FakeSite

from myofed_coordinator.services import Services
from myofed_coordinator.signing import load_signer, new_signer, verify
from myofed_schemas.audit import AuditHead, SignedAuditHead
from myofed_schemas.errors import MyofedError

Enrol = Callable[[str], FakeSite]


def head(site: FakeSite, sequence: int, digest: str = "a" * 64, owner: str = "") -> SignedAuditHead:
    made = AuditHead(owner=owner or site.name, sequence=sequence, digest=digest)
    return SignedAuditHead(head=made, signature=site.identity.sign(made))


def test_head_of_another_site_is_refused(services: Services, enrol: Enrol) -> None:
    """Owner, signature and certificate are one site."""
    site, _ = enrol("hospital-a"), enrol("hospital-b")
    with pytest.raises(MyofedError, match="HEAD_WRONG_SITE"):
        services.heads.cosign(head(site, 1, owner="hospital-b"), site="hospital-a", now=NOW)
    site.identity = new_signer()
    with pytest.raises(MyofedError, match="BAD_SIGNATURE"):
        services.heads.cosign(head(site, 1), site="hospital-a", now=NOW)


@pytest.mark.parametrize(("sequence", "digest"), [(2, "a" * 64), (3, "b" * 64)])
def test_shortened_or_replaced_chain_is_refused(services: Services, enrol: Enrol, sequence: int, digest: str) -> None:
    """A chain that went back, or has another entry at the same place, is not co-signed."""
    site = enrol("hospital-a")
    services.heads.cosign(head(site, 3), site="hospital-a", now=NOW)
    with pytest.raises(MyofedError, match="HEAD_WENT_BACK"):
        services.heads.cosign(head(site, sequence, digest), site="hospital-a", now=NOW)


def test_growing_chain_is_cosigned(services: Services, enrol: Enrol) -> None:
    """The answer is the same head under the coordinator's key; each new head is in our chain once."""
    site = enrol("hospital-a")
    for sequence in (1, 1, 5):
        signed = services.heads.cosign(head(site, sequence), site="hospital-a", now=NOW)
    public = load_signer(services.home.signing_key).public_key
    verify(signed.head, signature=signed.signature, public_key=public)
    assert signed.head.sequence == 5
    assert [e.action for e in services.audit.entries()].count("AUDIT_HEAD_COSIGNED") == 2
