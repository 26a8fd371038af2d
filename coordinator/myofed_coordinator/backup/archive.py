"""What lies inside a sealed backup: files one after the other, and at the end a manifest with the digest of each."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from pydantic import Field, ValidationError

from myofed_coordinator.backup import refusals
from myofed_coordinator.backup.sealed import SealedReader, SealedWriter
from myofed_schemas.audit import AuditHead, BrokenChainError
from myofed_schemas.audit_lines import verify_lines
from myofed_schemas.canonical import canonical_json
from myofed_schemas.ids import Sha256
from myofed_schemas.wire import WireModel

DATABASE, AUDIT, CONFIG, MANIFEST = "database.jsonl", "audit.jsonl", "config.yaml", "manifest.json"
NAME = re.compile(
    r"database\.jsonl|audit\.jsonl|config\.yaml|manifest\.json"
    r"|(keys|models|runs/run-[a-z0-9]{8,32})/[A-Za-z0-9][A-Za-z0-9._-]{0,120}"
)
"""The only names: no absolute path, no `..`, no hidden file."""
LONGEST_FRAME = 1024
LARGEST_MANIFEST = 64 << 20
PIECE_BYTES = 1 << 20
LONGEST_ROW = 64 << 20


class Frame(WireModel):
    """One line before a file's bytes."""

    name: str = Field(max_length=200)
    size: int = Field(ge=0)


class ArchivedFile(WireModel):
    """One file of the backup."""

    name: str
    size: int
    sha256: Sha256


class BackupManifest(WireModel):
    """Last file of the backup: what it holds.

    Attributes:
        tables: Version of the tables.
        rows: Number of rows by table.
        audit: Where the chain stood; it agrees with the rows.
        files: All files before this one, in order.
    """

    tables: int
    rows: dict[str, int]
    audit: AuditHead
    files: tuple[ArchivedFile, ...]


class ArchiveWriter:
    """Writes files into a sealed stream and remembers their digests."""

    def __init__(self, sealed: SealedWriter) -> None:
        self._sealed, self._files = sealed, list[ArchivedFile]()

    def add(self, name: str, source: BinaryIO, *, size: int) -> None:
        """The first `size` bytes of the source are in the archive.

        Raises:
            MyofedError: BACKUP_DAMAGED, the source became shorter meanwhile.
        """
        assert NAME.fullmatch(name), "the archive knows no such name"
        self._sealed.write(canonical_json(Frame(name=name, size=size)) + b"\n")
        sha256, left = hashlib.sha256(), size
        while left:
            piece = source.read(min(left, PIECE_BYTES))
            if not piece:
                raise refusals.damaged("a file that became shorter while it was read")
            sha256.update(piece)
            self._sealed.write(piece)
            left -= len(piece)
        self._files.append(ArchivedFile(name=name, size=size, sha256=sha256.hexdigest()))

    def finish(self, *, tables: int, rows: dict[str, int], audit: AuditHead) -> BackupManifest:
        """The manifest is the last file, and the stream is whole."""
        manifest = BackupManifest(tables=tables, rows=rows, audit=audit, files=tuple(self._files))
        content = canonical_json(manifest)
        self._sealed.write(canonical_json(Frame(name=MANIFEST, size=len(content))) + b"\n" + content)
        self._sealed.close()
        return manifest


Take = Callable[[str, Iterator[bytes]], None]
"""Takes a file's name and its bytes in pieces; what it leaves of them is read all the same."""


def read_archive(sealed: SealedReader, take: Take) -> BackupManifest:
    """Every file has been given to `take`, and all of them were those of the manifest.

    Raises:
        MyofedError: BACKUP_PASSPHRASE, BACKUP_DAMAGED; what was taken before is worth nothing then.
    """
    files: list[ArchivedFile] = []
    while True:
        frame = _frame(sealed)
        if frame.name == MANIFEST:
            return _manifest(sealed, frame.size, files)
        sha256 = hashlib.sha256()
        pieces = _pieces(sealed, frame.size, sha256.update)
        take(frame.name, pieces)
        for _rest in pieces:
            pass
        files.append(ArchivedFile(name=frame.name, size=frame.size, sha256=sha256.hexdigest()))


def check_archive(sealed: SealedReader) -> BackupManifest:
    """The archive is whole: every block, every digest, every row's line, and an audit chain that ends where it should.

    Raises:
        MyofedError: BACKUP_PASSPHRASE, BACKUP_DAMAGED.
    """
    heads: list[AuditHead] = []
    rows: list[int] = []

    def look(name: str, pieces: Iterator[bytes]) -> None:
        if name == AUDIT:
            heads.append(verify_lines(lines_of(pieces)))
        elif name == DATABASE:
            rows.append(sum(1 for _line in lines_of(pieces)))

    try:
        manifest = read_archive(sealed, look)
    except BrokenChainError as error:
        raise refusals.damaged(f"an audit chain that does not hold at entry {error.sequence}") from None
    names = {file.name for file in manifest.files}
    if not {DATABASE, AUDIT, CONFIG} <= names or len(names) != len(manifest.files):
        raise refusals.damaged("a file missing or twice")
    stands = manifest.audit.sequence, manifest.audit.digest
    if [(head.sequence, head.digest) for head in heads] != [stands] or rows != [sum(manifest.rows.values())]:
        raise refusals.damaged("a chain or a database that is not the manifest's")
    return manifest


def lines_of(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a file that comes in pieces, with their line ends.

    Raises:
        MyofedError: BACKUP_DAMAGED, a line is longer than any row.
    """
    held = b""
    for piece in pieces:
        *lines, held = (held + piece).split(b"\n")
        if len(held) > LONGEST_ROW:
            raise refusals.damaged("a line that is too long")
        yield from (line + b"\n" for line in lines)
    if held:
        yield held


def _frame(sealed: SealedReader) -> Frame:
    line = bytearray()
    while not line.endswith(b"\n") and len(line) <= LONGEST_FRAME:
        line += sealed.exactly(1)
    try:
        frame = Frame.model_validate_json(bytes(line))
    except ValidationError:
        raise refusals.damaged("no name where a file begins") from None
    if NAME.fullmatch(frame.name) is None:
        raise refusals.damaged("a file with a name that no backup has")
    return frame


def _manifest(sealed: SealedReader, size: int, files: list[ArchivedFile]) -> BackupManifest:
    if size > LARGEST_MANIFEST:
        raise refusals.damaged("a manifest that is too large")
    try:
        manifest = BackupManifest.model_validate_json(sealed.exactly(size))
    except ValidationError:
        raise refusals.damaged("no manifest at its end") from None
    if sealed.read(1) or manifest.tables != sealed.header.tables or list(manifest.files) != files:
        raise refusals.damaged("files that are not the manifest's")
    return manifest


def _pieces(sealed: SealedReader, size: int, note: Callable[[bytes], object]) -> Iterator[bytes]:
    left = size
    while left:
        piece = sealed.exactly(min(left, PIECE_BYTES))
        note(piece)
        left -= len(piece)
        yield piece
