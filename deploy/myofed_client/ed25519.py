"""Ed25519 verification in plain Python (RFC 8032, section 5.1.7), so that the client needs no compiled package.

For verifying public data only: it takes some milliseconds and is not constant in time. Nothing is signed here.
"""

from __future__ import annotations

import hashlib

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the base point."""
CURVE_D = -121665 * pow(121666, -1, PRIME) % PRIME
SQRT_MINUS_ONE = pow(2, (PRIME - 1) // 4, PRIME)
KEY_BYTES, SIGNATURE_BYTES = 32, 64

Point = tuple[int, int, int, int]
"""Extended homogeneous coordinates (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z."""


def holds(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """The holder of this key signed exactly this message.

    Args:
        public_key: 32 bytes.
        signature: 64 bytes.
        message: What was signed.
    """
    if len(public_key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    key, commitment = _point(public_key), _point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= ORDER:
        return False
    hashed = hashlib.sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(hashed, "little") % ORDER
    return _same(_times(scalar, _BASE), _plus(commitment, _times(challenge, key)))


def _plus(one: Point, other: Point) -> Point:
    """RFC 8032, section 5.1.4."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % PRIME
    b = (one[1] + one[0]) * (other[1] + other[0]) % PRIME
    c = 2 * one[3] * other[3] * CURVE_D % PRIME
    d = 2 * one[2] * other[2] % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME)


def _times(scalar: int, point: Point) -> Point:
    result: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _plus(result, point)
        point, scalar = _plus(point, point), scalar >> 1
    return result


def _same(one: Point, other: Point) -> bool:
    across = (one[0] * other[2] - other[0] * one[2]) % PRIME
    along = (one[1] * other[2] - other[1] * one[2]) % PRIME
    return across == along == 0


def _recovered(y: int, sign: int) -> int | None:
    """X of a point on the curve, None where there is none; RFC 8032, section 5.1.3."""
    if y >= PRIME:
        return None
    square = (y * y - 1) * pow(CURVE_D * y * y + 1, -1, PRIME) % PRIME
    if square == 0:
        return None if sign else 0
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * SQRT_MINUS_ONE % PRIME
    if (x * x - square) % PRIME:
        return None
    return x if x & 1 == sign else PRIME - x


def _point(encoded: bytes) -> Point | None:
    number = int.from_bytes(encoded, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    x = _recovered(y, sign)
    return None if x is None else (x, y, 1, x * y % PRIME)


_BASE_Y = 4 * pow(5, -1, PRIME) % PRIME
_BASE_X = _recovered(_BASE_Y, 0) or 0
_BASE: Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % PRIME)
