from __future__ import annotations

import pytest

from myofed_anonymization.keys import SiteKeys
from myofed_schemas.errors import MyofedError


def test_a_key_of_another_length_is_refused() -> None:
    """A short key would weaken every pseudonym."""
    with pytest.raises(MyofedError) as refusal:
        SiteKeys.from_bytes(b"short")
    assert refusal.value.code == "SITE_KEY_LENGTH"


def test_the_secret_is_in_no_repr() -> None:
    """A key that is printed by accident shows nothing of itself."""
    key = SiteKeys.from_bytes(b"S" * 32)
    assert "S" * 4 not in repr(key)
    assert key.secret == b"S" * 32


def test_generated_keys_differ() -> None:
    """Each generated key is new, and its check tells it from others."""
    first, second = SiteKeys.generate(), SiteKeys.generate()
    assert first != second
    assert first.check() != second.check()
    assert len(first.check()) == 16


def test_parts_are_framed_by_their_length() -> None:
    """No two lists of parts give one message: ("ab", "c") is not ("a", "bc")."""
    key = SiteKeys(b"k" * 32)
    assert key.mac("pid", "ab", "c") != key.mac("pid", "a", "bc")
    assert key.mac("pid", "a") != key.mac("date", "a")
