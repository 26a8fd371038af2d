"""The site's secret key: everything keyed (pseudonyms, UIDs, date shifts) is HMAC-SHA256 with it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Self

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class SiteKeys:
    """A 32-byte secret that is in no repr, log or report; equal keys give equal results in any process and year."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise MyofedError(
                "SITE_KEY_LENGTH",
                f"expected a key of {KEY_BYTES} bytes, found {len(self.secret)}",
                hint="make a key with SiteKeys.generate()",
                exit_code=ExitCode.SITE_FOLDER,
            )

    @classmethod
    def generate(cls) -> Self:
        """A new key from the operating system's generator."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The key held in `content`.

        Raises:
            MyofedError: SITE_KEY_LENGTH, not 32 bytes.
        """
        return cls(bytes(content))

    def mac(self, purpose: str, *parts: str) -> bytes:
        """32 bytes that depend on the key, the purpose and every part (RFC 2104, SHA-256).

        Each part is preceded by its length, so that no two lists of parts give one message.
        """
        message = b"".join(
            len(encoded).to_bytes(8, "big") + encoded for encoded in (part.encode() for part in (purpose, *parts))
        )
        return hmac.digest(self.secret, message, hashlib.sha256)

    def check(self) -> str:
        """16 hexadecimal digits that tell this key from others and reveal nothing of it."""
        return self.mac("check").hex()[:16]
