"""What a run of the benchmark says: a JSON document and a table; counts, codes and tags, never a value of the data."""

from __future__ import annotations

import math
from typing import Any

from bench.midi_b.checks import Verdict
from bench.midi_b.score import Counts, Score

FORMAT = "myofed-midi-b-1"
PUBLISHED = {
    "best_percent": 99.93,
    "lowest_percent": 97.91,
    "source": "Medical Image De-Identification Benchmark Challenge, arXiv 2507.23608 (test set, ten teams)",
}
RULES = {
    "released": "passed / required in released instances",
    "strict": "passed / required in the whole key; withheld and absent instances fail everything",
    "as_published": "as the published script: a missing instance fails what had to be kept, passes what had to go",
}
SHOWN = 12


def percent(share: float | None) -> float | None:
    """The share in percent, cut (not rounded) to two decimals: 100 means all."""
    return None if share is None else math.floor(share * 10_000 + 1e-9) / 100


def document(score: Score, *, run: dict[str, Any]) -> dict[str, Any]:
    """The result as JSON values.

    Args:
        score: Counts of the whole key.
        run: Facts of the run: digests, versions, counts of files.
    """
    shares = {"released": score.released(), "strict": score.strict(), "as_published": score.as_published()}
    return {
        "format": FORMAT,
        **run,
        "scores_percent": {name: percent(share) for name, share in shares.items()},
        "rules": RULES,
        "published": PUBLISHED,
        "required": _counts(score.total),
        "actions": _tables(score.actions),
        "categories": _tables(score.categories),
        "modalities": {
            name: {
                "instances": {
                    "released": counts[Verdict.PASSED],
                    "withheld": counts[Verdict.WITHHELD],
                    "absent": counts[Verdict.ABSENT],
                },
                "withheld_by_code": dict(sorted(score.withheld_codes.get(name, {}).items())),
                "required": _counts(score.modalities.get(name, Counts())),
            }
            for name, counts in sorted(score.instances.items())
        },
        "refused_modalities": sorted(
            name for name, counts in score.instances.items() if counts[Verdict.WITHHELD] and not counts[Verdict.PASSED]
        ),
        "dates_by_keyed_shift": {"looked_at": score.shift.looked_at, "kept_interval": score.shift.kept_interval},
        "not_passed": [
            dict(zip(("action", "attribute", "category", "verdict", "count"), (*what, count), strict=True))
            for what, count in sorted(score.not_passed.items(), key=lambda pair: (-pair[1], pair[0]))
        ],
    }


def _tables(counted: dict[str, Counts]) -> dict[str, dict[str, int]]:
    return {name: _counts(counts) for name, counts in sorted(counted.items())}


def _counts(counts: Counts) -> dict[str, int]:
    return {"required": counts.total(), **{verdict.value: counts[verdict] for verdict in Verdict}}


def table(document: dict[str, Any]) -> str:
    """What a person reads."""
    columns = ("required", *(verdict.value for verdict in Verdict))
    lines = [f"{'':36}" + "".join(f"{column:>10}" for column in columns)]
    for title in ("actions", "categories"):
        lines.append(title)
        for name, counts in document[title].items():
            lines.append(f"  {name:34}" + "".join(f"{counts[column]:10d}" for column in columns))
    lines += ["", "instances by modality"]
    for name, found in document["modalities"].items():
        states = ", ".join(f"{count} {state}" for state, count in found["instances"].items() if count)
        codes = ", ".join(f"{code} {count}" for code, count in found["withheld_by_code"].items())
        lines.append(f"  {name:8} {states}" + (f" ({codes})" if codes else ""))
    lines.append(f"refused modalities: {', '.join(document['refused_modalities']) or 'none'}")
    shift = document["dates_by_keyed_shift"]
    lines += [f"dates moved by their patient's own shift: {shift['kept_interval']} of {shift['looked_at']}", ""]
    for name, value in document["scores_percent"].items():
        lines.append(f"score, {name:14} {'none' if value is None else f'{value:.2f} %':>9}   {RULES[name]}")
    best = document["published"]
    lines.append(f"best published        {best['best_percent']:.2f} %   {best['source']}")
    return "\n".join(lines + _worst(document["not_passed"]))


def _worst(not_passed: list[dict[str, Any]]) -> list[str]:
    if not not_passed:
        return []
    lines = [
        f"  {one['count']:6d}  {one['action']:16} {one['attribute']:24} {one['category']} ({one['verdict']})"
        for one in not_passed[:SHOWN]
    ]
    return ["", f"not passed in released instances ({len(not_passed)} kinds)", *lines]
