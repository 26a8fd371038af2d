"""What the accounts' key protects: second-factor secrets at rest, and values that only this coordinator can make."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from base64 import b64decode, b64encode
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically

KEY_BYTES = 32
_NONCE_BYTES = 12


class Vault:
    """One key, from which every use has its own; shown in no repr."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def derive(self, *labels: str) -> bytes:
        """32 bytes that follow from the key and these labels, and from which neither can be told (HMAC-SHA-256)."""
        message = b"".join(len(label.encode()).to_bytes(4) + label.encode() for label in labels)
        return hmac.new(self._key, message, hashlib.sha256).digest()

    def seal(self, plain: bytes, *, owner: str) -> str:
        """The bytes, encrypted for this owner (AES-256-GCM); another owner's place in the table does not open them."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return b64encode(nonce + self._cipher().encrypt(nonce, plain, owner.encode())).decode()

    def open(self, sealed: str, *, owner: str) -> bytes:
        """The bytes that were sealed for this owner.

        Raises:
            MyofedError: ACCOUNTS_KEY, sealed with another key, for another owner, or altered.
        """
        try:
            raw = b64decode(sealed, validate=True)
            return self._cipher().decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], owner.encode())
        except (InvalidTag, ValueError) as error:
            raise _unusable("a second-factor secret was not sealed with keys/accounts.key") from error

    def _cipher(self) -> AESGCM:
        return AESGCM(self.derive("myofed accounts seal 1"))


def new_key() -> bytes:
    """The content of a new keys/accounts.key."""
    return secrets.token_bytes(KEY_BYTES)


def load_vault(path: Path) -> Vault:
    """The vault of this key file; a home of an earlier version, which has none, gets one.

    Raises:
        MyofedError: ACCOUNTS_KEY, the file is not 32 bytes.
    """
    if not path.exists():
        _make_once(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise _unusable("expected 32 bytes in keys/accounts.key, found another number")
    return Vault(key)


def _make_once(path: Path) -> None:
    """The key exists; of two processes that make it at once, one wins for both."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    write_atomically(draft, new_key())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _unusable(what: str) -> MyofedError:
    return MyofedError(
        "ACCOUNTS_KEY",
        what,
        hint="restore keys/accounts.key from a backup; without it, `accounts reset` gives each person a new second factor",
        exit_code=ExitCode.SITE_FOLDER,
    )
