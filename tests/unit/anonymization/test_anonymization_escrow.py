"""The site key under a passphrase: it comes back whole, or with the code that says why not."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from myofed_anonymization.escrow import STANDARD_COST, EscrowDocument, ScryptCost, read_escrow, seal, unseal
from myofed_anonymization.keys import SiteKeys
from myofed_schemas.errors import MyofedError

KEY, OTHER = SiteKeys(b"a" * 32), SiteKeys(b"b" * 32)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUICK = ScryptCost(n=4)
PASSPHRASE = "fourteen signs"


def _sealed(keys: SiteKeys = KEY, passphrase: str = PASSPHRASE) -> bytes:
    return seal(keys, passphrase=passphrase, now=NOW, cost=QUICK)


def _code(document: bytes, passphrase: str = PASSPHRASE) -> str:
    with pytest.raises(MyofedError) as caught:
        unseal(document, passphrase=passphrase)
    assert KEY.secret.hex() not in str(caught.value)
    assert passphrase not in str(caught.value)
    return caught.value.code


@settings(max_examples=30, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.text(min_size=14, max_size=40))
def test_the_passphrase_gives_the_key_back(secret: bytes, passphrase: str) -> None:
    """Any key under any passphrase; never the same document twice."""
    keys = SiteKeys(secret)
    if len(unicodedata.normalize("NFC", passphrase)) < 14:
        return
    first, second = _sealed(keys, passphrase), _sealed(keys, passphrase)
    assert unseal(first, passphrase=passphrase) == keys
    assert first != second


def test_the_standard_cost_is_that_of_the_documentation() -> None:
    """The parameters are n = 2**17, r = 8, p = 1: 128 MiB for each guess."""
    assert (STANDARD_COST.n, STANDARD_COST.r, STANDARD_COST.p) == (2**17, 8, 1)
    document = seal(KEY, passphrase=PASSPHRASE, now=NOW)
    assert read_escrow(document).scrypt == STANDARD_COST
    assert unseal(document, passphrase=PASSPHRASE) == KEY


def test_the_document_says_what_it_is_and_shows_no_key() -> None:
    """Format, date, key check and parameters in the open; the key and the passphrase nowhere."""
    document = _sealed()
    shown = json.loads(document)
    assert (shown["format"], shown["created"]) == ("myofed-escrow-1", "2026-01-01T00:00:00Z")
    assert shown["key_check"] == KEY.check()
    assert shown["scrypt"] == {"n": 4, "r": 8, "p": 1}
    assert KEY.secret.hex().encode() not in document
    assert KEY.secret not in document
    assert PASSPHRASE.encode() not in document


def test_a_wrong_passphrase_has_its_own_code() -> None:
    """A space more is another passphrase."""
    assert _code(_sealed(), PASSPHRASE + " ") == "ESCROW_PASSPHRASE"


def test_one_passphrase_on_every_keyboard() -> None:
    """Composed and decomposed letters are the same letters."""
    document = _sealed(passphrase="fünfzehn zeichen")
    assert unseal(document, passphrase=unicodedata.normalize("NFD", "fünfzehn zeichen")) == KEY


@pytest.mark.parametrize("name", ["created", "key_check", "salt", "nonce", "sealed", "scrypt", "sha256"])
def test_a_changed_document_is_refused(name: str) -> None:
    """Every part is covered by the digest, and by the seal where somebody mends the digest too."""
    shown = json.loads(_sealed())
    changed = {
        "created": "2026-01-02T00:00:00Z",
        "scrypt": {"n": 8, "r": 8, "p": 1},
    }.get(name) or shown[name][:-1] + ("0" if shown[name][-1] != "0" else "1")
    document = EscrowDocument.model_validate({**shown, name: changed})
    assert _code(document.model_dump_json().encode()) == "ESCROW_INVALID"
    if name != "sha256":
        mended = document.model_copy(update={"sha256": document.digest()})
        assert _code(mended.model_dump_json().encode()) == "ESCROW_PASSPHRASE"


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"format": "myofed-escrow-2"}'])
def test_what_is_no_escrow_is_refused(content: bytes) -> None:
    """Nothing, nothing in it, no text, another version."""
    assert _code(content) == "ESCROW_INVALID"


def test_a_sealed_key_that_is_not_the_one_named_is_refused() -> None:
    """Who knows the passphrase could seal another key under this check; the key itself tells."""
    honest = read_escrow(_sealed())
    cipher = AESGCM(QUICK.key(PASSPHRASE, salt=bytes.fromhex(honest.salt)))
    sealed = cipher.encrypt(bytes.fromhex(honest.nonce), OTHER.secret, honest.associated()).hex()
    forged = honest.model_copy(update={"sealed": sealed})
    forged = forged.model_copy(update={"sha256": forged.digest()})
    assert _code(forged.model_dump_json().encode()) == "ESCROW_KEY_CHECK"


def test_a_short_passphrase_is_refused_before_anything_is_sealed() -> None:
    """Thirteen characters; letters made of two signs count once."""
    for short in ("thirteen sign", unicodedata.normalize("NFD", "ü" * 13)):
        with pytest.raises(MyofedError) as caught:
            _sealed(passphrase=short)
        assert caught.value.code == "PASSPHRASE_TOO_SHORT"


@pytest.mark.parametrize("cost", [{"n": 3}, {"n": 2**20}, {"r": 0}, {"p": 9}])
def test_parameters_that_scrypt_does_not_take_are_refused(cost: dict[str, int]) -> None:
    """No power of two, or more memory than an escrow of ours ever takes."""
    with pytest.raises(ValidationError):
        ScryptCost.model_validate(cost)
