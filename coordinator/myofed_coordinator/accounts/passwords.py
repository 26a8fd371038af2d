"""Passwords: argon2id at rest, at least 12 characters, no rules of composition, and none that everybody would guess."""

from __future__ import annotations

import secrets
import unicodedata
from functools import cached_property
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

MINIMUM = 12
MAXIMUM = 128
AT_ONCE = 2
"""Each computation takes 64 MiB: no crowd of guessers can take more than two of them."""
GUESSED_FIRST = [
    "password1234",
    "passwordpassword",
    "123456789012",
    "1234567890123",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwertzuiop123",
    "letmeinletmein",
    "adminadminadmin",
    "administrator",
    "administrator1",
    "changemechangeme",
    "welcome12345",
    "iloveyou1234",
    "abcdefghijkl",
    "abcd12345678",
    "111111111111",
    "000000000000",
    "correcthorsebatterystaple",
    "coordinator123",
    "myofedmyofed",
    "myofed123456",
]


class Passwords:
    """Hashes and compares; a comparison with nothing takes as long as one with something."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """With argon2-cffi's defaults: argon2id, RFC 9106's second recommendation (64 MiB, 3 passes, 4 lanes)."""
        self._hasher = hasher or PasswordHasher()
        self._slots = BoundedSemaphore(AT_ONCE)

    def hash(self, password: str) -> str:
        """The password's encoded hash, salted."""
        with self._slots:
            return self._hasher.hash(_normal(password))

    def matches(self, password: str, stored: str | None) -> bool:
        """Whether this is the password; None as stored costs the same work and is never matched."""
        with self._slots:
            try:
                self._hasher.verify(stored or self._nobodys, _normal(password))
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether it was hashed with other costs than today's."""
        return self._hasher.check_needs_rehash(stored)

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(secrets.token_urlsafe(32))


def check_new(password: str, *, account: str) -> None:
    """The password may be taken (NIST SP 800-63B, section 5.1.1.2: length and a list, no composition).

    Raises:
        MyofedError: PASSWORD_WEAK; the message never repeats it.
    """
    normal = _normal(password)
    if not MINIMUM <= len(normal) <= MAXIMUM:
        raise _weak(f"expected {MINIMUM} to {MAXIMUM} characters, found {len(normal)}")
    folded = normal.casefold()
    if account.casefold() in folded and len(folded) - len(account) < MINIMUM:
        raise _weak("it is little more than the account's name")
    if folded in GUESSED_FIRST or len(set(folded)) < 5:
        raise _weak("it is one of those that are guessed first")


def _normal(password: str) -> str:
    """As typed on any keyboard: NFKC (NIST SP 800-63B, section 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def _weak(what: str) -> MyofedError:
    return MyofedError(
        "PASSWORD_WEAK",
        f"the password cannot be taken: {what}",
        hint="several unrelated words make a good one; any character may stand in it",
        exit_code=ExitCode.BAD_INPUT,
    )
