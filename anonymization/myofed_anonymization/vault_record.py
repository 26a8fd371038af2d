"""One record of the vault: whom a pseudonym stands for, sealed so that only the vault's key opens it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import SubjectLabel

FORMAT = b"myofed-vault-1"
NONCE_BYTES = 12
PADDED_TO_BYTES = 256
"""A record's length tells nothing of the identifier's."""
SHORTEST_PART = 4
"""Identifiers of fewer letters and digits count as told only where they stand as a word of their own."""


@dataclass(frozen=True, slots=True)
class Original:
    """Whom a pseudonym stands for; not in its repr."""

    issuer: str = field(repr=False)
    patient_id: str = field(repr=False)


def sealed(original: Original, *, pseudonym: SubjectLabel, key: bytes) -> bytes:
    """Format, random 96-bit nonce and AES-256-GCM (NIST SP 800-38D) of the padded JSON; the pseudonym is associated data."""
    text = json.dumps(asdict(original)).encode()
    padded = text.ljust(-(-len(text) // PADDED_TO_BYTES) * PADDED_TO_BYTES)
    nonce = os.urandom(NONCE_BYTES)
    return FORMAT + nonce + AESGCM(key).encrypt(nonce, padded, FORMAT + pseudonym.encode())


def opened(content: bytes, *, pseudonym: SubjectLabel, key: bytes) -> Original:
    """The original in this record, which was sealed with this key for this pseudonym.

    Raises:
        MyofedError: VAULT_DAMAGED, the record was changed, or belongs to another pseudonym or key.
    """
    start = len(FORMAT)
    form, nonce, text = content[:start], content[start : start + NONCE_BYTES], content[start + NONCE_BYTES :]
    try:
        plain = AESGCM(key).decrypt(nonce, text, form + pseudonym.encode())
    except (InvalidTag, ValueError):  # ValueError: cut so short that there is no nonce
        raise damaged() from None
    return Original(**json.loads(plain))


def tells(text: str, identifier: str) -> bool:
    """Whether `text` shows the identifier: as a word, or anywhere with signs, spaces and case left out."""
    bare = _bare(identifier)
    if len(bare) < SHORTEST_PART:
        return identifier.casefold() in text.casefold().split()
    return bare in _bare(text)


def damaged() -> MyofedError:
    """The refusal VAULT_DAMAGED."""
    return MyofedError(
        "VAULT_DAMAGED",
        "expected a record that this vault's key opens, found a changed one",
        hint="keep the folder as evidence, and restore it from the backup",
        exit_code=ExitCode.UNHEALTHY,
    )


def _bare(text: str) -> str:
    return "".join(sign for sign in text if sign.isalnum()).casefold()
