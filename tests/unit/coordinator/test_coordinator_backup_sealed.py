"""The sealed stream: nothing of it opens with another passphrase, altered, in another order, or cut."""

from __future__ import annotations

import io

import pytest

from myofed_coordinator.backup import sealed
from myofed_coordinator.backup.sealed import SealedReader, SealedWriter, new_header
from myofed_schemas.errors import MyofedError

PASSPHRASE = "correct horse battery"
BLOCK = 64


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "BLOCK_BYTES", BLOCK)


def seal(content: bytes, *, tables: int = 1) -> bytes:
    out = io.BytesIO()
    header = new_header(made_at="2026-11-22T12:00:00Z", version="0.1.0", tables=tables, log2_n=10)
    writer = SealedWriter(out, header, PASSPHRASE)
    writer.write(content)
    writer.close()
    return out.getvalue()


def opened(content: bytes, passphrase: str = PASSPHRASE) -> bytes:
    return SealedReader(io.BytesIO(content), passphrase).read(1 << 20)


def refusal(content: bytes, passphrase: str = PASSPHRASE) -> str:
    with pytest.raises(MyofedError) as caught:
        opened(content, passphrase)
    return caught.value.code


def test_another_passphrase_opens_nothing() -> None:
    """Nor does an altered header, which every block proves."""
    made = seal(b"x" * 200)
    assert refusal(made, "another passphrase") == "BACKUP_PASSPHRASE"
    assert refusal(made.replace(b'"0.1.0"', b'"0.1.1"')) == "BACKUP_PASSPHRASE"


def test_every_altered_byte_is_found() -> None:
    """In whatever block."""
    made = seal(b"x" * 200)
    start = made.index(b"\n") + 1
    for at in range(start, len(made), 7):
        changed = bytearray(made)
        changed[at] ^= 1
        assert refusal(bytes(changed)) in ("BACKUP_PASSPHRASE", "BACKUP_DAMAGED")


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_end_that_is_cut_off_is_found(size: int) -> None:
    """Also where whole blocks are missing, and where something was added."""
    made = seal(b"x" * size)
    assert opened(made) == b"x" * size
    for cut in range(made.index(b"\n") + 1, len(made)):
        assert refusal(made[:cut]) in ("BACKUP_PASSPHRASE", "BACKUP_DAMAGED")
    assert refusal(made + b"y") in ("BACKUP_PASSPHRASE", "BACKUP_DAMAGED")


def test_blocks_in_another_order_are_found() -> None:
    """Each holds its number."""
    made = seal(bytes(range(250)))
    start, whole = made.index(b"\n") + 1, BLOCK + sealed.TAG_BYTES
    blocks = [made[at : at + whole] for at in range(start, len(made), whole)]
    blocks[1], blocks[2] = blocks[2], blocks[1]
    assert refusal(made[:start] + b"".join(blocks)) == "BACKUP_DAMAGED"


def test_two_backups_of_the_same_have_nothing_in_common() -> None:
    """Salt and nonce are new each time."""
    assert seal(b"same").split(b"\n", 1)[1] != seal(b"same").split(b"\n", 1)[1]


def test_other_files_and_newer_backups_are_told_apart() -> None:
    """A file that is no backup; one of a later form; one with later tables; and costs that would take all memory."""
    made = seal(b"x")
    assert refusal(b"PK\x03\x04" * 1000) == "BACKUP_FORMAT"
    assert refusal(b"") == "BACKUP_FORMAT"
    assert refusal(made.replace(b"myofed-backup-1", b"myofed-backup-2")) == "BACKUP_NEWER"
    assert refusal(seal(b"x", tables=99)) == "BACKUP_NEWER"
    assert refusal(made.replace(b'"scrypt_log2_n":10', b'"scrypt_log2_n":40')) == "BACKUP_FORMAT"
