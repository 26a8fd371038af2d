"""Verification of an audit chain as it lies in its file: line by line, fast, and the same as over typed entries.

A line is accepted by the form of its bytes where these can only be an entry's canonical JSON; any other line is parsed, and
must be, byte for byte, the canonical JSON of the entry that it gives. So the digest of an entry is the SHA-256 of its line.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypedDict

from pydantic import ValidationError

from myofed_schemas.audit import GENESIS, AuditEntry, AuditHead, BrokenChainError
from myofed_schemas.audit_tree import RunningRoot

LONGEST_LINE_BYTES = 64 * 1024
"""More than any entry takes: codes, digests and counts only."""

_ASCII = rb"[ !#-\[\]-~]"
"""ASCII that stands for itself in a JSON string: no quote, no backslash, no control character."""
_UTF_8 = rb"[ !#-\[\]-\xff]"
"""The same with DEL and every byte of other characters; whether they are UTF-8 is looked at afterwards."""


def _key(plain: bytes) -> re.Pattern[bytes]:
    return re.compile(rb'"(' + plain + rb'*)":')


def _entry(plain: bytes) -> re.Pattern[bytes]:
    """Lines that can only be the canonical JSON of an entry, for bytes that stand for themselves."""
    value = rb'(?:"' + plain + rb'*"|0|-?[1-9][0-9]{0,14})'
    pair = rb'"' + plain + rb'*":' + value
    return re.compile(
        rb'\{"action":"[A-Z][A-Z0-9_]{1,63}",'
        rb'"actor":"(' + plain + rb'{1,256})",'
        rb'"at":"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z",'
        rb'"detail":\{((?:' + pair + rb"(?:," + pair + rb")*)?)\},"
        rb'"previous":"([0-9a-f]{64})",'
        rb'"sequence":([1-9][0-9]{0,14}),'
        rb'"subject":"(' + plain + rb'{0,512})"\}\n'
    )


_FORMS = ((_entry(_ASCII), _key(_ASCII)), (_entry(_UTF_8), _key(_UTF_8)))
LONGEST_ACTOR, LONGEST_SUBJECT = 64, 128
"""Characters, as `AuditEntry` says."""


class RewrittenChainError(BrokenChainError):
    """The chain is not the one whose head the other side co-signed; `sequence` is the first entry at fault."""


@dataclass(frozen=True, slots=True)
class _Link:
    """What the chain needs of one line."""

    sequence: int
    previous: str
    digest: str


class Anchors(TypedDict):
    """What a chain is compared with: sequence -> digest, and sequence -> root where the head has one."""

    cosigned: dict[int, str]
    roots: dict[int, str]


def anchors_of(heads: Iterable[AuditHead]) -> Anchors:
    """What these heads say of the chain, for `verify_lines` and `export_lines`; of one sequence the last one counts."""
    every = tuple(heads)
    return {
        "cosigned": {head.sequence: head.digest for head in every},
        "roots": {head.sequence: head.root for head in every if head.root is not None},
    }


def chain_lines(path: Path, *, begin: int = 0) -> Iterator[bytes]:
    """The lines that a chain's file has now, with their line ends; none where there is no file.

    Nobody appends while the end is looked up, so that no line is half there. A line that is too long comes in parts.

    Args:
        path: The chain's file.
        begin: Place in the file where a line begins: from there on.
    """
    if not path.exists():
        return
    with path.open("rb") as stream:
        fcntl.flock(stream.fileno(), fcntl.LOCK_SH)
        left = os.fstat(stream.fileno()).st_size - begin
        fcntl.flock(stream.fileno(), fcntl.LOCK_UN)
        stream.seek(begin)
        while left > 0 and (line := stream.readline(min(left, LONGEST_LINE_BYTES))):
            left -= len(line)
            yield line


def parse_line(line: bytes, *, number: int) -> AuditEntry:
    """The entry that this line is the canonical form of.

    Args:
        line: With its line end.
        number: Its place in the file, from 1.

    Raises:
        BrokenChainError: It is no entry, or not in its canonical form.
    """
    try:
        entry = AuditEntry.model_validate_json(line)
        canonical = entry.line()
    except (ValidationError, ValueError):
        raise BrokenChainError(number, "the line is no entry") from None
    if line != canonical:
        raise BrokenChainError(number, "the line is not in canonical form")
    return entry


def verify_lines(
    lines: Iterable[bytes],
    *,
    cosigned: Mapping[int, str] | None = None,
    roots: Mapping[int, str] | None = None,
    after: AuditHead | None = None,
) -> AuditHead:
    """The head of a chain in which every line follows from the one before, and every co-signed entry is as it was.

    Args:
        lines: All lines, in order, with their line ends.
        cosigned: Sequence -> digest of entries that the other side vouched for.
        roots: Sequence -> root of the tree over the entries so far that the other side vouched for; needs the lines from the
            first on.
        after: Head of what was verified before; the lines go on from there. None begins with the first entry.

    Returns:
        The head, owner `chain`; sequence 0 and GENESIS for an empty chain.

    Raises:
        BrokenChainError: Names the first entry that is missing, out of place or altered. Of two neighbours altered at once
            it may name the second.
        RewrittenChainError: The chain holds, but a co-signed entry is missing or another one, or has another root.
        ValueError: Roots of lines that go on from somewhere.
    """
    if roots and after:
        msg = "roots need the chain's lines from the first on"
        raise ValueError(msg)
    tree = _SignedRoots(roots or {})
    sequence, previous = (after.sequence, after.digest) if after else (0, GENESIS)
    anchors = {number: digest for number, digest in (cosigned or {}).items() if number > sequence}
    links = enumerate(lines, start=sequence + 1)
    for number, line in links:
        link = _link(line, number)
        if link.sequence != number:
            raise BrokenChainError(number, f"expected sequence {number}, found {link.sequence}")
        if link.previous != previous:
            following = next(links, (0, b""))[1]
            raise BrokenChainError(_altered(link, following, anchors), "its digest is not the one that follows it")
        sequence, previous = number, link.digest
        if anchors.pop(number, previous) != previous:
            raise RewrittenChainError(number, "it is not the entry that was co-signed")
        tree.grow(number, link.digest)
    if missing := [*anchors, *tree.left]:
        raise RewrittenChainError(sequence + 1, f"the chain ends before entry {min(missing)}, which was co-signed")
    return AuditHead(owner="chain", sequence=sequence, digest=previous)


class _SignedRoots:
    """The tree that grows with a chain, as far as a root in it was signed; where none was, it costs nothing."""

    def __init__(self, roots: Mapping[int, str]) -> None:
        self.left = dict(roots)
        self._tree = RunningRoot()

    def grow(self, number: int, digest: str) -> None:
        if not self.left:
            return
        self._tree.append(digest)
        root = self.left.pop(number, None)
        if root is not None and root != self._tree.root():
            raise RewrittenChainError(number, "the tree of the entries up to it has another root than was co-signed")


def export_lines(
    lines: Iterable[bytes],
    out: BinaryIO,
    *,
    cosigned: Mapping[int, str] | None = None,
    roots: Mapping[int, str] | None = None,
) -> AuditHead:
    """Exactly the lines that were verified are in `out`; the head is theirs.

    Raises:
        BrokenChainError, RewrittenChainError: As `verify_lines`; what is in `out` is worth nothing then.
    """

    def written() -> Iterator[bytes]:
        for line in lines:
            out.write(line)
            yield line

    return verify_lines(written(), cosigned=cosigned, roots=roots)


def _link(line: bytes, number: int) -> _Link:
    entry, key = _FORMS[0 if line.isascii() else 1]
    match = entry.fullmatch(line)
    if match is None or not _is_short(match) or not _in_order(match[2], key):
        found = parse_line(line, number=number)
        return _Link(found.sequence, found.previous, hashlib.sha256(line[:-1]).hexdigest())
    return _Link(int(match[4]), match[3].decode(), hashlib.sha256(line[:-1]).hexdigest())


def _is_short(match: re.Match[bytes]) -> bool:
    """Actor and subject have no more characters than they may, and all that is not ASCII is UTF-8."""
    actor, subject = match[1], match[5]
    if match.string.isascii():
        return len(actor) <= LONGEST_ACTOR and len(subject) <= LONGEST_SUBJECT
    try:
        match.string.decode()
        return len(actor.decode()) <= LONGEST_ACTOR and len(subject.decode()) <= LONGEST_SUBJECT
    except UnicodeDecodeError:
        return False


def _in_order(detail: bytes, key: re.Pattern[bytes]) -> bool:
    """The keys are sorted and none stands twice, as in canonical JSON (UTF-8 sorts as code points do)."""
    if b'":' not in detail:
        return True
    keys = key.findall(detail)
    return len(keys) == 1 or all(a < b for a, b in itertools.pairwise(keys))


def _altered(link: _Link, following: bytes, anchors: Mapping[int, str]) -> int:
    """Which of two entries was altered, when the second does not name the first's digest.

    The second's own digest covers what it names: where the entry after it, or a co-signature, still knows it, it is the
    first that was altered. Where nothing knows it, as at the end of the chain, the first is named as well.
    """
    if link.sequence == 1:
        return 1
    if link.sequence in anchors:
        known = anchors[link.sequence] == link.digest
    elif not following:
        known = True
    else:
        try:
            known = _link(following, link.sequence + 1).previous == link.digest
        except BrokenChainError:
            known = True
    return link.sequence - 1 if known else link.sequence
