"""A person's key: opened by its passphrase alone, and by nothing when one byte of its file differs."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from people_factories import CHEAP
from site_factories import PASSPHRASE, refusal_code

from myofed_node.person_key import make_person_key, open_person_key, read_public_key
from myofed_schemas.canonical import canonical_json


def test_short_passphrase_makes_no_key() -> None:
    """Fewer than 14 characters seal nothing."""
    assert refusal_code(lambda: make_person_key("too short", cost=CHEAP)) == "PASSPHRASE_TOO_SHORT"


def test_wrong_passphrase_opens_nothing() -> None:
    """The refusal does not tell a wrong passphrase from a changed file, and neither gives a key."""
    sealed = canonical_json(make_person_key(PASSPHRASE, cost=CHEAP))
    assert refusal_code(lambda: open_person_key(sealed, passphrase="another passphrase")) == "PERSON_PASSPHRASE"


@pytest.mark.parametrize("field", ["public_key", "salt", "nonce", "sealed"])
def test_changed_file_opens_nothing(field: str) -> None:
    """Each field is under the seal."""
    document = json.loads(canonical_json(make_person_key(PASSPHRASE, cost=CHEAP)))
    text = document[field]
    document[field] = ("1" if text[0] == "0" else "0") + text[1:]
    changed = json.dumps(document).encode()
    assert refusal_code(lambda: open_person_key(changed, passphrase=PASSPHRASE)) == "PERSON_PASSPHRASE"


def test_something_else_is_no_key() -> None:
    """A file of another form has its own code."""
    assert refusal_code(lambda: open_person_key(b"{}", passphrase=PASSPHRASE)) == "PERSON_KEY_INVALID"


def test_opened_key_is_the_one_the_file_names() -> None:
    """The passphrase gives back the private half of the public key."""
    made = make_person_key(PASSPHRASE, cost=CHEAP)
    key = open_person_key(canonical_json(made), passphrase=PASSPHRASE)
    assert key.public_key().public_bytes_raw().hex() == made.public_key


def test_public_key_is_read_as_pem_and_as_hexadecimal_and_of_ed25519_only() -> None:
    """A key of another kind, or anything else, is refused."""
    public = Ed25519PrivateKey.generate().public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    raw = public.public_bytes_raw().hex()
    assert read_public_key(pem) == read_public_key(raw.encode() + b"\n") == raw
    other = generate_private_key(SECP256R1()).public_key()
    wrong = other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for content in (wrong, b"xyz", b"\xff\xfe", b"-----BEGIN", raw[:-2].encode()):
        assert refusal_code(lambda given=content: read_public_key(given)) == "PERSON_KEY_INVALID"  # type: ignore[misc]
