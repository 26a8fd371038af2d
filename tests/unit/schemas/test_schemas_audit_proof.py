"""What one side shows the other of its chain: a head that goes on from the one before, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from myofed_schemas.audit import GENESIS, AuditEntry, AuditHead, BrokenChainError, HeadProof
from myofed_schemas.audit_lines import RewrittenChainError, chain_lines, verify_lines
from myofed_schemas.audit_proof import ChainTree, proves
from myofed_schemas.audit_tree import EMPTY_ROOT


def write(path: Path, count: int, *, changed: int = 0) -> list[AuditEntry]:
    """A chain that holds; from entry `changed` on it is another one."""
    entries, previous = [], GENESIS
    for sequence in range(1, count + 1):
        action = "REWRITTEN" if changed and sequence >= changed else "TESTED"
        entry = AuditEntry(
            sequence=sequence, at="2026-01-01T00:00:00Z", actor="admin", action=action, subject="", previous=previous
        )
        entries.append(entry)
        previous = entry.digest()
    path.write_bytes(b"".join(entry.line() for entry in entries))
    return entries


def shown(path: Path, since: int) -> tuple[AuditHead, HeadProof]:
    head, proof = ChainTree(path).prove("a", since=since)
    assert proof is not None
    return head, proof


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    write(path, 20)
    return path


def without_root(head: AuditHead) -> AuditHead:
    return head.model_copy(update={"root": None})


@pytest.mark.parametrize("since", [1, 2, 7, 8, 19, 20])
def test_grown_chain_proves_itself(chain: Path, since: int) -> None:
    """From any earlier head, from one of an earlier release, which has no root, and from none."""
    write(chain, since)
    earlier = ChainTree(chain).head("a")
    write(chain, 20)
    head, proof = shown(chain, since)
    assert proves(proof, head, earlier=earlier)
    assert proves(proof, head, earlier=without_root(earlier))
    first, proof_of_first = shown(chain, 0)
    assert proves(proof_of_first, first, earlier=None)


@pytest.mark.parametrize("changed", range(1, 8))
def test_rewritten_longer_chain_proves_nothing(chain: Path, changed: int) -> None:
    """Whichever entry was changed, and whether or not the earlier head has a root: its own entry is another one then, too."""
    write(chain, 7)
    earlier = ChainTree(chain).head("a")
    write(chain, 20, changed=changed)
    head, proof = shown(chain, 7)
    assert not proves(proof, head, earlier=earlier)
    assert not proves(proof, head, earlier=without_root(earlier))


def test_tree_of_other_entries_before_the_same_digest_proves_nothing(chain: Path) -> None:
    """Who signs a root that has nothing to do with the chain: the old entry is at its place, and all the same refused."""
    write(chain, 7)
    earlier = ChainTree(chain).head("a").model_copy(update={"root": EMPTY_ROOT})
    write(chain, 20)
    head, proof = shown(chain, 7)
    assert not proves(proof, head, earlier=earlier)


def test_digest_that_is_not_the_trees_last_leaf_proves_nothing(chain: Path) -> None:
    """Digest and root tell one story."""
    head, proof = shown(chain, 0)
    other = head.model_copy(update={"digest": "a" * 64})
    assert not proves(proof, other, earlier=None)
    assert not proves(proof, head.model_copy(update={"sequence": 19}), earlier=None)
    assert not proves(proof, head.model_copy(update={"sequence": 0}), earlier=None)


def test_missing_parts_prove_nothing(chain: Path) -> None:
    """No proof, no root, another owner, a proof from another head, or none although something was signed."""
    write(chain, 7)
    earlier = ChainTree(chain).head("a")
    write(chain, 20)
    head, proof = shown(chain, 7)
    assert not proves(None, head, earlier=earlier)
    assert not proves(proof, without_root(head), earlier=earlier)
    assert not proves(proof, head, earlier=earlier.model_copy(update={"owner": "b"}))
    assert not proves(shown(chain, 6)[1], head, earlier=earlier)
    assert not proves(shown(chain, 0)[1], head, earlier=earlier)
    assert not proves(proof.model_copy(update={"consistency": ()}), head, earlier=earlier)
    assert not proves(proof.model_copy(update={"earlier": ()}), head, earlier=without_root(earlier))


def test_chain_that_ends_before_shows_no_proof(chain: Path) -> None:
    """Its head is shown all the same: it says by how much it went back."""
    head, proof = ChainTree(chain).prove("a", since=21)
    assert (head.sequence, proof) == (20, None)


def test_no_file_and_an_empty_one_have_no_entry(tmp_path: Path) -> None:
    """Sequence 0, and nothing to prove."""
    head, proof = ChainTree(tmp_path / "none").prove("a", since=0)
    assert head == AuditHead(owner="a", sequence=0, digest=GENESIS, root=EMPTY_ROOT)
    assert proof is None


def test_tree_grows_with_its_file_and_is_made_anew_for_another(chain: Path) -> None:
    """Appended lines are read, a torn one waits; a chain in its place, longer, shorter or gone, is another tree."""
    entries = write(chain, 20)
    kept = ChainTree(chain)
    write(chain, 7)
    assert kept.head("a") == ChainTree(chain).head("a")
    with chain.open("ab") as stream:
        stream.write(entries[7].line()[:-5])
    assert kept.head("a").sequence == 7
    write(chain, 20)
    assert kept.head("a") == ChainTree(chain).head("a")
    assert kept.head("a").digest == entries[-1].digest()
    for count in (25, 9):
        write(chain, count, changed=3)
        assert kept.head("a") == ChainTree(chain).head("a")
        assert kept.head("a").sequence == count
    chain.unlink()
    assert kept.head("a").sequence == 0


def test_chain_stands_for_the_heads_that_were_its_own(chain: Path) -> None:
    """By entry and root; without a root by the entry."""
    tree = ChainTree(chain)
    now = tree.head("a")
    assert tree.stands_for(now)
    assert tree.stands_for(without_root(now))
    assert not tree.stands_for(now.model_copy(update={"root": EMPTY_ROOT}))
    write(chain, 30, changed=20)
    assert not tree.stands_for(without_root(now))
    write(chain, 10)
    assert not tree.stands_for(now)


def test_last_line_that_is_no_entry_or_out_of_place_is_not_shown(chain: Path) -> None:
    """No head is signed over it."""
    lines = chain.read_bytes().splitlines(keepends=True)
    for wrong in ([*lines, b"{}\n"], lines[1:]):
        chain.write_bytes(b"".join(wrong))
        with pytest.raises(BrokenChainError):
            ChainTree(chain).head("a")


def test_verification_compares_signed_roots(chain: Path) -> None:
    """A root that was signed and is not the tree's, or lies behind the end, is a rewritten chain."""
    root = ChainTree(chain).head("a").root or ""
    assert verify_lines(chain_lines(chain), roots={20: root}).sequence == 20
    for roots, entry in (({20: EMPTY_ROOT}, 20), ({5: root, 20: root}, 5), ({21: root}, 21)):
        with pytest.raises(RewrittenChainError) as caught:
            verify_lines(chain_lines(chain), roots=roots)
        assert caught.value.sequence == entry
    with pytest.raises(ValueError, match="from the first on"):
        verify_lines(chain_lines(chain), roots={20: root}, after=AuditHead(owner="a", sequence=1, digest=GENESIS))


def test_head_without_a_root_is_written_as_earlier_releases_did() -> None:
    """Their signatures hold."""
    head = AuditHead(owner="a", sequence=1, digest="a" * 64)
    assert head.model_dump(mode="json") == {"owner": "a", "sequence": 1, "digest": "a" * 64}
    assert head.model_copy(update={"root": "b" * 64}).model_dump()["root"] == "b" * 64
