"""Whether a document carries the signature of a key: the coordinator's, or a person's."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from myofed_schemas.canonical import canonical_json
from myofed_schemas.wire import WireModel


def is_signed(document: WireModel, *, signature: str, public_key: str) -> bool:
    """Whether the holder of this key signed exactly this document.

    Args:
        document: What was signed, as canonical JSON.
        signature: 128 hexadecimal characters.
        public_key: Raw Ed25519 key, 64 hexadecimal characters.
    """
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(
            bytes.fromhex(signature), canonical_json(document)
        )
    except InvalidSignature:
        return False
    return True
