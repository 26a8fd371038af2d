"""Search of everything that left a site for planted identities and for voxel data, in the encodings they could hide in.

The search is honest only if it can find something: `myofed-demo` plants a leak on purpose and fails when that one is
not found.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_IDENTITY_LENGTH = 6
"""Shorter values are compared as whole element values elsewhere; in a byte stream they match by chance."""

VOXEL_WINDOW = 16
"""Voxels in a row that must all be equal: with at least VOXEL_DISTINCT values, a chance match is out of the question."""

VOXEL_DISTINCT = 6
LABEL_DISTINCT = 3
PREFIX = 8
MAX_UNPACKED = 64 * 2**20
_ASCII_LOWER = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")
_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/\r\n]{64,}={0,2}")


@dataclass(frozen=True)
class Hit:
    """Something that must not have left: what kind, in which body, at which byte (never the value itself)."""

    kind: str
    body: str
    offset: int


@dataclass(frozen=True)
class Needles:
    """Byte strings to look for.

    Attributes:
        identities: Lower-case; compared with the lower-cased stream.
        voxels: Compared as they are.
    """

    identities: frozenset[bytes]
    voxels: frozenset[bytes]

    def __or__(self, other: Needles) -> Needles:
        """All needles of both."""
        return Needles(self.identities | other.identities, self.voxels | other.voxels)


def identity_needles(values: Iterable[str]) -> Needles:
    """Needles for planted identifiers: UTF-8, Latin-1 and UTF-16, whole and by name component (`DOE^JANE` -> `DOE`)."""
    found: set[bytes] = set()
    for value in values:
        parts = {value, *re.split(r"[\^=\\]", value)}
        for part in (p.strip().lower() for p in parts):
            if len(part) >= MIN_IDENTITY_LENGTH:
                found.add(part.encode())
                found.add(part.encode("latin-1", errors="replace"))
                found.add(part.encode("utf-16-le"))
    return Needles(frozenset(found), frozenset())


def voxel_needles(slices: Iterable[NDArray[np.generic]], *, distinct: int = VOXEL_DISTINCT) -> Needles:
    """Needles for image slices: a window of each of a few rows and columns, forwards and backwards, in four types.

    Args:
        slices: (rows, columns) arrays of stored values.
        distinct: How many different values a window must hold to say something.
    """
    found: set[bytes] = set()
    for pixels in slices:
        rows, columns = pixels.shape
        for share in (0.3, 0.5, 0.7):
            for line in (pixels[int(rows * share)], pixels[:, int(columns * share)]):
                found.update(_line_needles(np.asarray(line), distinct))
    return Needles(frozenset(), frozenset(found))


def _line_needles(line: NDArray[np.generic], distinct: int) -> Iterator[bytes]:
    start = _liveliest(line)
    window = line[start : start + VOXEL_WINDOW]
    if len(np.unique(window)) < distinct:
        return
    for direction in (window, window[::-1]):
        for kind in ("<u2", "<i2", "<f4", "<f8"):
            yield np.ascontiguousarray(direction).astype(kind).tobytes()
        if int(np.max(window)) < 256 and int(np.min(window)) >= 0:
            yield np.ascontiguousarray(direction).astype(np.uint8).tobytes()


def _liveliest(line: NDArray[np.generic]) -> int:
    starts = range(0, max(1, len(line) - VOXEL_WINDOW), 4)
    return max(starts, key=lambda s: len(np.unique(line[s : s + VOXEL_WINDOW])))


def search(bodies: Iterable[tuple[str, bytes]], needles: Needles) -> tuple[Hit, ...]:
    """Every place where a needle stands in a body, as it is or after unpacking (gzip, zlib, base64).

    Args:
        bodies: Name and bytes of each.
        needles: What to look for.

    Raises:
        ValueError: There is nothing to look for: a search for nothing proves nothing.
    """
    if not needles.identities and not needles.voxels:
        msg = "no needles: a search for nothing proves nothing"
        raise ValueError(msg)
    identities, voxels = _Index(needles.identities), _Index(needles.voxels)
    hits: list[Hit] = []
    for name, body in bodies:
        for layer in _layers(body):
            hits += [Hit("identity", name, at) for at in identities.find(layer.translate(_ASCII_LOWER))]
            hits += [Hit("voxels", name, at) for at in voxels.find(layer)]
    return tuple(hits)


class _Index:
    """Finds any of many byte strings: 8-byte prefixes compared in bulk, then each candidate whole."""

    def __init__(self, needles: frozenset[bytes]) -> None:
        self._short = sorted(n for n in needles if len(n) < PREFIX)
        self._by_prefix: dict[int, list[bytes]] = {}
        for needle in needles - set(self._short):
            self._by_prefix.setdefault(int.from_bytes(needle[:PREFIX], "little"), []).append(needle)
        self._prefixes = np.array(sorted(self._by_prefix), dtype="<u8")

    def find(self, body: bytes) -> Iterator[int]:
        for needle in self._short:
            if (at := body.find(needle)) >= 0:
                yield at
        if not len(self._prefixes):
            return
        for shift in range(PREFIX):
            count = (len(body) - shift) // PREFIX
            if count <= 0:
                return
            words = np.frombuffer(body, dtype="<u8", count=count, offset=shift)
            places = np.searchsorted(self._prefixes, words)
            places[places == len(self._prefixes)] = 0
            for word in np.flatnonzero(self._prefixes[places] == words):
                at = int(word) * PREFIX + shift
                if any(body.startswith(n, at) for n in self._by_prefix[int(words[word])]):
                    yield at


def _layers(body: bytes) -> Iterator[bytes]:
    yield body
    yield from _inflated(body)
    for run in _BASE64_RUN.finditer(body):
        try:
            decoded = base64.b64decode(run.group().replace(b"\n", b"").replace(b"\r", b"") + b"==", validate=False)
        except binascii.Error:
            continue  # not base64 after all: the bytes themselves are searched anyway
        yield decoded
        yield from _inflated(decoded)


def _inflated(body: bytes) -> Iterator[bytes]:
    for magic, window in ((b"\x1f\x8b\x08", 31), (b"\x78\x01", 15), (b"\x78\x9c", 15), (b"\x78\xda", 15)):
        at = body.find(magic)
        while at >= 0:
            # Two bytes that look like a header are mostly none: the bytes themselves are searched anyway.
            with contextlib.suppress(zlib.error):
                yield zlib.decompressobj(window).decompress(memoryview(body)[at:], MAX_UNPACKED)
            at = body.find(magic, at + 1)


def planted_leak(identity: str, pixels: NDArray[np.generic]) -> Sequence[tuple[str, bytes]]:
    """Two bodies as a careless node could have sent them: a name inside compressed JSON, and raw voxels."""
    return (
        ("planted-identity", zlib.compress(b'{"series": "thigh", "patient": "' + identity.encode() + b'"}')),
        ("planted-voxels", b"\x00" * 13 + np.ascontiguousarray(pixels).tobytes() + b"\x00" * 5),
    )
