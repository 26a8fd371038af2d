"""Disclosure control, at the hospital: what is too small to be told is withheld, what is told is rounded.

Rules as in the Five Safes practice for aggregate tables (UK ONS/NHS Digital: suppress below a threshold, round to a
base, suppress a part whose complement would give a small count away).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from myofed_schemas.catalog import DisclosurePolicy, SuppressedCount

Category = TypeVar("Category", bound=Hashable)


def protect_count(count: int, *, policy: DisclosurePolicy) -> SuppressedCount:
    """The count as it may leave: withheld below k (zero included), else rounded and never below k.

    Args:
        count: The exact count, which stays.
        policy: The site's k and rounding.

    Raises:
        ValueError: The count is negative.
    """
    if count < 0:
        msg = "a count is never negative"
        raise ValueError(msg)
    if count < policy.k:
        return SuppressedCount(value=None, rounded_to=policy.round_to)
    return SuppressedCount(value=_round(count, policy=policy), rounded_to=policy.round_to)


def protect_part(part: int, *, whole: int, policy: DisclosurePolicy) -> SuppressedCount:
    """A part of a whole that is told as well: withheld also where whole minus part would be a small count.

    Args:
        part: Exact count of the part.
        whole: Exact count of the whole.
        policy: The site's k and rounding.

    Raises:
        ValueError: The part is larger than the whole.
    """
    if part > whole:
        msg = "a part is never larger than the whole"
        raise ValueError(msg)
    if 0 < whole - part < policy.k:
        return SuppressedCount(value=None, rounded_to=policy.round_to)
    return protect_count(part, policy=policy)


def common_categories(counts: Mapping[Category, int], *, policy: DisclosurePolicy) -> frozenset[Category]:
    """The categories that at least k subjects share; a rarer one would point at few people and is left out."""
    return frozenset(category for category, subjects in counts.items() if subjects >= policy.k)


def _round(count: int, *, policy: DisclosurePolicy) -> int:
    nearest = (count + policy.round_to // 2) // policy.round_to * policy.round_to
    lowest = -(-policy.k // policy.round_to) * policy.round_to
    return max(nearest, lowest)
