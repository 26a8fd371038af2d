"""The Merkle tree of an audit chain: every proof that holds, and no other."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_schemas.audit_tree import EMPTY_ROOT, LOWEST_KEPT, AuditTree, RunningRoot, is_consistent, is_included

SIZES = 70
LARGE = 2 ** (LOWEST_KEPT + 2) + 300
"""Some whole subtrees are kept, others are not."""


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH(D[n]) as RFC 6962, 2.1 writes it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = largest_power_below(len(leaves))
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]), RFC 6962, 2.1.1; m from 0."""
    if len(leaves) == 1:
        return []
    k = largest_power_below(len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m: int, leaves: list[bytes], *, known: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b), RFC 6962, 2.1.2."""
    if m == len(leaves):
        return [] if known else [naive_root(leaves)]
    k = largest_power_below(len(leaves))
    if m <= k:
        return [*naive_subproof(m, leaves[:k], known=known), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], known=False), naive_root(leaves[:k])]


def largest_power_below(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def digests(count: int, text: str = "entry") -> list[str]:
    return [hashlib.sha256(f"{text} {n}".encode()).hexdigest() for n in range(count)]


def grown(entries: list[str]) -> AuditTree:
    tree = AuditTree()
    for entry in entries:
        tree.append(entry)
    return tree


ENTRIES = digests(LARGE)
LEAVES = [bytes.fromhex(entry) for entry in ENTRIES]
TREE = grown(ENTRIES)
ROOTS = [naive_root(LEAVES[:n]).hex() for n in range(SIZES + 1)]


def flipped(text: str) -> list[str]:
    """The same hash with each of its bits changed."""
    value, width = int(text, 16), len(text)
    return [f"{value ^ (1 << bit):0{width}x}" for bit in range(4 * width)]


@pytest.mark.parametrize(
    ("leaves", "root"),
    [
        (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        (4, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
        (5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
        (6, "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
        (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ],
)
def test_roots_are_those_of_certificate_transparencys_own_example(leaves: int, root: str) -> None:
    """The eight leaves and roots of Google's reference implementation of RFC 6962."""
    entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    assert grown(entries).root(leaves) == root


def test_roots_are_those_of_the_definition_at_every_size() -> None:
    """By the growing tree at any earlier size, and by the running root."""
    running = RunningRoot()
    assert EMPTY_ROOT == TREE.root(0) == running.root() == ROOTS[0]
    for size in range(1, SIZES + 1):
        running.append(ENTRIES[size - 1])
        assert TREE.root(size) == running.root() == ROOTS[size]
    for entry in ENTRIES[SIZES:]:
        running.append(entry)
    assert TREE.root(LARGE) == running.root() == naive_root(LEAVES).hex()


def test_every_leaf_of_every_small_tree_is_proven_to_be_in_it() -> None:
    """The path is the definition's, holds, and proves no other place."""
    for size in range(1, SIZES + 1):
        for number in range(1, size + 1):
            path = TREE.inclusion(number, size)
            assert path == tuple(each.hex() for each in naive_path(number - 1, LEAVES[:size]))
            told = {"digest": ENTRIES[number - 1], "root": ROOTS[size]}
            assert is_included(path, number=number, size=size, **told)
            for other in {number - 1, number + 1, size + 1, 0} - {number}:
                assert not is_included(path, number=other, size=size, **told)


def test_every_pair_of_small_trees_is_proven_consistent() -> None:
    """The proof is the definition's and holds."""
    for size in range(1, SIZES + 1):
        for earlier in range(1, size + 1):
            proof = TREE.consistency(earlier, size)
            assert proof == tuple(each.hex() for each in naive_subproof(earlier, LEAVES[:size], known=True))
            assert is_consistent(proof, earlier=(earlier, ROOTS[earlier]), later=(size, ROOTS[size]))


def test_proof_does_not_hold_for_any_other_pair_of_sizes() -> None:
    """Between trees of 1 to 24 leaves: a proof, roots and other sizes than theirs."""
    few = range(1, 25)
    for size in few:
        for earlier in range(1, size):
            proof = TREE.consistency(earlier, size)
            # the roots stay: only a claim of the same sizes (or the proof of exactly those) may hold
            for other in few:
                told_later = is_consistent(proof, earlier=(earlier, ROOTS[earlier]), later=(other, ROOTS[other]))
                told_earlier = is_consistent(proof, earlier=(other, ROOTS[other]), later=(size, ROOTS[size]))
                assert told_later == (other == size)
                assert told_earlier == (other == earlier)


def test_every_single_bit_of_proofs_and_roots_counts() -> None:
    """One changed bit in any hash, or one hash more or less, and nothing is proven."""
    for earlier, size in ((1, 2), (3, 7), (4, 8), (6, 7), (5, 13), (16, 33), (23, 70)):
        proof, ends = TREE.consistency(earlier, size), ((earlier, ROOTS[earlier]), (size, ROOTS[size]))
        for at, told in enumerate(proof):
            for wrong in flipped(told):
                changed = (*proof[:at], wrong, *proof[at + 1 :])
                assert not is_consistent(changed, earlier=ends[0], later=ends[1])
            assert not is_consistent((*proof[:at], *proof[at + 1 :]), earlier=ends[0], later=ends[1])
        assert not is_consistent((*proof, ROOTS[1]), earlier=ends[0], later=ends[1])
        for wrong in flipped(ROOTS[earlier]):
            assert not is_consistent(proof, earlier=(earlier, wrong), later=ends[1])
        for wrong in flipped(ROOTS[size]):
            assert not is_consistent(proof, earlier=ends[0], later=(size, wrong))


