"""Tampering with audit chains: every bit of a small one, samples of a large one, every deletion, swap and cut."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from myofed_schemas.audit import GENESIS, AuditHead, BrokenChainError
from myofed_schemas.audit_lines import chain_lines, parse_line, verify_lines

sys.path.insert(0, str(Path(__file__).parents[2]))  # the benchmark's chain is the proof's

from bench.audit_log import audit_verify_seconds, make_audit_log

SMALL, LARGE, SAMPLES = 1_000, 1_000_000, 10_000
AFTER = 4
"""Lines behind a change that are looked at: a change is found in its own line or by the two after it."""


@dataclass
class Found:
    """Changes that were tried, by kind, and what went wrong; every `stride`-th is tried."""

    stride: int = 1
    asked: dict[str, int] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def is_turn(self, kind: str) -> bool:
        """Whether the next change of this kind is one that is tried."""
        self.asked[kind] = self.asked.get(kind, 0) + 1
        return self.asked[kind] % self.stride == 0

    def judge(self, kind: str, lines: list[bytes], cosigned: dict[int, str], *, after: AuditHead, entry: int) -> None:
        """The change is found, and the entry named is the one at fault.

        The lines before it are as they were: the check goes on from the head that they led to, as the whole would. Where
        the lines end before the co-signed entry, a change that was not found shows as a wrong entry.
        """
        self.tried[kind] = self.tried.get(kind, 0) + 1
        try:
            verify_lines(lines, cosigned=cosigned, after=after)
        except BrokenChainError as error:
            if error.sequence != entry:
                self.failed.append(f"{kind}: entry {entry} changed, entry {error.sequence} named")
        else:
            self.failed.append(f"{kind}: entry {entry} changed, and nothing found")


def tampered_chains(
    small: int = SMALL, large: int = LARGE, samples: int = SAMPLES, *, stride: int = 1, seed: int = 1
) -> tuple[list[dict[str, Any]], list[str]]:
    """What was tried and what failed.

    Args:
        small: Entries of the chain of which every bit is flipped.
        large: Entries of the chain of which bits are sampled.
        samples: How many.
        stride: Every how manieth of the small chain's changes is tried.
        seed: Of the sampling.
    """
    begin, found = time.monotonic(), Found(stride)
    with tempfile.TemporaryDirectory(prefix="myofed-audit-") as folder:
        path = Path(folder, "small.jsonl")
        head = make_audit_log(path, entries=small)
        chain = list(chain_lines(path))
        assert verify_lines(chain, cosigned={small: head}).sequence == small
        _bits(found, chain, {small: head})
        _orders(found, chain, {small: head})
        seconds = audit_verify_seconds(Path(folder), entries=large)
        _samples(found, Path(folder, "audit.jsonl"), samples, random.Random(seed))
    tried = {"seed": seed, "small": small, "large": large, "stride": stride, **found.tried}
    tried |= {"verify_large_s": round(seconds, 2), "seconds": round(time.monotonic() - begin, 1)}
    return [tried], found.failed


def _bits(found: Found, chain: list[bytes], cosigned: dict[int, str]) -> None:
    """Each bit of each line."""
    for at, line in enumerate(chain):
        before, behind = _head(chain, at), chain[at + 1 : at + 1 + AFTER]
        for bit in range(8 * len(line)):
            if found.is_turn("bits"):
                lines = [*_flipped(line, bit), *behind]
                found.judge("bits flipped", lines, cosigned, after=before, entry=at + 1)
        if at % 200 == 0:
            print(f"bits of {at} of {len(chain)} entries, {len(found.failed)} failed", file=sys.stderr)


def _orders(found: Found, chain: list[bytes], cosigned: dict[int, str]) -> None:
    """Each entry left out, each two swapped, and the chain cut behind each, and before the first."""
    for at in range(len(chain)):
        before = _head(chain, at)
        if found.is_turn("deleted"):
            found.judge("entries deleted", chain[at + 1 : at + 1 + AFTER], cosigned, after=before, entry=at + 1)
        if found.is_turn("cut"):
            found.judge("chains cut", [], cosigned, after=before, entry=at + 1)
        for other in range(at + 1, len(chain)):
            if found.is_turn("swapped"):
                lines = [chain[other], *chain[at + 1 : min(other, at + AFTER)]]
                found.judge("entries swapped", lines, cosigned, after=before, entry=at + 1)


def _samples(found: Found, path: Path, samples: int, rng: random.Random) -> None:
    """Bits of lines anywhere in a large chain."""
    offsets = array("Q", [0])
    with path.open("rb") as stream:
        for line in stream:
            offsets.append(offsets[-1] + len(line))
    entries = len(offsets) - 1
    with path.open("rb") as stream:
        last = _lines(stream, offsets, entries - 1, entries)[0]
        cosigned = {entries: parse_line(last, number=entries).digest()}
        for _ in range(samples):
            at = rng.randrange(entries)
            before = AuditHead(owner="chain", sequence=0, digest=GENESIS)
            if at:
                before = _head(_lines(stream, offsets, at - 1, at), 1, number=at)
            line, *behind = _lines(stream, offsets, at, min(entries, at + 1 + AFTER))
            lines = [*_flipped(line, rng.randrange(8 * len(line))), *behind]
            found.judge("bits of the large chain flipped", lines, cosigned, after=before, entry=at + 1)


def _lines(stream: Any, offsets: array[int], first: int, end: int) -> list[bytes]:
    stream.seek(offsets[first])
    return [stream.read(offsets[at + 1] - offsets[at]) for at in range(first, end)]


def _head(chain: list[bytes], at: int, *, number: int | None = None) -> AuditHead:
    """The head of the first `at` lines; of `number` entries, where the list holds the last of them only."""
    if at == 0:
        return AuditHead(owner="chain", sequence=0, digest=GENESIS)
    return AuditHead(owner="chain", sequence=number or at, digest=parse_line(chain[at - 1], number=1).digest())


def _flipped(line: bytes, bit: int) -> Iterator[bytes]:
    """The line with one bit changed, as lines: the bit may be its end, or make one in its middle."""
    changed = bytearray(line)
    changed[bit // 8] ^= 1 << bit % 8
    parts = bytes(changed).split(b"\n")
    yield from (part + b"\n" for part in parts[:-1])
    if parts[-1]:
        yield parts[-1]
