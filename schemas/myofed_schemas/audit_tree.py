"""The Merkle tree over an audit chain, and its proofs: RFC 6962, section 2.1 (RFC 9162, 2.1), with SHA-256.

Leaf number n, from 1, is the digest of the chain's entry n. Whoever signed the root of a smaller tree is shown by some hashes
that a larger one begins with the same entries, and sees none of them. Hashes and roots are lower-case hexadecimal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

HASH_BYTES = 32
LOWEST_KEPT = 8
"""Subtrees of 2**8 leaves and more are kept, smaller ones are hashed anew: 33 MB for a million leaves, not 64."""


def leaf_hash(digest: str) -> bytes:
    """The hash of a leaf (RFC 6962, 2.1: 0x00 keeps leaves and nodes apart)."""
    return hashlib.sha256(b"\x00" + bytes.fromhex(digest)).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node (RFC 6962, 2.1: 0x01)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


EMPTY_ROOT = hashlib.sha256(b"").hexdigest()
"""The root of a tree without leaves (RFC 6962, 2.1)."""


class RunningRoot:
    """The root of a tree whose leaves come one by one; keeps a hash for each bit of their number."""

    def __init__(self) -> None:
        self._size = 0
        self._peaks: list[bytes] = []

    def append(self, digest: str) -> None:
        """The tree has one more leaf."""
        peak = leaf_hash(digest)
        bits = self._size
        while bits & 1:
            peak = node_hash(self._peaks.pop(), peak)
            bits >>= 1
        self._peaks.append(peak)
        self._size += 1

    def root(self) -> str:
        """Of the leaves so far."""
        if not self._peaks:
            return EMPTY_ROOT
        found, *others = reversed(self._peaks)
        for peak in others:
            found = node_hash(peak, found)
        return found.hex()


class AuditTree:
    """A tree that grows, and proves what it was at any earlier size."""

    def __init__(self) -> None:
        self._leaves = bytearray()
        self._kept: list[bytearray] = []  # hashes of whole subtrees: of 2**LOWEST_KEPT leaves, of twice as many, ...

    @property
    def size(self) -> int:
        """Number of leaves."""
        return len(self._leaves) // HASH_BYTES

    def append(self, digest: str) -> None:
        """The tree has one more leaf."""
        self._leaves += leaf_hash(digest)
        size, level = self.size, LOWEST_KEPT
        while size % (1 << level) == 0:
            if len(self._kept) == level - LOWEST_KEPT:
                self._kept.append(bytearray())
            self._kept[level - LOWEST_KEPT] += self._whole(size - (1 << level), level, kept=False)
            level += 1

    def holds(self, number: int, digest: str) -> bool:
        """Whether this leaf is the entry with this digest."""
        return 1 <= number <= self.size and self._leaf(number - 1) == leaf_hash(digest)

    def root(self, size: int) -> str:
        """The root of the first `size` leaves.

        Raises:
            ValueError: There are not so many.
        """
        self._check(0, size)
        return self._hash(0, size).hex() if size else EMPTY_ROOT

    def inclusion(self, number: int, size: int) -> tuple[str, ...]:
        """The audit path of leaf `number` in the tree of the first `size` leaves (RFC 6962, 2.1.1).

        Raises:
            ValueError: There is no such leaf, or there are not so many.
        """
        self._check(number, size, least=1)
        path: list[bytes] = []
        index, begin, end = number - 1, 0, size
        while end - begin > 1:
            middle = begin + _split(end - begin)
            if index < middle:
                path.append(self._hash(middle, end))
                end = middle
            else:
                path.append(self._hash(begin, middle))
                begin = middle
        return tuple(each.hex() for each in reversed(path))

    def consistency(self, earlier: int, size: int) -> tuple[str, ...]:
        """The proof that the first `size` leaves begin with the first `earlier` ones (RFC 6962, 2.1.2).

        Raises:
            ValueError: `earlier` is none or more than `size`, or there are not so many.
        """
        self._check(earlier, size, least=1)
        proof: list[bytes] = []
        begin, end, is_known = 0, size, True  # is_known: the smaller tree's own root, which needs not be told
        while earlier != end:
            middle = begin + _split(end - begin)
            if earlier <= middle:
                proof.append(self._hash(middle, end))
                end = middle
            else:
                proof.append(self._hash(begin, middle))
                begin, is_known = middle, False
        if not is_known:
            proof.append(self._hash(begin, end))
        return tuple(each.hex() for each in reversed(proof))

    def _check(self, within: int, size: int, *, least: int = 0) -> None:
        if not least <= within <= size <= self.size:
            msg = f"a tree of {self.size} leaves has no leaf or smaller tree {within} within {size}"
            raise ValueError(msg)

    def _leaf(self, index: int) -> bytes:
        return bytes(self._leaves[index * HASH_BYTES : (index + 1) * HASH_BYTES])

    def _hash(self, begin: int, end: int) -> bytes:
        """Of the leaves from `begin` to before `end`, where `begin` is a multiple of the largest power of two below."""
        count = end - begin
        if count & (count - 1) == 0:
            return self._whole(begin, count.bit_length() - 1)
        middle = begin + _split(count)
        return node_hash(self._hash(begin, middle), self._hash(middle, end))

    def _whole(self, begin: int, level: int, *, kept: bool = True) -> bytes:
        """Of the subtree of 2**level leaves from `begin`."""
        if level == 0:
            return self._leaf(begin)
        if kept and level >= LOWEST_KEPT:
            at = (begin >> level) * HASH_BYTES
            return bytes(self._kept[level - LOWEST_KEPT][at : at + HASH_BYTES])
        half = 1 << (level - 1)
        return node_hash(self._whole(begin, level - 1), self._whole(begin + half, level - 1))


def is_included(path: Sequence[str], *, number: int, digest: str, size: int, root: str) -> bool:
    """Whether the path proves that leaf `number` of the tree with this size and root is this digest (RFC 9162, 2.1.3.2)."""
    if not 1 <= number <= size:
        return False
    place, last, found = number - 1, size - 1, leaf_hash(digest)
    for told in map(bytes.fromhex, path):
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(told, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, told)
        place, last = place >> 1, last >> 1
    return last == 0 and found.hex() == root


def is_consistent(proof: Sequence[str], *, earlier: tuple[int, str], later: tuple[int, str]) -> bool:
    """Whether the proof shows that the later tree begins with the leaves of the earlier one (RFC 9162, 2.1.4.2).

    A size is as good as the signature over it and its root: hashes alone do not tell how many leaves lie below them.

    Args:
        proof: Of `AuditTree.consistency`.
        earlier: Size, one at least, and root.
        later: The same.
    """
    (small, small_root), (large, large_root) = earlier, later
    if not 1 <= small <= large:
        return False
    if small == large:
        return not proof and small_root == large_root
    told = [bytes.fromhex(each) for each in proof]
    if small & (small - 1) == 0:  # the earlier tree is a subtree of the later one: its root begins the proof
        told.insert(0, bytes.fromhex(small_root))
    if not told:
        return False
    place, last = small - 1, large - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = told[0]
    for each in told[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(each, old), node_hash(each, new)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, each)
        place, last = place >> 1, last >> 1
    return last == 0 and old.hex() == small_root and new.hex() == large_root


def _split(count: int) -> int:
    """The largest power of two smaller than `count` (RFC 6962, 2.1: k)."""
    return 1 << (count - 1).bit_length() - 1
