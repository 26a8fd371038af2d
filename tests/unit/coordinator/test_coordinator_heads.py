"""Co-signing of the sites' audit heads."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from coordinator_factories import HOUR, NOW, FakeSite
from sqlalchemy import update

from myofed_coordinator.enrolment.models import WitnessedHeadRow
from myofed_coordinator.services import Services
from myofed_coordinator.signing import load_signer, new_signer, verify
from myofed_schemas.audit import AuditHead, SignedAuditHead, WitnessedHead
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


def witnessed(services: Services, site: FakeSite) -> WitnessedHead:
    shown = services.heads.own_head()
    return WitnessedHead(head=shown.head, signature=shown.signature, witness=site.identity.sign(shown.head))


def test_head_that_was_never_given_out_is_not_witnessed(services: Services, enrol: Enrol) -> None:
    """A site can neither make up a head of ours nor sign with another key than its own."""
    site = enrol("hospital-a")
    right = witnessed(services, site)
    made_up = AuditHead(owner="coordinator", sequence=99, digest="a" * 64)
    forged = right.model_copy(update={"head": made_up, "witness": site.identity.sign(made_up)})
    stranger = right.model_copy(update={"witness": new_signer().sign(right.head)})
    for wrong in (forged, stranger):
        with pytest.raises(MyofedError, match="BAD_SIGNATURE"):
            services.heads.record_witness(wrong, site="hospital-a", now=NOW)
    assert services.heads.witnessed() == {}


def test_chain_cut_behind_what_a_site_witnessed_is_found(services: Services, enrol: Enrol) -> None:
    """Also where the cut chain was continued; what lies after the witnessed head is only chained."""
    site = enrol("hospital-a")
    services.heads.record_witness(witnessed(services, site), site="hospital-a", now=NOW)
    assert services.heads.verify_own().sequence == 4
    whole = services.home.audit.read_bytes()
    lines = whole.splitlines(keepends=True)
    services.home.audit.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(MyofedError, match="AUDIT_REWRITTEN"):
        services.heads.verify_own()
    services.enrolment.create_invite("hospital-c", actor="admin", now=NOW, valid=HOUR)
    with pytest.raises(MyofedError, match="AUDIT_REWRITTEN"):
        services.heads.verify_own()
    services.home.audit.write_bytes(whole.replace(b'"SITE_APPROVED"', b'"SITE_REVOKED"'))
    with pytest.raises(MyofedError, match="AUDIT_REWRITTEN"):
        services.heads.verify_own()


def test_altered_witness_is_found_and_an_older_one_does_not_replace_a_newer(services: Services, enrol: Enrol) -> None:
    """The site's signature covers the row; what was witnessed stays the furthest."""
    site = enrol("hospital-a")
    older = witnessed(services, site)
    services.enrolment.create_invite("hospital-c", actor="admin", now=NOW, valid=HOUR)
    for each in (witnessed(services, site), older):
        services.heads.record_witness(each, site="hospital-a", now=NOW)
    assert list(services.heads.witnessed()) == [5]
    with services.database.write() as session:
        session.execute(update(WitnessedHeadRow).values(sequence=4))
    with pytest.raises(MyofedError, match="BAD_SIGNATURE"):
        services.heads.witnessed()


def test_site_named_like_us_gets_no_head_of_ours(services: Services, enrol: Enrol) -> None:
    """A head that we co-sign for a site is never one that passes for our own."""
    site = enrol("coordinator")
    with pytest.raises(MyofedError, match="HEAD_WRONG_SITE"):
        services.heads.cosign(head(site, 1), site="coordinator", now=NOW)


def test_rewritten_chain_is_not_witnessed_anew(services: Services, enrol: Enrol) -> None:
    """A longer chain with another entry where the site signed: the earlier head is kept, so that `audit verify` finds it."""
    site = enrol("hospital-a")
    services.heads.record_witness(witnessed(services, site), site="hospital-a", now=NOW)
    lines = services.home.audit.read_bytes().splitlines(keepends=True)
    services.home.audit.write_bytes(b"".join(lines[:-1]))
    for name in ("hospital-c", "hospital-d", "hospital-e"):
        services.enrolment.create_invite(name, actor="admin", now=NOW, valid=HOUR)
    with pytest.raises(MyofedError, match="AUDIT_REWRITTEN"):
        services.heads.record_witness(witnessed(services, site), site="hospital-a", now=NOW)
    with pytest.raises(MyofedError, match="AUDIT_REWRITTEN"):
        services.heads.verify_own()
