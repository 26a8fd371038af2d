"""Co-signing of the sites' audit heads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from coordinator_factories import HOUR, NOW, FakeSite
from sqlalchemy import delete, update

from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.enrolment.models import WitnessedHeadRow
from myofed_coordinator.services import Services
from myofed_coordinator.signing import load_signer, new_signer, verify
from myofed_schemas.audit import AuditHead, CosignedHead, HeadProof, ProvenHead, WitnessedHead
from myofed_schemas.audit_proof import proves
from myofed_schemas.audit_tree import AuditTree
from myofed_schemas.errors import MyofedError

Enrol = Callable[[str], FakeSite]


def head(site: FakeSite, sequence: int, digest: str = "a" * 64, owner: str = "") -> ProvenHead:
    """As a node of an earlier release shows it."""
    made = AuditHead(owner=owner or site.name, sequence=sequence, digest=digest)
    return ProvenHead(head=made, signature=site.identity.sign(made))


def entries(count: int, *, rewritten: int = 0) -> list[str]:
    """Digests of a site's chain; from entry `rewritten` on of another one."""
    said = ["rewritten" if rewritten and n >= rewritten else "entry" for n in range(1, count + 1)]
    return [hashlib.sha256(f"{each} {n}".encode()).hexdigest() for n, each in enumerate(said)]


def proven(site: FakeSite, chain: list[str], *, since: int) -> ProvenHead:
    """The head of this chain with its honest proof."""
    tree = AuditTree()
    for digest in chain:
        tree.append(digest)
    made = AuditHead(owner=site.name, sequence=tree.size, digest=chain[-1], root=tree.root(tree.size))
    proof = HeadProof(
        since=since,
        last=tree.inclusion(tree.size, tree.size),
        earlier=tree.inclusion(since, tree.size) if since else (),
        consistency=tree.consistency(since, tree.size) if since else (),
    )
    return ProvenHead(head=made, signature=site.identity.sign(made), proof=proof)


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


def test_proven_chain_is_cosigned_with_its_root(services: Services, enrol: Enrol) -> None:
    """From nothing, then from the head that was co-signed, which the site is told; sent again it is answered again."""
    site = enrol("hospital-a")
    assert services.heads.last_cosigned("hospital-a") == CosignedHead(head=None)
    for since, count in ((0, 3), (3, 3), (3, 8)):
        shown = proven(site, entries(count), since=since)
        signed = services.heads.cosign(shown, site="hospital-a", now=NOW)
        assert signed.head == shown.head == services.heads.last_cosigned("hospital-a").head
    noted = [e.detail for e in services.audit.entries() if e.action == "AUDIT_HEAD_COSIGNED"]
    assert [(each["sequence"], each["root"]) for each in noted][-1] == (8, shown.head.root)
    assert len(noted) == 2


@pytest.mark.parametrize("rewritten", [1, 2, 3])
def test_rewritten_longer_chain_of_a_site_is_refused(services: Services, enrol: Enrol, rewritten: int) -> None:
    """Its proof does not lead to what was co-signed; the earlier head is kept, and the true chain goes on from it."""
    site = enrol("hospital-a")
    services.heads.cosign(proven(site, entries(3), since=0), site="hospital-a", now=NOW)
    before = services.heads.last_cosigned("hospital-a")
    with pytest.raises(MyofedError, match="HEAD_HISTORY_CHANGED"):
        services.heads.cosign(proven(site, entries(9, rewritten=rewritten), since=3), site="hospital-a", now=NOW)
    assert services.heads.last_cosigned("hospital-a") == before
    services.heads.cosign(proven(site, entries(5), since=3), site="hospital-a", now=NOW)


def test_head_without_a_proof_from_there_is_refused(services: Services, enrol: Enrol) -> None:
    """From another head (an answer was lost), none, or without a root once there was one: nobody falls back to the old way."""
    site = enrol("hospital-a")
    services.heads.cosign(proven(site, entries(3), since=0), site="hospital-a", now=NOW)
    right = proven(site, entries(5), since=3)
    same = entries(3)[-1]
    for wrong in (
        proven(site, entries(5), since=2),
        proven(site, entries(5), since=0),
        right.model_copy(update={"proof": None}),
        head(site, 5, right.head.digest),
        head(site, 3, same),
    ):
        with pytest.raises(MyofedError, match="HEAD_UNPROVEN"):
            services.heads.cosign(wrong, site="hospital-a", now=NOW)
    assert right.proof is not None
    other_root = right.head.model_copy(update={"root": "a" * 64})
    other_digest = right.head.model_copy(update={"digest": "a" * 64})
    for changed in (other_root, other_digest):
        shown = right.model_copy(update={"head": changed, "signature": site.identity.sign(changed)})
        with pytest.raises(MyofedError, match="HEAD_HISTORY_CHANGED"):
            services.heads.cosign(shown, site="hospital-a", now=NOW)


