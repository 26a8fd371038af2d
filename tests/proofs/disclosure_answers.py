"""Usefulness beside privacy: what share of true counts >= k a cube answers, and how far the told numbers are off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from proofs.disclosure_try import Tried

BANDS = ((5, 10), (11, 20), (21, 40), (41, 80), (81, 200))
BEGIN, END = "<!-- answered: written by `make prove NAME=disclosure` -->", "<!-- end of answered -->"


def answers(tried: Sequence[Tried]) -> list[dict[str, Any]]:
    """By size of the cohort and number of conditions.

    Returns:
        For each: cohorts, true counts of at least k (`large`), those of them that are told, and the median of the told
        ones' distance from the truth in per cent of it; None where none was told.
    """
    found = []
    for low, high in BANDS:
        group = [each for each in tried if low <= each.subjects <= high]
        for conditions in (1, 2, 3):
            pairs = [pair for each in group for pair in each.told.get(conditions, {}).items()]
            large = sum(times for _, times in pairs)
            off = [error for pair, times in pairs if (error := _off(pair)) is not None for _ in range(times)]
            found.append(
                {
                    "subjects": f"{low}-{high}",
                    "cohorts": len(group),
                    "conditions": conditions,
                    "large": large,
                    "told": len(off),
                    "median_error_percent": round(median(off), 1) if off else None,
                }
            )
    return found


def _off(pair: str) -> float | None:
    true, told = pair.split(">")
    return 100 * abs(int(told) - int(true)) / int(true) if told else None


def table(document: Mapping[str, Any] | None) -> str:
    """The table for docs/disclosure.md, of the last run at full size."""
    if document is None:
        return "The full proof has not been run yet."
    rows: dict[str, list[str]] = {}
    for each in document["tried"][0]["answered"]:
        row = rows.setdefault(each["subjects"], [each["subjects"].replace("-", " to "), f"{each['cohorts']:,}"])
        row.append(_said(each))
    return "\n".join(
        [
            "| subjects of a site | cohorts | 1 condition | 2 conditions | 3 conditions |",
            "|---|---|---|---|---|",
            *(f"| {' | '.join(row)} |" for row in rows.values()),
        ]
    )


def _said(each: Mapping[str, Any]) -> str:
    if not each["large"]:
        return "no such count"
    share = f"{100 * each['told'] / each['large']:.1f} % of {each['large']:,}"
    off = each["median_error_percent"]
    return share if off is None else f"{share}, off by {off:g} %"


def with_table(page: str, document: Mapping[str, Any] | None) -> str:
    """The page with the table of this run between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(document)}\n{END}{after}"
