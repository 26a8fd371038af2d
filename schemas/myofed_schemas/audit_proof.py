"""Proofs that a chain's head goes on from an earlier one: made from the chain's file, checked by the other side."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from myofed_schemas.audit import GENESIS, AuditHead, BrokenChainError, HeadProof
from myofed_schemas.audit_lines import chain_lines, parse_line
from myofed_schemas.audit_tree import AuditTree, is_consistent, is_included


def proves(proof: HeadProof | None, head: AuditHead, *, earlier: AuditHead | None) -> bool:
    """Whether this head's chain begins with all that the earlier head stood for, and its digest is the tree's last leaf.

    Args:
        proof: Of the owner, for this very earlier head; None proves nothing.
        head: With its root; one without proves nothing.
        earlier: What was signed before; None where nothing was. One without a root stands for its entry alone: then that
            entry is shown to be at its place.
    """
    if proof is None or head.root is None or head.owner != (earlier or head).owner:
        return False
    if proof.since != (earlier.sequence if earlier else 0):
        return False
    if not is_included(proof.last, number=head.sequence, digest=head.digest, size=head.sequence, root=head.root):
        return False
    if earlier is None:
        return True
    if not is_included(
        proof.earlier, number=earlier.sequence, digest=earlier.digest, size=head.sequence, root=head.root
    ):
        return False
    return earlier.root is None or is_consistent(
        proof.consistency, earlier=(earlier.sequence, earlier.root), later=(head.sequence, head.root)
    )


class ChainTree:
    """The tree over a chain's file, kept in memory and grown with the file; for all threads of a process.

    A chain names the digest of the entry before in each entry: where the last line that was read is still at its place, all
    before it are the same, too. Where it is not, the tree is made anew from the whole file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._forget()

    def head(self, owner: str) -> AuditHead:
        """Where the chain stands, with its root; sequence 0 where there is no entry.

        Raises:
            BrokenChainError: The last line is no entry, or its sequence is not its place.
        """
        with self._lock:
            self._grow()
            return self._head(owner)

    def prove(self, owner: str, *, since: int) -> tuple[AuditHead, HeadProof | None]:
        """Where the chain stands, and the proof that it goes on from its entry `since`; None where it ends before that.

        Args:
            owner: The chain's.
            since: Sequence of the head that the other side signed last; 0 where it signed none.

        Raises:
            BrokenChainError: As `head`.
        """
        with self._lock:
            self._grow()
            head, tree = self._head(owner), self._tree
            if since > tree.size or tree.size == 0:
                return head, None
            proof = HeadProof(
                since=since,
                last=tree.inclusion(tree.size, tree.size),
                earlier=tree.inclusion(since, tree.size) if since else (),
                consistency=tree.consistency(since, tree.size) if since else (),
            )
            return head, proof

    def stands_for(self, head: AuditHead) -> bool:
        """Whether the chain has this head's entry at its place and, where the head has one, its root there."""
        with self._lock:
            self._grow()
            tree = self._tree
            return tree.holds(head.sequence, head.digest) and head.root in (None, tree.root(head.sequence))

    def _forget(self) -> None:
        self._tree = AuditTree()
        self._read, self._last = 0, b""

    def _grow(self) -> None:
        if not self._is_same_file():
            self._forget()
        for line in chain_lines(self._path, begin=self._read):
            if not line.endswith(b"\n"):
                break  # a torn line of a crash, which the next append cuts off
            self._tree.append(hashlib.sha256(line[:-1]).hexdigest())
            self._read += len(line)
            self._last = line

    def _is_same_file(self) -> bool:
        if not self._read:
            return True
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._read - len(self._last))
                return stream.read(len(self._last)) == self._last
        except FileNotFoundError:
            return False

    def _head(self, owner: str) -> AuditHead:
        size = self._tree.size
        if not size:
            return AuditHead(owner=owner, sequence=0, digest=GENESIS, root=self._tree.root(0))
        last = parse_line(self._last, number=size)
        if last.sequence != size:
            raise BrokenChainError(size, f"expected sequence {size}, found {last.sequence}")
        return AuditHead(owner=owner, sequence=size, digest=last.digest(), root=self._tree.root(size))
