"""Any m of n printed shares give the key back; m - 1 do not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_anonymization.key_shares import VERSION, Share, interpolated, join, split
from myofed_anonymization.keys import SiteKeys
from myofed_schemas.errors import MyofedError

KEY, OTHER = SiteKeys(b"a" * 32), SiteKeys(b"b" * 32)
SECRETS = st.binary(min_size=32, max_size=32)
NUMBERS = st.integers(2, 9).flatmap(lambda needed: st.tuples(st.just(needed), st.integers(needed, 12)))


def _refused(shares: list[str]) -> MyofedError:
    with pytest.raises(MyofedError) as caught:
        join(shares)
    return caught.value


@settings(max_examples=60, deadline=None)
@given(SECRETS, NUMBERS, st.randoms(use_true_random=False))
def test_any_needed_shares_restore_the_key(secret: bytes, numbers: tuple[int, int], random: object) -> None:
    """Whichever officers come, in whichever order, as long as enough come."""
    needed, of = numbers
    sheets = list(split(SiteKeys(secret), shares=of, needed=needed))
    random.shuffle(sheets)  # type: ignore[attr-defined]
    assert join(sheets[:needed]).secret == secret
    assert join(sheets).secret == secret


@settings(max_examples=60, deadline=None)
@given(SECRETS, NUMBERS, st.randoms(use_true_random=False))
def test_one_share_fewer_does_not_restore_the_key(secret: bytes, numbers: tuple[int, int], random: object) -> None:
    """`join` refuses; and who leaves the refusal out gets another key, whose check differs."""
    needed, of = numbers
    sheets = list(split(SiteKeys(secret), shares=of, needed=needed))
    random.shuffle(sheets)  # type: ignore[attr-defined]
    assert _refused(sheets[: needed - 1]).code == "SHARES_TOO_FEW"
    wrong = interpolated([Share.parse(sheet) for sheet in sheets[: needed - 1]])
    assert wrong != secret
    assert SiteKeys(wrong).check() != SiteKeys(secret).check()


def test_fewer_shares_fit_every_key_equally_well() -> None:
    """For any other key there is a second share that would make it: one share excludes no key."""
    first, second = (Share.parse(sheet) for sheet in split(KEY, shares=2, needed=2))
    lines = {interpolated([first, Share(2, 2, b"", b"", bytes([value] * 32))])[0] for value in range(256)}
    assert len(lines) == 256
    assert interpolated([first, second]) == KEY.secret


def test_the_field_is_that_of_fips_197() -> None:
    """{57} x {83} = {c1}, the example of FIPS 197, section 4.2; every element but 0 has its inverse."""
    from myofed_anonymization.key_shares import _inverse, _times

    assert _times(0x57, 0x83) == 0xC1
    assert all(_times(a, _inverse(a)) == 1 for a in range(1, 256))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 79), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_mistyped_character_is_noticed(place: int, sign: str) -> None:
    """The checksum finds it, and the refusal says on which sheet, by its place, and shows nothing of it."""
    good, other = split(KEY, shares=2, needed=2)
    bare = good.replace("-", "")
    typed = bare[:place] + sign + bare[place + 1 :]
    if typed == bare:
        assert join([typed, other]) == KEY
    else:
        error = _refused([other, typed])
        assert error.code == "SHARE_INVALID"
        assert "place 2" in error.message
        assert bare[:8] not in str(error)


def test_a_share_is_typed_as_people_type() -> None:
    """Lower case, spaces in place of hyphens, line breaks, zero for O and one for I."""
    sheets = split(KEY, shares=3, needed=2)
    typed = [sheet.lower().replace("-", " ").replace("o", "0").replace("i", "1") + "\n" for sheet in sheets]
    assert join(typed) == KEY
    assert all(re.fullmatch(r"([A-Z2-7]{4}-){19}[A-Z2-7]{4}", sheet) for sheet in sheets)


@pytest.mark.parametrize("text", ["", "AAAA", "!" * 80, "Ü" * 80, "A" * 80])
def test_what_is_no_share_is_refused(text: str) -> None:
    """Empty, short, other signs, and a sound length without a checksum."""
    assert _refused([text]).code == "SHARE_INVALID"


def test_shares_of_two_sets_or_keys_are_not_mixed() -> None:
    """Sheets of an earlier splitting are told apart before anything is computed."""
    first, again, other = (split(key, shares=2, needed=2) for key in (KEY, KEY, OTHER))
    assert _refused([first[0], again[1]]).code == "SHARES_MIXED"
    assert _refused([first[0], other[1]]).code == "SHARES_MIXED"
    assert _refused([]).code == "SHARES_TOO_FEW"


def test_the_same_sheet_twice_counts_once() -> None:
    """One officer is not two."""
    sheets = split(KEY, shares=3, needed=2)
    assert _refused([sheets[0], sheets[0]]).code == "SHARES_TOO_FEW"
    assert join([sheets[0], sheets[0], sheets[2]]) == KEY


def test_a_forged_share_is_noticed() -> None:
    """A sound checksum over other values gives another key, whose check differs; two of one number that differ are refused."""
    first, second = (Share.parse(sheet) for sheet in split(KEY, shares=2, needed=2))
    forged = Share(second.needed, second.number, second.set_id, second.key_check, bytes(32))
    assert _refused([first.text(), forged.text()]).code == "SHARES_KEY_CHECK"
    assert _refused([first.text(), second.text(), forged.text()]).code == "SHARES_MIXED"


@pytest.mark.parametrize(("shares", "needed"), [(3, 1), (2, 3), (256, 2), (0, 0)])
def test_useless_numbers_are_refused(shares: int, needed: int) -> None:
    """One sheet alone must tell nothing; more needed than printed would lose the key."""
    with pytest.raises(MyofedError) as caught:
        split(KEY, shares=shares, needed=needed)
    assert caught.value.code == "SHARES_NUMBER"


def test_a_share_shows_its_values_in_no_repr() -> None:
    """Its text is printed on purpose, its repr by accident."""
    share = Share.parse(split(KEY, shares=2, needed=2)[0])
    assert share.values.hex() not in repr(share)
    assert str(share.values) not in repr(share)
    assert VERSION == 1