def test_every_single_bit_of_paths_digests_and_roots_counts() -> None:
    """The same for the proof that an entry is at its place."""
    for number, size in ((1, 1), (2, 2), (3, 7), (7, 7), (20, 33), (33, 33), (70, 70)):
        path, digest, root = TREE.inclusion(number, size), ENTRIES[number - 1], ROOTS[size]
        for at, told in enumerate(path):
            for wrong in flipped(told):
                changed = (*path[:at], wrong, *path[at + 1 :])
                assert not is_included(changed, number=number, digest=digest, size=size, root=root)
            shorter = (*path[:at], *path[at + 1 :])
            assert not is_included(shorter, number=number, digest=digest, size=size, root=root)
        assert not is_included((*path, ROOTS[1]), number=number, digest=digest, size=size, root=root)
        for wrong in flipped(digest):
            assert not is_included(path, number=number, digest=wrong, size=size, root=root)
        for wrong in flipped(root):
            assert not is_included(path, number=number, digest=digest, size=size, root=wrong)


def test_trees_of_one_size_are_consistent_by_their_root_alone() -> None:
    """Without a hash; with one, or with another root, they are not."""
    assert is_consistent((), earlier=(5, ROOTS[5]), later=(5, ROOTS[5]))
    assert not is_consistent((ROOTS[1],), earlier=(5, ROOTS[5]), later=(5, ROOTS[5]))
    assert not is_consistent((), earlier=(5, ROOTS[4]), later=(5, ROOTS[5]))


@pytest.mark.parametrize(("earlier", "later"), [(0, 5), (6, 5), (-1, 5), (0, 0)])
def test_nothing_is_proven_of_no_tree_or_a_smaller_one(earlier: int, later: int) -> None:
    """An empty tree is consistent with anything, so it proves nothing here."""
    assert not is_consistent((), earlier=(earlier, EMPTY_ROOT), later=(later, ROOTS[5]))


@pytest.mark.parametrize("earlier", [3, 4])
def test_empty_proof_of_a_larger_tree_proves_nothing(earlier: int) -> None:
    """Whether the earlier tree is a subtree of the later one or not."""
    assert not is_consistent((), earlier=(earlier, ROOTS[earlier]), later=(7, ROOTS[7]))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_large_trees_prove_what_the_definition_does(data: st.DataObject) -> None:
    """Across subtrees that are kept and such that are hashed anew."""
    size = data.draw(st.integers(1, LARGE))
    earlier = data.draw(st.integers(1, size))
    proof, path = TREE.consistency(earlier, size), TREE.inclusion(earlier, size)
    assert proof == tuple(each.hex() for each in naive_subproof(earlier, LEAVES[:size], known=True))
    assert path == tuple(each.hex() for each in naive_path(earlier - 1, LEAVES[:size]))
    small, large = (earlier, TREE.root(earlier)), (size, TREE.root(size))
    assert is_consistent(proof, earlier=small, later=large)
    assert is_included(path, number=earlier, digest=ENTRIES[earlier - 1], size=size, root=large[1])


@given(st.integers(2, 200), st.data())
@settings(max_examples=60, deadline=None)
def test_rewritten_entry_leaves_no_proof(size: int, data: st.DataObject) -> None:
    """The tree of another history, longer than the one before: its own honest proof does not lead to the earlier root."""
    earlier = data.draw(st.integers(1, size - 1))
    changed = data.draw(st.integers(0, earlier - 1))
    entries = ENTRIES[:changed] + digests(size - changed, "rewritten")
    other = grown(entries)
    proof = other.consistency(earlier, size)
    assert not is_consistent(proof, earlier=(earlier, TREE.root(earlier)), later=(size, other.root(size)))


@pytest.mark.parametrize(
    "ask",
    [
        lambda: TREE.root(LARGE + 1),
        lambda: TREE.root(-1),
        lambda: TREE.inclusion(0, 5),
        lambda: TREE.inclusion(6, 5),
        lambda: TREE.consistency(0, 5),
        lambda: TREE.consistency(6, 5),
        lambda: TREE.consistency(5, LARGE + 1),
    ],
)
def test_what_the_tree_has_not_is_not_proven(ask: object) -> None:
    """A place or size that is not there is a fault of the caller."""
    with pytest.raises(ValueError, match="has no leaf or smaller tree"):
        ask()  # type: ignore[operator]


def test_tree_knows_its_entries() -> None:
    """By place and digest."""
    assert TREE.size == LARGE
    assert TREE.holds(7, ENTRIES[6])
    assert not TREE.holds(7, ENTRIES[7])
    assert not TREE.holds(0, ENTRIES[0])
    assert not TREE.holds(LARGE + 1, ENTRIES[0])
