"""The site key in n printed shares, of which any m give it back and fewer tell nothing (Shamir 1979)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Self

from myofed_anonymization.keys import KEY_BYTES, SiteKeys
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

VERSION = 1
FEWEST_NEEDED, MOST_SHARES = 2, 255
SET_BYTES, CHECK_BYTES, SUM_BYTES = 3, 8, 4
GROUP = 4
"""Characters between two hyphens."""
FIELD = 0x11B
"""x^8 + x^4 + x^3 + x + 1, the field of FIPS 197, section 4; 3 generates it."""


@dataclass(frozen=True, slots=True)
class Share:
    """One officer's share.

    Attributes:
        needed: So many shares of this set give the key back.
        number: 1, 2, 3, ...: the point at which the polynomials were evaluated.
        set_id: Random; tells one splitting from another.
        key_check: Tells which key it is; reveals nothing of it.
        values: 32 bytes, one value a byte of the key.
    """

    needed: int
    number: int
    set_id: bytes
    key_check: bytes
    values: bytes = field(repr=False)

    def text(self) -> str:
        """80 letters and digits 2 to 7 (RFC 4648 base32) in groups of four, with a checksum."""
        body = bytes([VERSION, self.needed, self.number]) + self.set_id + self.key_check + self.values
        signs = base64.b32encode(body + _sum(body)).decode()
        return "-".join(signs[start : start + GROUP] for start in range(0, len(signs), GROUP))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The share in this text; case, spaces, hyphens and 0 or 1 typed for O or I do not count.

        Raises:
            ValueError: Mistyped, cut, or no share.
        """
        signs = "".join(text.replace("-", "").split())
        content = base64.b32decode(signs, casefold=True, map01="I")
        body, checksum = content[:-SUM_BYTES], content[-SUM_BYTES:]
        if len(body) != 3 + SET_BYTES + CHECK_BYTES + KEY_BYTES or checksum != _sum(body) or body[0] != VERSION:
            raise ValueError("length, checksum or version differ")
        set_id, rest = body[3 : 3 + SET_BYTES], body[3 + SET_BYTES :]
        return cls(body[1], body[2], set_id, rest[:CHECK_BYTES], rest[CHECK_BYTES:])


def split(keys: SiteKeys, *, shares: int, needed: int) -> tuple[str, ...]:
    """`shares` texts, any `needed` of which give the key back.

    Args:
        keys: The site's key.
        shares: 2 to 255, at least `needed`.
        needed: 2 or more: one sheet alone must tell nothing.

    Raises:
        MyofedError: SHARES_NUMBER.
    """
    if not FEWEST_NEEDED <= needed <= shares <= MOST_SHARES:
        raise MyofedError(
            "SHARES_NUMBER",
            f"expected {FEWEST_NEEDED} <= needed <= shares <= {MOST_SHARES}, found {needed} needed of {shares}",
            hint="2 needed of 3 lets one sheet be lost",
            exit_code=ExitCode.USAGE,
        )
    set_id = secrets.token_bytes(SET_BYTES)
    # The key is the constant term; every other coefficient is random, so that fewer points fit every key equally well.
    coefficients = [keys.secret, *(secrets.token_bytes(KEY_BYTES) for _ in range(needed - 1))]
    numbers = range(1, shares + 1)
    check = bytes.fromhex(keys.check())
    return tuple(Share(needed, x, set_id, check, _evaluated(coefficients, at=x)).text() for x in numbers)


def join(shares: Iterable[str]) -> SiteKeys:
    """The key that these shares were made of; the same share twice counts once.

    Raises:
        MyofedError: SHARE_INVALID (naming which one in the given order), SHARES_MIXED, SHARES_TOO_FEW or SHARES_KEY_CHECK.
    """
    given = [_parsed(text, place=place) for place, text in enumerate(shares, start=1)]
    if not given:
        raise _refused("SHARES_TOO_FEW", "shares of a key, found none", "each officer keeps one")
    if len({(share.set_id, share.key_check, share.needed) for share in given}) > 1:
        raise _refused("SHARES_MIXED", "shares of one set, found several sets", "sort the sheets by the set they name")
    distinct = {share.number: share for share in given}
    if any(distinct[share.number] != share for share in given):
        raise _refused("SHARES_MIXED", "one share of each number, found two that differ", "one of them was altered")
    needed = given[0].needed
    if len(distinct) < needed:
        found = f"{needed} different shares, found {len(distinct)}"
        raise _refused("SHARES_TOO_FEW", found, "ask the other officers for theirs")
    keys = SiteKeys.from_bytes(interpolated(list(distinct.values())[:needed]))
    if bytes.fromhex(keys.check()) != given[0].key_check:
        raise _refused("SHARES_KEY_CHECK", "the key that the shares name, found another", "a share was forged")
    return keys


def interpolated(shares: Sequence[Share]) -> bytes:
    """The polynomials through these points, at 0: Lagrange's formula over GF(256)."""
    secret = bytes(KEY_BYTES)
    for share in shares:
        others = [other.number for other in shares if other.number != share.number]
        weight = reduce(_times, (_times(x, _inverse(x ^ share.number)) for x in others), 1)
        secret = bytes(a ^ _times(weight, b) for a, b in zip(secret, share.values, strict=True))
    return secret


def _evaluated(coefficients: Sequence[bytes], *, at: int) -> bytes:
    """Horner's rule, byte by byte."""
    value = bytes(KEY_BYTES)
    for coefficient in reversed(coefficients):
        value = bytes(_times(a, at) ^ b for a, b in zip(value, coefficient, strict=True))
    return value


def _times(a: int, b: int) -> int:
    product = 0
    while b:
        product ^= a * (b & 1)
        a, b = a << 1, b >> 1
        a ^= FIELD * (a >> 8)
    return product


def _inverse(a: int) -> int:
    """a^254: the non-zero elements are a group of 255."""
    return reduce(_times, [a] * 254)


def _sum(body: bytes) -> bytes:
    return hashlib.sha256(b"myofed share" + body).digest()[:SUM_BYTES]


def _parsed(text: str, *, place: int) -> Share:
    try:
        return Share.parse(text)
    except ValueError:
        found = f"a share as it was printed, found a mistyped one at place {place}"
        raise _refused("SHARE_INVALID", found, "compare it with the sheet, group by group") from None


def _refused(code: str, found: str, hint: str) -> MyofedError:
    return MyofedError(code, f"expected {found}", hint=hint, exit_code=ExitCode.BAD_INPUT)
