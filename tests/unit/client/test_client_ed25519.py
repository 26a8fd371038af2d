"""Ed25519 in plain Python says what the standard's own examples and a compiled library say."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_client.ed25519 import ORDER, holds

EXAMPLES = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
"""RFC 8032, section 7.1."""


@pytest.mark.parametrize(("key", "message", "signature"), EXAMPLES)
def test_examples_of_the_standard_hold(key: str, message: str, signature: str) -> None:
    """Public key, message, signature."""
    assert holds(bytes.fromhex(key), bytes.fromhex(signature), bytes.fromhex(message))


@pytest.mark.parametrize("place", range(0, 64, 3))
def test_signature_with_one_bit_changed_does_not_hold(place: int) -> None:
    """Anywhere in it."""
    key, message, signature = (bytes.fromhex(part) for part in EXAMPLES[1])
    changed = bytearray(signature)
    changed[place] ^= 1
    assert not holds(key, bytes(changed), message)


def test_what_is_no_key_no_point_or_no_signature_does_not_hold() -> None:
    """Lengths, points off the curve, and a second form of the same signature (S + L)."""
    key, message, signature = (bytes.fromhex(part) for part in EXAMPLES[1])
    assert not holds(key[:-1], signature, message)
    assert not holds(key, signature[:-1], message)
    assert not holds(b"\xff" * 32, signature, message)
    assert not holds((2).to_bytes(32, "little"), signature, message)
    assert not holds((1 | 1 << 255).to_bytes(32, "little"), signature, message)
    malleable = int.from_bytes(signature[32:], "little") + ORDER
    assert not holds(key, signature[:32] + malleable.to_bytes(32, "little"), message)


@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.binary(min_size=64, max_size=64))
def test_both_say_the_same(secret: bytes, message: bytes, other: bytes) -> None:
    """Of what was signed, of what was not, and of another key's."""
    private = Ed25519PrivateKey.from_private_bytes(secret)
    public = private.public_key().public_bytes_raw()
    genuine = private.sign(message)
    assert holds(public, genuine, message)
    assert not holds(public, genuine, message + b"x")
    for signature in (other, genuine[:32] + other[32:]):
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
            theirs = True
        except InvalidSignature:
            theirs = False
        assert holds(public, signature, message) == theirs