@pytest.mark.parametrize("count", [3, 7])
def test_head_of_an_earlier_release_is_gone_on_from(services: Services, enrol: Enrol, count: int) -> None:
    """It has no root: its entry is at its place, or the first exchange after the upgrade is refused."""
    site = enrol("hospital-a")
    services.heads.cosign(head(site, 3, entries(3)[-1]), site="hospital-a", now=NOW)
    if count > 3:
        with pytest.raises(MyofedError, match="HEAD_HISTORY_CHANGED"):
            services.heads.cosign(proven(site, entries(count, rewritten=2), since=3), site="hospital-a", now=NOW)
    services.heads.cosign(proven(site, entries(count), since=3), site="hospital-a", now=NOW)
    assert (services.heads.last_cosigned("hospital-a").head or head(site, 1).head).root is not None


def test_sites_history_is_accepted_by_a_person(services: Services, enrol: Enrol) -> None:
    """After a restored backup: what was co-signed stands in our chain, with the site's signature, and the next head is a first."""
    site = enrol("hospital-a")
    with pytest.raises(MyofedError, match="HEAD_NONE"):
        services.heads.accept_history("hospital-a", actor="admin", now=NOW)
    for old in (head(site, 3), proven(site, entries(5), since=0)):
        services.heads.cosign(old, site="hospital-a", now=NOW)
        assert services.heads.accept_history("hospital-a", actor="admin", now=NOW) == old.head
        noted = list(services.audit.entries())[-1]
        assert (noted.action, noted.detail["signature"]) == ("SITE_HISTORY_ACCEPTED", old.signature)
        assert noted.detail.get("root") == old.head.root
    services.heads.cosign(proven(site, entries(4, rewritten=2), since=0), site="hospital-a", now=NOW)


def test_own_head_comes_with_the_proof_from_what_was_witnessed(services: Services, enrol: Enrol) -> None:
    """From none, from any earlier head, also one without a root; none where our chain ends before."""
    enrol("hospital-a")
    first = services.heads.own_head()
    assert proves(first.proof, first.head, earlier=None)
    services.enrolment.create_invite("hospital-c", actor="admin", now=NOW, valid=HOUR)
    later = services.heads.own_head(since=first.head.sequence)
    assert proves(later.proof, later.head, earlier=first.head)
    assert proves(later.proof, later.head, earlier=first.head.model_copy(update={"root": None}))
    assert services.heads.own_head(since=99).proof is None


def test_rewritten_longer_chain_of_ours_proves_nothing(services: Services, enrol: Enrol) -> None:
    """Made anew from the middle, whole in itself and longer: by a process that had the tree, and by one that had not."""
    enrol("hospital-a")
    before = services.heads.own_head()
    rewrite_from_the_middle(services.home.audit, more=5)
    assert services.audit.verify().sequence == before.head.sequence + 5
    for log in (services.audit, AuditLog(services.home.audit)):
        after, proof = log.prove(since=before.head.sequence)
        assert after.sequence == before.head.sequence + 5
        assert not proves(proof, after, earlier=before.head)


def rewrite_from_the_middle(path: Path, *, more: int) -> None:
    """Entry 2 and all after it say something else, in a chain that holds and has more entries."""
    log = AuditLog(path)
    first, *others = log.entries()
    path.write_bytes(first.line())
    for number in range(len(others) + more):
        log.append(Deed("admin", "REWRITTEN", str(number)), now=NOW)


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


def test_root_is_witnessed_and_verified(services: Services, enrol: Enrol) -> None:
    """Of two sites that vouch for one entry, another root is a rewritten chain; one without a root says nothing of it."""
    site, other = enrol("hospital-a"), enrol("hospital-b")
    right = witnessed(services, site)
    services.heads.record_witness(right, site="hospital-a", now=NOW)
    old = right.head.model_copy(update={"root": None})
    signer = load_signer(services.home.signing_key)
    for changed in (old, right.head):
        theirs = WitnessedHead(head=changed, signature=signer.sign(changed), witness=other.identity.sign(changed))
        services.heads.record_witness(theirs, site="hospital-b", now=NOW)
        assert services.heads.witnessed() == {right.head.sequence: right.head}
    assert services.heads.verify_own() == old
    wrong = right.head.model_copy(update={"root": "a" * 64})
    with services.database.write() as session:
        values = {"root": wrong.root, "witness": other.identity.sign(wrong)}
        session.execute(update(WitnessedHeadRow).where(WitnessedHeadRow.site == "hospital-b").values(**values))
    with pytest.raises(MyofedError, match="AUDIT_REWRITTEN"):
        services.heads.witnessed()
    with services.database.write() as session:
        session.execute(delete(WitnessedHeadRow).where(WitnessedHeadRow.site == "hospital-a"))
    with pytest.raises(MyofedError, match="AUDIT_REWRITTEN"):
        services.heads.verify_own()


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
