"""Siemens CSA headers, read strictly."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from csa_factories import IMAGE, NAME, SERIES, Tag, csa1, csa2
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.nicom import csareader
from pydicom import dcmread

from myofed_anonymization import csa
from myofed_anonymization.csa import CsaDamagedError, csa_values

NUMBERS_ONLY = frozenset({"IS", "DS", "FD", "FL", "US", "UL", "SS", "SL"})


def agree(content: bytes) -> int:
    """Compares with nibabel's reader, value by value; the number of values compared."""
    ours, theirs, compared = csa_values(content), csareader.read(content)["tags"], 0
    assert set(ours) == set(theirs)
    for name, tag in theirs.items():
        values = [value.decode() if isinstance(value, bytes) else value for value in tag["items"]]
        while values and values[-1] == "":
            values.pop()
        found = [float(value) for value in ours[name]] if tag["vr"] in NUMBERS_ONLY else list(ours[name])
        assert found == [value.strip() if isinstance(value, str) else value for value in values]
        compared += len(values)
    return compared


@pytest.mark.parametrize("build", [csa1, csa2])
def test_both_forms_tell_the_same_values(build: Callable[[tuple[Tag, ...]], bytes]) -> None:
    """Names and values come out in order, empty ones at the end left out, those between kept."""
    values = csa_values(build(IMAGE))
    assert values["SliceNormalVector"] == ("0.0", "0.6", "-0.8")
    assert values["ImageHistory"] == (NAME, "", "Klinikum Wolkenstein")
    assert values["B_value"] == ()
    assert list(values) == [tag.name for tag in IMAGE]


def test_another_reader_agrees_on_synthetic_headers() -> None:
    """The reader of nibabel finds the same; of CSA1 where the two ways to take the surplus of lengths agree."""
    assert agree(csa2(IMAGE)) == 9
    assert agree(csa2(SERIES)) == 4
    assert agree(csa1((Tag("A"), Tag("B"), *IMAGE))) == 9


def test_only_the_tags_asked_for_are_taken() -> None:
    """Others are skipped by their lengths, and what follows them is found."""
    assert csa_values(csa2(IMAGE), names=frozenset({"RealDwellTime", "Absent"})) == {"RealDwellTime": ("30000",)}


def test_first_of_two_tags_counts() -> None:
    """A name that occurs twice is no way to replace a value."""
    assert csa_values(csa2((Tag("A", ("1",)), Tag("A", ("2",))))) == {"A": ("1",)}


def test_values_beyond_the_multiplicity_are_no_values() -> None:
    """Items that the tag does not claim are rests of another run."""
    assert csa_values(csa2((Tag("A", ("1", "2"), multiplicity=1),))) == {"A": ("1",)}


def with_word(content: bytes, position: int, word: int) -> bytes:
    return content[:position] + struct.pack("<i", word) + content[position + 4 :]


SMALL = csa2((Tag("A", ("12345",)),))
ITEMS, ITEM_LENGTH = 16 + 76, 16 + 84 + 4


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"SV10",
        b"SV10" + bytes(12),
        csa2((), declared=1),
        csa2(IMAGE, declared=csa.MAX_TAGS + 1),
        with_word(SMALL, 12, 78),
        with_word(SMALL, ITEMS, -1),
        with_word(SMALL, ITEMS, csa.MAX_ITEMS + 1),
        with_word(SMALL, ITEMS, 2),
        with_word(SMALL, ITEM_LENGTH, -1),
        with_word(SMALL, ITEM_LENGTH, 2**31 - 1),
        with_word(SMALL, ITEM_LENGTH, 9),
        SMALL[:50],
        SMALL[:-4],
        csa1((Tag("A", ("1",)),))[:-4],
    ],
)
def test_damage_is_named(content: bytes) -> None:
    """A count or length that does not fit is refused before anything is sliced; the message holds no content."""
    with pytest.raises(CsaDamagedError, match="expected"):
        csa_values(content)


def test_items_of_all_tags_are_counted_together() -> None:
    """Many tags with many items cannot keep the reader busy."""
    tags = tuple(Tag(f"T{number}", empty_items=999) for number in range(11))
    assert len(csa_values(csa2(tags[:10]))) == 10
    with pytest.raises(CsaDamagedError):
        csa_values(csa2(tags))


@settings(max_examples=300, deadline=2000)
@given(st.binary(max_size=600), st.sampled_from([b"", b"SV10\4\3\2\1\2\0\0\0M\0\0\0", b"\2\0\0\0M\0\0\0"]))
def test_any_bytes_are_read_or_refused(content: bytes, start: bytes) -> None:
    """No other error than the named one, on nothing like a header."""
    try:
        csa_values(start + content)
    except CsaDamagedError:
        return


@settings(max_examples=300, deadline=2000)
@given(
    st.sampled_from([csa1(IMAGE), csa2(IMAGE), csa2(SERIES)]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8),
    st.integers(0, 3000),
)
def test_a_damaged_header_is_read_or_refused(content: bytes, changes: list[tuple[int, int]], length: int) -> None:
    """No other error than the named one, and no more text than there are bytes, on a header with changed or lost bytes."""
    mutated = bytearray(content)
    for position, value in changes:
        mutated[position % len(mutated)] = value
    try:
        values = csa_values(bytes(mutated[:length]))
    except CsaDamagedError:
        return
    assert sum(len(value) for found in values.values() for value in found) <= length


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["siemens_gre_2echo_mag", "siemens_gre_2echo_phase", "siemens_tse_pdt2_2echo"])
def test_another_reader_agrees_on_real_headers(shared_data: Path, name: str) -> None:
    """The reader of nibabel finds the same values in every header of the first, middle and last file of a real series."""
    files = sorted((shared_data / "dicom" / name).iterdir())
    for path in (files[0], files[len(files) // 2], files[-1]):
        dataset = dcmread(path)
        assert agree(dataset[0x0029, 0x1010].value) > 20
        assert agree(dataset[0x0029, 0x1020].value) > 50
