"""The second factor: six digits that an authenticator app makes every 30 s (TOTP, RFC 6238), and codes for its loss."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b32encode
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

KEY_BYTES = 20
"""As long as SHA-1's output (RFC 4226, section 4, R6)."""
STEP_S = 30
DIGITS = 6
RECOVERY_CODES = 8


def accepted_step(key: bytes, code: str, *, now: datetime, last: int | None) -> int | None:
    """The step whose code this is: now's, the one before or the one after (RFC 6238, section 5.2); None for a wrong code.

    Args:
        key: 20 bytes.
        code: As typed; spaces do not count.
        now: Aware.
        last: The step used last: it and all before it are used up.
    """
    typed = code.replace(" ", "").encode()
    current = int(now.timestamp()) // STEP_S
    found = None
    for step in (current - 1, current, current + 1):
        right = hmac.compare_digest(_totp(key).generate(step * STEP_S), typed)
        if right and (last is None or step > last):
            found = step
    return found


def code_at(key: bytes, *, now: datetime) -> str:
    """The code that an authenticator app shows now."""
    return _totp(key).generate(int(now.timestamp())).decode()


def provisioning_uri(key: bytes, *, account: str, issuer: str) -> str:
    """`otpauth://` address that an authenticator app reads."""
    return _totp(key).get_provisioning_uri(account, issuer)


def new_key() -> bytes:
    """A random key."""
    return secrets.token_bytes(KEY_BYTES)


def typed_key(key: bytes) -> str:
    """The key in base 32, for people who type it."""
    return b32encode(key).decode()


def new_recovery_codes() -> tuple[str, ...]:
    """Codes of 80 random bits, in four groups; each opens once in place of the app's code."""
    raw = (b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(RECOVERY_CODES))
    return tuple("-".join(code[i : i + 4] for i in range(0, 16, 4)) for code in raw)


def recovery_digest(code: str) -> str:
    """What is kept of a recovery code."""
    return hashlib.sha256(code.replace(" ", "").replace("-", "").lower().encode()).hexdigest()


def _totp(key: bytes) -> TOTP:
    return TOTP(key, DIGITS, SHA1(), STEP_S)  # noqa: S303  RFC 6238's default, the one every app speaks
