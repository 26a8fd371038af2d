"""The site key sealed under a passphrase, so that losing the machine does not lose every patient's link."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from datetime import datetime
from typing import Literal, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import Field, ValidationError, model_validator

from myofed_anonymization.keys import KEY_BYTES, SiteKeys
from myofed_schemas.canonical import canonical_json
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import Sha256, UtcTime
from myofed_schemas.wire import WireModel

SHORTEST_PASSPHRASE = 14
SALT_BYTES, NONCE_BYTES = 16, 12


class ScryptCost(WireModel):
    """What one guess of the passphrase costs (RFC 7914); the default takes 128 MiB and half a second."""

    n: int = Field(default=2**17, ge=2, le=2**19)
    r: int = Field(default=8, ge=1, le=8)
    p: int = Field(default=1, ge=1, le=4)

    @model_validator(mode="after")
    def _power_of_two(self) -> Self:
        if self.n & (self.n - 1):
            msg = "n is a power of two"
            raise ValueError(msg)
        return self

    def key(self, passphrase: str, *, salt: bytes) -> bytes:
        """32 bytes of this passphrase, in Unicode's NFC form: one passphrase on every keyboard."""
        password = unicodedata.normalize("NFC", passphrase).encode(errors="surrogatepass")
        memory = 128 * self.r * (self.n + self.p + 2) + 2**20
        return hashlib.scrypt(password, salt=salt, n=self.n, r=self.r, p=self.p, maxmem=memory, dklen=KEY_BYTES)


STANDARD_COST = ScryptCost()


class EscrowDocument(WireModel):
    """What an escrow file holds; all but `sealed` and `sha256` is associated data of the seal.

    Attributes:
        format: Of this document.
        created: When it was sealed.
        key_check: Tells which key it is (as in every report); reveals nothing of it.
        scrypt: How the passphrase becomes a key.
        salt: 16 random bytes.
        nonce: 12 random bytes.
        sealed: AES-256-GCM of the site key.
        sha256: Of all the above: tells a damaged document from a wrong passphrase.
    """

    format: Literal["myofed-escrow-1"] = "myofed-escrow-1"
    created: UtcTime
    key_check: str = Field(pattern=r"^[0-9a-f]{16}$")
    scrypt: ScryptCost
    salt: str = Field(pattern=r"^[0-9a-f]{32}$")
    nonce: str = Field(pattern=r"^[0-9a-f]{24}$")
    sealed: str = Field(default="", pattern=r"^[0-9a-f]{96}$")
    sha256: Sha256 = "0" * 64

    def associated(self) -> bytes:
        """What cannot be changed without breaking the seal."""
        return canonical_json(self.model_dump(mode="json", exclude={"sealed", "sha256"}))

    def digest(self) -> Sha256:
        """SHA-256 of everything but itself."""
        return hashlib.sha256(canonical_json(self.model_dump(mode="json", exclude={"sha256"}))).hexdigest()


def check_passphrase(passphrase: str) -> None:
    """The passphrase is long enough to seal a key with.

    Raises:
        MyofedError: PASSPHRASE_TOO_SHORT.
    """
    if len(unicodedata.normalize("NFC", passphrase)) < SHORTEST_PASSPHRASE:
        raise MyofedError(
            "PASSPHRASE_TOO_SHORT",
            f"expected a passphrase of at least {SHORTEST_PASSPHRASE} characters, found a shorter one",
            hint="five words drawn by chance are easy to write down and hard to guess",
            exit_code=ExitCode.USAGE,
        )


def seal(keys: SiteKeys, *, passphrase: str, now: datetime, cost: ScryptCost = STANDARD_COST) -> bytes:
    """A JSON document from which this passphrase, and nothing else, gives the key back.

    Args:
        keys: The site's key.
        passphrase: At least 14 characters.
        now: UTC.
        cost: Lower than the standard in tests only.

    Raises:
        MyofedError: PASSPHRASE_TOO_SHORT.
    """
    check_passphrase(passphrase)
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    form = EscrowDocument(
        created=utc_text(now), key_check=keys.check(), scrypt=cost, salt=salt.hex(), nonce=nonce.hex()
    )
    sealed = AESGCM(cost.key(passphrase, salt=salt)).encrypt(nonce, keys.secret, form.associated())
    whole = form.model_copy(update={"sealed": sealed.hex()})
    return whole.model_copy(update={"sha256": whole.digest()}).model_dump_json(indent=1).encode() + b"\n"


def unseal(document: bytes, *, passphrase: str) -> SiteKeys:
    """The key that was sealed in this document.

    Raises:
        MyofedError: ESCROW_INVALID (no escrow, or a changed one), ESCROW_PASSPHRASE, or ESCROW_KEY_CHECK where what was
            sealed is not the key the document names.
    """
    escrow = read_escrow(document)
    nonce, salt = bytes.fromhex(escrow.nonce), bytes.fromhex(escrow.salt)
    cipher = AESGCM(escrow.scrypt.key(passphrase, salt=salt))
    try:
        secret = cipher.decrypt(nonce, bytes.fromhex(escrow.sealed), escrow.associated())
    except InvalidTag:
        raise _refused("ESCROW_PASSPHRASE", "the passphrase of this escrow, found another", "try again") from None
    keys = SiteKeys.from_bytes(secret)
    if keys.check() != escrow.key_check:
        raise _refused("ESCROW_KEY_CHECK", "the key that the escrow names, found another", "take another copy")
    return keys


def read_escrow(document: bytes) -> EscrowDocument:
    """What the document says of itself: which key, and when it was sealed; needs no passphrase.

    Raises:
        MyofedError: ESCROW_INVALID.
    """
    try:
        escrow = EscrowDocument.model_validate_json(document)
    except ValidationError:
        raise _refused("ESCROW_INVALID", "an escrow of a site key, found something else", "check the file") from None
    if escrow.digest() != escrow.sha256:
        raise _refused("ESCROW_INVALID", "an escrow as it was sealed, found a changed one", "take another copy")
    return escrow


def _refused(code: str, found: str, hint: str) -> MyofedError:
    return MyofedError(code, f"expected {found}", hint=hint, exit_code=ExitCode.BAD_INPUT)
