"""The egress ledger: one line for every request that left the hospital, chained by digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.ids import Sha256, UtcTime
from myofed_schemas.wire import WireModel

LEDGER_GENESIS = hashlib.sha256(b"myofed egress ledger 1").hexdigest()


class EgressEntry(WireModel):
    """One request out and its answer.

    Attributes:
        kind: `engine` (one of Flower's ten calls), `site` (`/site/*`), `enrol`, or `refused` (never sent).
        study: The study it was for, where the path or the header says; else empty.
        method: HTTP method.
        path: Path without query (queries are refused).
        status: HTTP status of the answer; 0 when the other side was not reached.
        out_bytes: Bytes of the request body that left.
        out_sha256: Digest of them.
        in_bytes: Bytes of the answer's body.
        in_sha256: Digest of them.
    """

    sequence: int = Field(ge=1)
    at: UtcTime
    kind: Literal["engine", "site", "enrol", "refused"]
    study: str = Field(max_length=48)
    method: str = Field(max_length=8)
    path: str = Field(max_length=200)
    status: int = Field(ge=0, le=599)
    out_bytes: int = Field(ge=0)
    out_sha256: Sha256
    in_bytes: int = Field(ge=0)
    in_sha256: Sha256
    previous: Sha256

    def digest(self) -> str:
        """SHA-256 of the canonical JSON: the next entry's `previous`."""
        return digest(self)

    def line(self) -> bytes:
        """The entry as one line of the ledger."""
        return canonical_json(self) + b"\n"


class EgressSummary(WireModel):
    """What `egress --json` prints: totals of the ledger, after the chain was verified."""

    requests: int = Field(ge=0)
    out_bytes: int = Field(ge=0)
    in_bytes: int = Field(ge=0)
    refused: int = Field(ge=0)
    by_kind: dict[str, int]
    out_bytes_by_kind: dict[str, int]
    head: Sha256


def summarise(entries: Iterable[EgressEntry]) -> EgressSummary:
    """Totals of a ledger whose chain holds.

    Raises:
        ValueError: An entry is missing, out of order or altered.
    """
    previous, requests, out_bytes, in_bytes, refused = LEDGER_GENESIS, 0, 0, 0, 0
    by_kind: dict[str, int] = {}
    out_by_kind: dict[str, int] = {}
    for number, entry in enumerate(entries, start=1):
        if entry.sequence != number or entry.previous != previous:
            msg = f"egress ledger broken at entry {number}"
            raise ValueError(msg)
        previous = entry.digest()
        by_kind[entry.kind] = by_kind.get(entry.kind, 0) + 1
        if entry.kind == "refused":
            refused += 1
            continue
        requests += 1
        out_bytes += entry.out_bytes
        out_by_kind[entry.kind] = out_by_kind.get(entry.kind, 0) + entry.out_bytes
        in_bytes += entry.in_bytes
    return EgressSummary(
        requests=requests,
        out_bytes=out_bytes,
        in_bytes=in_bytes,
        refused=refused,
        by_kind=by_kind,
        out_bytes_by_kind=out_by_kind,
        head=previous,
    )
