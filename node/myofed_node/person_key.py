"""A person's own Ed25519 key, sealed under that person's passphrase: made at the site, opened only while it signs."""

from __future__ import annotations

import os
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import Field, ValidationError

from myofed_anonymization.escrow import NONCE_BYTES, SALT_BYTES, STANDARD_COST, ScryptCost, check_passphrase
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import HexPublicKey
from myofed_schemas.wire import WireModel


class SealedPersonKey(WireModel):
    """What a person's key file holds; all but `sealed` is associated data of the seal.

    Attributes:
        format: Of this document.
        public_key: Ed25519, hexadecimal: tells which key it is.
        scrypt: How the passphrase becomes a key (RFC 7914).
        salt: 16 random bytes.
        nonce: 12 random bytes.
        sealed: AES-256-GCM of the private key's 32 bytes.
    """

    format: Literal["myofed-person-key-1"] = "myofed-person-key-1"
    public_key: HexPublicKey
    scrypt: ScryptCost
    salt: str = Field(pattern=r"^[0-9a-f]{32}$")
    nonce: str = Field(pattern=r"^[0-9a-f]{24}$")
    sealed: str = Field(default="", pattern=r"^([0-9a-f]{96})?$")

    def associated(self) -> bytes:
        """What cannot be changed without breaking the seal."""
        return canonical_json(self.model_dump(mode="json", exclude={"sealed"}))


def make_person_key(passphrase: str, *, cost: ScryptCost = STANDARD_COST) -> SealedPersonKey:
    """A new key that this passphrase, and nothing else, opens.

    Args:
        passphrase: At least 14 characters.
        cost: Lower than the standard in tests only.

    Raises:
        MyofedError: PASSPHRASE_TOO_SHORT.
    """
    check_passphrase(passphrase)
    key = Ed25519PrivateKey.generate()
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    public = key.public_key().public_bytes_raw().hex()
    form = SealedPersonKey(public_key=public, scrypt=cost, salt=salt.hex(), nonce=nonce.hex())
    secret = key.private_bytes_raw()
    sealed = AESGCM(cost.key(passphrase, salt=salt)).encrypt(nonce, secret, form.associated())
    return form.model_copy(update={"sealed": sealed.hex()})


def open_person_key(document: bytes, *, passphrase: str) -> Ed25519PrivateKey:
    """The private key that was sealed in this document.

    Raises:
        MyofedError: PERSON_KEY_INVALID (no such document, or a changed one), PERSON_PASSPHRASE.
    """
    try:
        form = SealedPersonKey.model_validate_json(document)
    except ValidationError:
        raise _invalid("a person's sealed key", "something else") from None
    cipher = AESGCM(form.scrypt.key(passphrase, salt=bytes.fromhex(form.salt)))
    try:
        secret = cipher.decrypt(bytes.fromhex(form.nonce), bytes.fromhex(form.sealed), form.associated())
    except InvalidTag:
        raise MyofedError(
            "PERSON_PASSPHRASE",
            "expected the passphrase of this key, found another, or a changed file",
            hint="try again; a lost passphrase means a new key: people disable, then people add",
            exit_code=ExitCode.BAD_INPUT,
        ) from None
    key = Ed25519PrivateKey.from_private_bytes(secret)
    if key.public_key().public_bytes_raw().hex() != form.public_key:
        raise _invalid("the key that the file names", "another")
    return key


def read_public_key(content: bytes) -> str:
    """The Ed25519 public key in this file (PEM, or 64 hexadecimal digits), hexadecimal.

    Raises:
        MyofedError: PERSON_KEY_INVALID.
    """
    try:
        if content.lstrip().startswith(b"-----BEGIN"):
            key = serialization.load_pem_public_key(content)
        else:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(content.decode("ascii").strip()))
    except ValueError:  # also of what is no ASCII
        raise _invalid("an Ed25519 public key, PEM or hexadecimal", "something else") from None
    if not isinstance(key, Ed25519PublicKey):
        raise _invalid("an Ed25519 public key", "a key of another kind")
    return key.public_bytes_raw().hex()


def _invalid(expected: str, found: str) -> MyofedError:
    return MyofedError(
        "PERSON_KEY_INVALID",
        f"expected {expected}, found {found}",
        hint="docs/approvals.md shows how keys are made and brought",
        exit_code=ExitCode.BAD_INPUT,
    )
