"""The sheet that goes to the scanner says all the YAML says, as text and as a page without script or network."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from myofed_node.protocol.pages import sheet_page
from myofed_node.protocol.profiles import load_profiles, shipped_profiles
from myofed_node.protocol.sheet import WIDTH, sheet, sheet_lines
from myofed_node.protocol.vendor_terms import VENDOR_TERMS
from myofed_node.protocol.wording import number, passing, warning, with_unit
from myofed_schemas.protocol import ChoiceLimit, Profile, Range, RangeLimit
from myofed_schemas.protocol_quantities import QUANTITIES

NAMES = [profile.name for profile in shipped_profiles()]
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Text of a page, its tags, and whether every tag is closed."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(content.decode())
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("name", NAMES)
def test_sheet_shows_every_limit_with_source_and_certainty(name: str) -> None:
    """Target, what is accepted, what warns, who says so: in both forms."""
    profile = load_profiles().named(name)
    made = sheet(profile)
    text = " ".join(" ".join(sheet_lines(made)).split())
    page = Page(sheet_page(made))
    assert page.open == []
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert "default-src 'none'" in sheet_page(made).decode()
    for shown in (text, page.text):
        for limit in profile.limits:
            assert QUANTITIES[limit.quantity].title in shown
            assert passing(limit) in shown
            assert f"{limit.source} ({limit.certainty.value})" in shown
            if isinstance(limit, RangeLimit) and limit.target is not None:
                assert with_unit(limit.target, limit.unit) in shown
        assert all(" ".join(line.split()) in shown for line in (*profile.advice, profile.about, profile.caution))


@pytest.mark.parametrize("name", NAMES)
def test_sheet_fits_on_one_page(name: str) -> None:
    """Text lines of at most 100 characters; the page's print style is one of A4 across, and its rows leave room on it."""
    made = sheet(load_profiles().named(name))
    assert max(map(len, sheet_lines(made))) <= WIDTH
    assert "size:A4 landscape" in sheet_page(made).decode()
    lines = len(made.rows) + len(made.sources) + len(made.flip_angles) + len(made.profile.advice)
    assert lines <= 48  # at 9 px A4 across holds about 65 lines; six-echo, the longest, was rendered to one page


def test_notes_lead_to_the_source_of_the_row() -> None:
    """The number beside a limit is that of its own source."""
    for profile in shipped_profiles():
        made = sheet(profile)
        for row, limit in zip(made.rows, profile.limits, strict=True):
            assert made.sources[row.note - 1] == f"{limit.source} ({limit.certainty.value})"


def test_names_of_vendors_stand_beside_the_parameter() -> None:
    """As far as known; what follows from other parameters has none."""
    text = "\n".join(sheet_lines(sheet(load_profiles().named("oedema-stir"))))
    assert "Siemens: TI; Philips: IR delay; GE: TI" in text
    assert all(any(terms) for terms in VENDOR_TERMS.values())
    page = Page(sheet_page(sheet(load_profiles().named("fat-fraction-6-echo")))).text
    assert "Siemens Philips GE" in page
    assert "First TE" in page


def test_sheet_tells_the_largest_flip_angle_for_usual_repetition_times() -> None:
    """So that nobody at the scanner has to compute a T1 bias: 3.9 degrees for TR 10 ms at 3 T, none where there is no limit."""
    lines = sheet(load_profiles().named("vendor-2-point-dixon")).flip_angles
    assert "T1 1420/370 ms at 2.8 to 3.1 T" in lines[0]
    assert re.search(r"10 ms: 3\.9°", lines[0])
    assert len(lines) == 2
    assert sheet(load_profiles().named("t1w-mercuri")).flip_angles == ()


def test_text_of_a_site_is_escaped() -> None:
    """A profile of one's own cannot break the page."""
    profile = load_profiles().named("t1w-mercuri")
    evil = Profile.model_validate(profile.model_dump() | {"title": "<script>x</script>", "limits": profile.limits})
    assert "<script>" not in sheet_page(sheet(evil)).decode()


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ([(1, 2)], "1 to 2 ms"),
        ([(None, 2)], "at most 2 ms"),
        ([(1, None)], "at least 1 ms"),
        ([(1, 2), (3, 4)], "1 to 2 or 3 to 4 ms"),
    ],
)
def test_ranges_in_words(ranges: list[tuple[float | None, float | None]], words: str) -> None:
    """One spelling everywhere."""
    limit = next(x for x in load_profiles().named("t1w-mercuri").limits if isinstance(x, RangeLimit))
    passes = tuple(Range(low=low, high=high) for low, high in ranges)
    assert passing(limit.model_copy(update={"passes": passes})) == words


def test_warnings_in_words() -> None:
    """Nothing, all else, words or a range."""
    by_key = {limit.key: limit for profile in shipped_profiles() for limit in profile.limits}
    three = {limit.key: limit for limit in load_profiles().named("fat-fraction-3-point").limits}
    assert warning(three["echo_count"]) == "nothing"
    assert warning(by_key["field_strength"]) == "all else"
    assert warning(by_key["acquisition_type"]) in {"2D", "3D"}
    assert warning(by_key["last_echo_time"]) == "at least 90 ms"
    assert any(isinstance(limit, ChoiceLimit) for limit in by_key.values())
    open_range = by_key["last_echo_time"].model_copy(update={"passes": (Range(),)})
    assert passing(open_range) == "any ms"


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.0, "3"), (21.8799999, "21.88"), (0.1 + 0.2, "0.3"), (3000.0, "3000"), (1234.5, "1234"), (1e-9, "0")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    """Four significant digits, no exponent."""
    assert number(value) == text
