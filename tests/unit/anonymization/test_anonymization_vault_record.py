"""A record opens for its own pseudonym and key only."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_anonymization.vault_record import FORMAT, NONCE_BYTES, Original, opened, sealed, tells
from myofed_schemas.errors import MyofedError

KEY = b"k" * 32
ORIGINAL = Original("H", "4711-XY")


def _damaged(content: bytes, *, pseudonym: str = "Q7XJ", key: bytes = KEY) -> bool:
    with pytest.raises(MyofedError) as caught:
        opened(content, pseudonym=pseudonym, key=key)
    return caught.value.code == "VAULT_DAMAGED"


@given(st.text(max_size=64), st.text(max_size=64))
def test_what_was_sealed_is_opened(issuer: str, patient_id: str) -> None:
    """Any text in any script comes back."""
    original = Original(issuer, patient_id)
    assert opened(sealed(original, pseudonym="Q7XJ", key=KEY), pseudonym="Q7XJ", key=KEY) == original


def test_another_pseudonym_or_key_does_not_open_it() -> None:
    """A record copied under another name, and one of another vault."""
    content = sealed(ORIGINAL, pseudonym="Q7XJ", key=KEY)
    assert _damaged(content, pseudonym="Q7XK")
    assert _damaged(content, key=b"x" * 32)


@settings(max_examples=100)
@given(st.data())
def test_no_changed_or_cut_record_opens(data: st.DataObject) -> None:
    """Format, nonce, text and tag are all covered; a cut one never opens."""
    content = sealed(ORIGINAL, pseudonym="Q7XJ", key=KEY)
    place, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    assert _damaged(bytes(changed))
    assert _damaged(content[:place])


def test_no_nonce_comes_twice_and_lengths_tell_nothing() -> None:
    """The same record sealed again differs, and is as long as any other."""
    start = len(FORMAT)
    records = [sealed(Original("", "1" * n), pseudonym="Q7XJ", key=KEY) for n in (1, 64) for _ in range(50)]
    assert len({record[start : start + NONCE_BYTES] for record in records}) == 100
    assert len({len(record) for record in records}) == 1
    assert b"1111" not in records[-1]


def test_the_original_is_in_no_repr() -> None:
    """An answer that is logged by accident shows nobody."""
    assert repr(ORIGINAL) == "Original()"


@pytest.mark.parametrize(
    ("text", "identifier", "shown"),
    [
        ("seen in 4711-xy on page 2", "4711-XY", True),
        ("seen in 47 11/xY", "4711-XY", True),
        ("seen in another", "4711-XY", False),
        ("12 nodules in patient 7", "7", True),
        ("17 nodules", "7", False),
        ("anything at all", "", False),
    ],
)
def test_an_identifier_is_seen_in_a_text(text: str, identifier: str, shown: bool) -> None:
    """Long ones anywhere and in any writing, short ones as words of their own."""
    assert tells(text, identifier) == shown
