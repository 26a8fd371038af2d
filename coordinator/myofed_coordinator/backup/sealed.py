"""A sealed stream: a passphrase by scrypt (RFC 7914), blocks by AES-256-GCM in order, the last one marked.

The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015): each block's nonce holds its number and whether it is
the last, so that no block can be altered, moved, left out, or the end cut off without notice. The header in front of the
blocks is readable, and authenticated with every block.
"""

from __future__ import annotations

import hashlib
import os
from typing import BinaryIO, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import Field, ValidationError

from myofed_coordinator.backup import refusals
from myofed_coordinator.database import SCHEMA_VERSION
from myofed_schemas.canonical import canonical_json
from myofed_schemas.ids import UtcTime
from myofed_schemas.wire import WireModel

BLOCK_BYTES = 1 << 20
TAG_BYTES = 16
SALT_BYTES = 32
NONCE_BYTES = 7
LONGEST_HEADER = 4096
SCRYPT_LOG2_N = 17
"""128 MiB and a third of a second a guess (OWASP's choice of 2025 for scrypt: N = 2**17, r = 8, p = 1)."""
SHORTEST_PASSPHRASE = 12


class BackupHeader(WireModel):
    """First line of the file.

    Attributes:
        format: Of the file.
        made_at: UTC.
        myofed_version: Release that made it.
        tables: Version of the tables in it.
        scrypt_log2_n: Cost of a guess; bounded, so that an altered header cannot take all memory.
        salt: Hexadecimal.
        nonce: Hexadecimal: the part of every block's nonce that is this file's own.
    """

    format: Literal["myofed-backup-1"] = "myofed-backup-1"
    made_at: UtcTime
    myofed_version: str = Field(max_length=32)
    tables: int = Field(ge=1)
    scrypt_log2_n: int = Field(ge=10, le=20)
    salt: str = Field(pattern=r"^[0-9a-f]{64}$")
    nonce: str = Field(pattern=r"^[0-9a-f]{14}$")


def new_header(*, made_at: UtcTime, version: str, tables: int, log2_n: int = SCRYPT_LOG2_N) -> BackupHeader:
    """A header with a fresh salt and nonce."""
    return BackupHeader(
        made_at=made_at,
        myofed_version=version,
        tables=tables,
        scrypt_log2_n=log2_n,
        salt=os.urandom(SALT_BYTES).hex(),
        nonce=os.urandom(NONCE_BYTES).hex(),
    )


class SealedWriter:
    """Takes plain bytes, writes sealed blocks; nothing opens before `close` has written the last one."""

    def __init__(self, out: BinaryIO, header: BackupHeader, passphrase: str) -> None:
        line = canonical_json(header) + b"\n"
        out.write(line)
        self._out, self._seal = out, _Blocks(header, line, passphrase)
        self._held = bytearray()

    def write(self, content: bytes) -> None:
        """The bytes come next."""
        self._held += content
        while len(self._held) > BLOCK_BYTES:
            self._out.write(self._seal.seal(bytes(self._held[:BLOCK_BYTES]), last=False))
            del self._held[:BLOCK_BYTES]

    def close(self) -> None:
        """The last block, perhaps an empty one, is written."""
        self._out.write(self._seal.seal(bytes(self._held), last=True))
        self._held.clear()


class SealedReader:
    """Gives the plain bytes of a sealed stream, block by block, each proven before any of it is given."""

    def __init__(self, source: BinaryIO, passphrase: str) -> None:
        self.header, line = read_header(source)
        self._source, self._seal = source, _Blocks(self.header, line, passphrase)
        self._ahead = source.read(BLOCK_BYTES + TAG_BYTES)
        self._held, self._ended = bytearray(), False

    def read(self, size: int) -> bytes:
        """The next bytes: so many, or fewer where the stream ends.

        Raises:
            MyofedError: BACKUP_PASSPHRASE in the first block, BACKUP_DAMAGED in a later one.
        """
        while len(self._held) < size and not self._ended:
            block, self._ahead = self._ahead, self._source.read(BLOCK_BYTES + TAG_BYTES)
            self._ended = not self._ahead
            self._held += self._seal.open(block, last=self._ended)
        given = bytes(self._held[:size])
        del self._held[:size]
        return given

    def exactly(self, size: int) -> bytes:
        """The next bytes, all of them.

        Raises:
            MyofedError: As `read`, and BACKUP_DAMAGED where the stream ends before.
        """
        content = self.read(size)
        if len(content) != size:
            raise refusals.damaged("its end missing")
        return content


class _Blocks:
    def __init__(self, header: BackupHeader, line: bytes, passphrase: str) -> None:
        cost = 2**header.scrypt_log2_n
        key = Scrypt(salt=bytes.fromhex(header.salt), length=32, n=cost, r=8, p=1).derive(passphrase.encode())
        self._cipher, self._prefix = AESGCM(key), bytes.fromhex(header.nonce)
        self._header, self._number = hashlib.sha256(line).digest(), 0

    def seal(self, block: bytes, *, last: bool) -> bytes:
        return self._cipher.encrypt(self._next(last=last), block, self._header)

    def open(self, block: bytes, *, last: bool) -> bytes:
        try:
            return self._cipher.decrypt(self._next(last=last), block, self._header)
        except (InvalidTag, ValueError):
            if self._number == 1:
                raise refusals.sealed_otherwise() from None
            raise refusals.damaged(f"block {self._number} altered or the end cut off") from None

    def _next(self, *, last: bool) -> bytes:
        nonce = self._prefix + self._number.to_bytes(4, "big") + bytes([last])
        self._number += 1
        return nonce


def read_header(source: BinaryIO) -> tuple[BackupHeader, bytes]:
    """The header and its line; nothing of it is proven yet.

    Raises:
        MyofedError: BACKUP_FORMAT; BACKUP_NEWER where a later release made the file.
    """
    line = source.readline(LONGEST_HEADER)
    if not line.startswith(b"{") or b'"format":"myofed-backup-' not in line:
        raise refusals.not_a_backup()
    if b'"format":"myofed-backup-1"' not in line:
        raise refusals.newer("another form of file", known=SCHEMA_VERSION)
    try:
        header = BackupHeader.model_validate_json(line)
    except ValidationError:
        raise refusals.not_a_backup() from None
    if header.tables > SCHEMA_VERSION:
        raise refusals.newer(f"tables version {header.tables}", known=SCHEMA_VERSION)
    return header, line
