"""Ed25519 over canonical JSON: what the coordinator signs, and the check of what others signed (RFC 8032)."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from pydantic import BaseModel

from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


class Signer:
    """Signs with one private key; neither its repr nor an error shows it."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @property
    def public_key(self) -> str:
        """The raw public key, 64 hexadecimal characters."""
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    def sign(self, document: BaseModel) -> str:
        """The signature over the document's canonical JSON, 128 hexadecimal characters."""
        return self._key.sign(canonical_json(document)).hex()

    def pem(self) -> bytes:
        """The private key as unencrypted PKCS#8, for the key's file only."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def new_signer() -> Signer:
    """A signer with a fresh key."""
    return Signer(Ed25519PrivateKey.generate())


def load_signer(path: Path) -> Signer:
    """The signer whose private key lies in this PEM file.

    Raises:
        MyofedError: SIGNING_KEY, the file is missing or holds no Ed25519 key.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise _unusable() from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable()
    return Signer(key)


def verify(document: BaseModel, *, signature: str, public_key: str) -> None:
    """The holder of this key signed exactly this document.

    Args:
        document: What was signed, as canonical JSON.
        signature: 128 hexadecimal characters.
        public_key: Raw Ed25519 key, 64 hexadecimal characters.

    Raises:
        MyofedError: BAD_SIGNATURE.
    """
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature), canonical_json(document))
    except (InvalidSignature, ValueError) as error:
        raise MyofedError(
            "BAD_SIGNATURE",
            f"the signature does not belong to this {type(document).__name__} and key",
            hint="the document was altered, or signed with another key than the enrolled one",
            exit_code=ExitCode.REFUSED,
        ) from error


def _unusable() -> MyofedError:
    return MyofedError(
        "SIGNING_KEY",
        "expected an Ed25519 private key as PEM in keys/signing.key, found none",
        hint="restore the coordinator's keys from a backup",
        exit_code=ExitCode.SITE_FOLDER,
    )
