"""The append-only hash chain that both sides keep of everything decided, and its verification."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.ids import Code, Sha256, UtcTime
from myofed_schemas.study import HexSignature
from myofed_schemas.wire import WireModel

GENESIS = hashlib.sha256(b"myofed audit chain 1").hexdigest()
"""The `previous` of the first entry."""
COORDINATOR = "coordinator"
"""The owner of the coordinator's own chain; no site's head has it."""
TreePath = Annotated[tuple[Sha256, ...], Field(max_length=64)]
"""Hashes of a proof; no chain has more than 2**53 entries."""


class AuditEntry(WireModel):
    """One decision or deed.

    Attributes:
        sequence: 1, 2, 3, ... without a gap.
        at: UTC.
        actor: `system`, a site name, or the login of a person on this machine; never a patient.
        action: What happened, e.g. `STUDY_APPROVED`.
        subject: What it happened to: an id or a digest (on the node possibly a subject's pseudonym, which never leaves).
        detail: Codes, digests and counts.
        previous: Digest of the entry before.
    """

    sequence: int = Field(ge=1)
    at: UtcTime
    actor: str = Field(min_length=1, max_length=64)
    action: Code
    subject: str = Field(max_length=128)
    detail: dict[str, str | int] = Field(default_factory=dict)
    previous: Sha256

    def digest(self) -> str:
        """SHA-256 of the canonical JSON: the next entry's `previous`."""
        return digest(self)

    def line(self) -> bytes:
        """The entry as one line of the chain's file."""
        return canonical_json(self) + b"\n"


class AuditHead(WireModel):
    """Where a chain stands; signed by its owner and co-signed by the other side.

    Attributes:
        owner: A site, `coordinator`, or what else has a chain.
        sequence: Of the last entry; 0 where there is none.
        digest: Of the last entry.
        root: Of the Merkle tree over the digests of all entries (`audit_tree.py`); heads of earlier releases have none.
    """

    owner: str = Field(min_length=1, max_length=64)
    sequence: int = Field(ge=0)
    digest: Sha256
    root: Sha256 | None = None

    def went_back_from(self, earlier: AuditHead) -> bool:
        """Whether this is a shorter chain than the earlier head's, or another one of the same length."""
        return self.sequence < earlier.sequence or (self.sequence == earlier.sequence and self.digest != earlier.digest)

    @model_serializer(mode="wrap")
    def _without_missing_root(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A head without a root is absent of it, so that one of an earlier release keeps its signature."""
        document: dict[str, Any] = handler(self)
        return {name: value for name, value in document.items() if name != "root" or value is not None}


class SignedAuditHead(WireModel):
    """A head with an Ed25519 signature over its canonical JSON."""

    head: AuditHead
    signature: HexSignature


class HeadProof(WireModel):
    """What shows that a head goes on from an earlier one of the same chain: hashes, no entry (RFC 6962, section 2.1).

    Attributes:
        since: Sequence of the earlier head; 0 where there was none, and nothing to go on from.
        last: Audit path of the head's own digest, the last leaf.
        earlier: Audit path of entry `since`: also proves a head of an earlier release, which has no root.
        consistency: Consistency proof from the tree of `since` entries.
    """

    since: int = Field(ge=0)
    last: TreePath
    earlier: TreePath = ()
    consistency: TreePath = ()


class ProvenHead(WireModel):
    """A signed head as it is shown to the other side.

    Attributes:
        head: Of the chain.
        signature: The owner's.
        proof: None in a node of an earlier release, or where the chain is shorter than the head it should go on from.
    """

    head: AuditHead
    signature: HexSignature
    proof: HeadProof | None = None

    @property
    def signed(self) -> SignedAuditHead:
        """The head and its signature alone."""
        return SignedAuditHead(head=self.head, signature=self.signature)


class CosignedHead(WireModel):
    """The head of a site's chain that the coordinator co-signed last: what the next one has to go on from; None before it."""

    head: AuditHead | None


class WitnessedHead(WireModel):
    """The coordinator's head, as it signed it, with a site's signature over the same canonical JSON.

    Attributes:
        head: Of the coordinator's chain.
        signature: The coordinator's: only a head that it gave out can be witnessed.
        witness: The site's, by its identity key.
    """

    head: AuditHead
    signature: HexSignature
    witness: HexSignature


class BrokenChainError(ValueError):
    """The chain does not hold; `sequence` is the first entry at fault."""

    def __init__(self, sequence: int, why: str) -> None:
        super().__init__(f"audit chain broken at entry {sequence}: {why}")
        self.sequence = sequence


def verify_chain(entries: Iterable[AuditEntry]) -> AuditHead:
    """The head of a chain in which every entry follows from the one before.

    Args:
        entries: All entries, in order.

    Returns:
        The head, owner `chain`; sequence 0 and GENESIS for an empty chain.

    Raises:
        BrokenChainError: A sequence number is missing or repeated, or a digest does not match.
    """
    sequence, previous = 0, GENESIS
    for entry in entries:
        if entry.sequence != sequence + 1:
            raise BrokenChainError(entry.sequence, f"expected sequence {sequence + 1}")
        if entry.previous != previous:
            raise BrokenChainError(entry.sequence, "the digest of the entry before differs")
        sequence, previous = entry.sequence, entry.digest()
    return AuditHead(owner="chain", sequence=sequence, digest=previous)
