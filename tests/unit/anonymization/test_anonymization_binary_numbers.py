from __future__ import annotations

import struct
from pathlib import Path

import pytest
from anonymization_factories import enhanced, file_bytes, item, mr, treated
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.datadict import tag_for_keyword

from myofed_anonymization.binary_numbers import MOST_VALUES, can_be_numbers, most_values
from myofed_schemas.deid import WithheldCode


@pytest.mark.parametrize(
    ("content", "vr", "most", "good"),
    [
        (b"\1\0", "US", 1, True),
        (b"", "US", 1, True),
        (b"\1\0\2\0", "US", 1, False),
        (b"\1", "US", 1, False),
        (b"Fantasia", "US", 4, False),
        ("Fantasia".encode("utf-16-le"), "UL", 99, False),
        ("Fantasia".encode("utf-16-be"), "US", 99, False),
        (struct.pack("<4H", 0, 256, 256, 0), "US", 4, True),
        (struct.pack("<3L", 1, 2, 300), "UL", 99, True),
        (struct.pack("<d", 5.19), "FD", 1, True),
        (struct.pack("<d", -1e-300), "FD", 1, False),
        (b"Fantasia", "FD", 1, False),
        (b"@!@!@!@!" * 3, "FD", 3, False),
        (struct.pack("<f", 2.5), "FL", 1, True),
        (struct.pack("<f", float("nan")), "FL", 1, False),
    ],
)
def test_numbers_are_told_from_text(content: bytes, vr: str, most: int, good: bool) -> None:
    """By their count, their size and runs of letters, in one byte or two."""
    assert can_be_numbers(content, vr=vr, most=most, little=True) is good


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=8), st.booleans())
def test_quantities_of_a_header_are_numbers(values: list[float], little: bool) -> None:
    """Whatever the byte order; two doubles that are all printable are one chance in ten million."""
    content = struct.pack(f"{'<' if little else '>'}{len(values)}d", *values)
    printable = all(0x20 <= byte <= 0x7E for byte in content)
    assert printable or can_be_numbers(content, vr="FD", most=8, little=little)


def test_the_standard_says_how_many_values_there_are() -> None:
    """One, a few, or any number, which then has our limit."""
    tags = {keyword: tag_for_keyword(keyword) or 0 for keyword in ("Rows", "AcquisitionMatrix", "DimensionIndexValues")}
    assert [most_values(tag) for tag in tags.values()] == [1, 4, MOST_VALUES]


@pytest.mark.parametrize("text", [b"Wildfremd ", "Wildfr".encode("utf-16-le")])
def test_text_in_a_binary_number_of_the_standard_is_removed(tmp_path: Path, text: bytes) -> None:
    """Other people's names too, which no verification could know."""
    content = file_bytes(mr(AcquisitionMatrix=[7001, 7002, 7003, 7004]))
    found = struct.pack("<HH2sH", 0x0018, 0x1310, b"US", 8) + struct.pack("<4H", 7001, 7002, 7003, 7004)
    assert found in content
    hidden = struct.pack("<HH2sH", 0x0018, 0x1310, b"US", len(text)) + text
    outcome = treated(tmp_path, content.replace(found, hidden)).outcome
    assert outcome.code in {None, WithheldCode.VALUE_CHANGED}
    assert not any(text in path.read_bytes() for path in tmp_path.rglob("*.dcm"))


def test_text_in_a_type_1_number_withholds_the_file(tmp_path: Path) -> None:
    """A dummy would make another image of it."""
    content = file_bytes(mr(PixelRepresentation=0))
    hidden = content.replace(
        struct.pack("<HH2sHH", 0x0028, 0x0103, b"US", 2, 0),
        struct.pack("<HH2sH", 0x0028, 0x0103, b"US", 10) + b"Wildfremd ",
    )
    assert treated(tmp_path, hidden).outcome.code is not None


def test_numbers_in_functional_groups_stay(tmp_path: Path) -> None:
    """Doubles of any value that a scanner writes."""
    frames = [
        item(
            MREchoSequence=[item(EffectiveEchoTime=echo)],
            FrameContentSequence=[item(DimensionIndexValues=[1, n, 70000])],
        )
        for n, echo in ((1, 1.1500000953674316), (2, 9.2))
    ]
    outcome = treated(tmp_path, enhanced(PerFrameFunctionalGroupsSequence=frames)).outcome
    released = dcmread(tmp_path / "out" / str(outcome.output))
    groups = released.PerFrameFunctionalGroupsSequence
    assert [group.MREchoSequence[0].EffectiveEchoTime for group in groups] == [1.1500000953674316, 9.2]
    assert list(groups[1].FrameContentSequence[0].DimensionIndexValues) == [1, 2, 70000]
