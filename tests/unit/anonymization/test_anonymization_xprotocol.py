"""The numbers of a Siemens protocol."""

from __future__ import annotations

import pytest
from csa_factories import PROTOCOL
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_anonymization.xprotocol import BEGIN, END, MAX_INDEX, XProtocolDamagedError, ascconv_numbers, number_of

NAMES = frozenset({"alTE", "lContrasts", "sKSpace.lPartitions", "ucReadOutMode"})


def block(*lines: str) -> str:
    return "\n".join(("<XProtocol> {", f"{BEGIN} ###", *lines, f"{END} ###"))


@pytest.mark.parametrize(
    ("text", "number"),
    [("2", 2.0), ("-1.5e-3", -0.0015), ("0x1F", 31.0), ("4.", 4.0), ("1e400", float("inf"))],
)
def test_decimal_and_hexadecimal_numbers_are_read(text: str, number: float) -> None:
    """As Siemens writes them; what overflows is infinite and beyond every bound."""
    assert number_of(text) == number


@pytest.mark.parametrize(
    "text", ["", "nan", "inf", "0x", "0x123456789", "1 2", "1_0", '""1H""', "\u0661", "1.3.12.2", "2021-07-15"]
)
def test_anything_else_is_no_number(text: str) -> None:
    """Texts, UIDs, dates and what only Python takes for a number."""
    assert number_of(text) is None


def test_arrays_and_names_with_dots_are_read() -> None:
    """An array is one tuple; spaces, tabs and a comment around the value do not matter."""
    text = block("alTE[1] = 4920", "alTE[0]\t = \t2460", "sKSpace.lPartitions = 0x20 # 32", "lContrasts=2\r")
    assert ascconv_numbers(text, names=NAMES) == {
        "alTE": (2460.0, 4920.0), "sKSpace.lPartitions": (32.0,), "lContrasts": (2.0,),
    }  # fmt: skip


def test_zeros_that_siemens_leaves_out_are_filled_in() -> None:
    """An index tells the place: without the filling every later number would stand in another's place."""
    assert ascconv_numbers(block("alTE[2] = 3"), names=NAMES) == {"alTE": (0.0, 0.0, 3.0)}


def test_nothing_outside_the_block_is_read() -> None:
    """XProtocol around the block is free text."""
    text = "lContrasts = 5\n" + block("ucReadOutMode = 1") + "\nlContrasts = 5"
    assert ascconv_numbers(text, names=NAMES) == {"ucReadOutMode": (1.0,)}
    assert ascconv_numbers("lContrasts = 5", names=NAMES) == {}


@pytest.mark.parametrize(
    "lines",
    [
        ("alTE[0] = 1", "alTE[0] = 2"),
        ("alTE[0] = 1", 'alTE[1] = ""Fantasia""'),
        (f"alTE[{MAX_INDEX + 1}] = 1",),
        ("alTE[-1] = 1",),
        ("alTE[0].x[1] = 1",),
        ("alTE[] = 1",),
        ("alTE[0]",),
        ("alTE = 1", "alTE[0] = 2"),
    ],
)
def test_a_name_that_leaves_a_doubt_is_left_out(lines: tuple[str, ...]) -> None:
    """Two values in one place, text among numbers or an impossible index: nothing of it is told."""
    assert ascconv_numbers(block(*lines, "lContrasts = 2"), names=NAMES) == {"lContrasts": (2.0,)}


def test_names_that_nobody_asked_for_are_not_told() -> None:
    """Neither the number of the protocol nor the weight."""
    assert set(ascconv_numbers(PROTOCOL, names=NAMES)) == {"alTE", "lContrasts", "ucReadOutMode"}


def test_a_block_without_end_is_damaged() -> None:
    """A protocol that was cut off may have lost half a number."""
    with pytest.raises(XProtocolDamagedError, match="expected"):
        ascconv_numbers(block("lContrasts = 2").replace(END, ""), names=NAMES)


@settings(max_examples=300, deadline=2000)
@given(st.lists(st.text(alphabet="alTE[]0159=.#x -\n\té", max_size=20), max_size=12))
def test_any_lines_give_numbers_of_the_names_only(lines: list[str]) -> None:
    """Whatever stands in the block: names of the list, floats, no error."""
    for name, numbers in ascconv_numbers(block(*lines), names=NAMES).items():
        assert name in NAMES
        assert numbers
        assert all(isinstance(number, float) for number in numbers)
