"""How values are said on pages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from coordinator_factories import NOW

from myofed_coordinator.web import words
from myofed_schemas.catalog import SuppressedCount


@pytest.mark.parametrize(
    ("past", "text"),
    [
        (timedelta(seconds=-5), "0 s ago"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(seconds=60), "1 min ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=9), "9 d ago"),
    ],
)
def test_time_is_told_in_one_unit(past: timedelta, text: str) -> None:
    """The largest unit that fits; a clock that runs ahead is "now"."""
    assert words.elapsed(past) == text


def test_moment_is_said_in_utc_with_the_exact_one_in_the_attribute() -> None:
    """People read the day and the minute, machines the second."""
    assert words.when("2026-11-02T09:05:59Z") == '<time datetime="2026-11-02T09:05:59Z">2 Nov 2026, 09:05 UTC</time>'
    assert words.when(None) == "-"
    assert words.ago(None, now=NOW) == "never"


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (SuppressedCount(value=None, rounded_to=5), '<span class="quiet">withheld</span>'),
        (SuppressedCount(value=20, rounded_to=5), '20 <span class="quiet">(to 5)</span>'),
        (SuppressedCount(value=7, rounded_to=1), "7"),
    ],
)
def test_count_says_when_it_was_withheld_or_rounded(count: SuppressedCount, said: str) -> None:
    """A withheld count is never a zero."""
    assert words.count(count) == said


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (25_800_000, "25.8 MB"), (3 * 10**9, "3.0 GB")]
)
def test_size_has_one_to_four_digits(number: int, said: str) -> None:
    """Decimal prefixes, as disks and lines are sold."""
    assert words.size(number) == said


def test_state_cannot_make_markup() -> None:
    """Whatever the word, it stands there as text and its class has letters, digits and hyphens only."""
    assert words.pill('<b "x">') == '<span class="pill pill--b--x--">&lt;b &#34;x&#34;&gt;</span>'
    assert words.score(None) == "-"
    assert words.short("ab" * 32) == f'<code title="{"ab" * 32}">abababababab</code>'
