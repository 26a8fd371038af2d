"""`python -m bench NAME | --all | --page`: runs benchmarks, writes bench/results/NAME.json and docs/benchmarks.md, prints a table."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.catalog import measure as catalog
from bench.convert import measure as convert
from bench.convert_right import measure as convert_right
from bench.deidentify import measure as deidentify
from bench.intake import measure as intake
from bench.learning import measure as learning
from bench.learning_hostile import measure as learning_hostile
from bench.privacy.measure import measure as privacy
from bench.round import measure as round_
from bench.validate import measure as validate

HERE = Path(__file__).parent
REPOSITORY = HERE.parent
RESULTS = HERE / "results"
PAGE = REPOSITORY / "docs" / "benchmarks.md"
BENCHMARKS: dict[str, Callable[[], dict[str, Any]]] = {
    "catalog": catalog,
    "convert": convert,
    "convert-right": convert_right,
    "deidentify": deidentify,
    "intake": intake,
    "learning": learning,
    "learning-hostile": learning_hostile,
    "privacy": privacy,
    "round": round_,
    "validate": validate,
}


def main(arguments: list[str]) -> int:
    """Exit status 0 when all ran (`missed` says what fell short of its target), 2 for an unknown name."""
    names = {("--all",): list(BENCHMARKS), ("--page",): []}.get(tuple(arguments), arguments)
    if not arguments or any(name not in BENCHMARKS for name in names):
        print(f"expected --all, --page or names out of {', '.join(BENCHMARKS)}, found {arguments}", file=sys.stderr)
        return 2
    for name in names:
        run(name)
    PAGE.write_text(page(last_results()))
    return 0


def last_results() -> list[dict[str, Any]]:
    """The last result of every benchmark that has one, by name."""
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]


def run(name: str) -> dict[str, Any]:
    """The result of one benchmark, written and printed."""
    targets = json.loads((HERE / "targets.json").read_text()).get(name, {})
    measured = BENCHMARKS[name]()
    values = {**measured["figures"], **measured["ratios"]}
    document = {
        "name": name,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": _commit(),
        **measured,
        "targets": targets,
        "missed": [key for key, rule in targets.items() if key in values and not _holds(values[key], rule)],
        "not_measured": [key for key in targets if key not in values],
        "load_average": round(os.getloadavg()[0], 2),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    print(table(document))
    return document


def table(document: dict[str, Any]) -> str:
    """What a person reads: every figure with its target."""
    lines = [f"{document['name']} ({document['runs']} runs, load {document['load_average']})"]
    for key, value in {**document["figures"], **document["ratios"]}.items():
        rule = document["targets"].get(key)
        verdict = (
            "" if rule is None else f"  target {rule[0]} {rule[1]}{'  MISSED' if key in document['missed'] else ''}"
        )
        lines.append(f"  {key:36} {value:10.3f}{verdict}")
    for peer, figures in document["peers"].items():
        lines += [f"  {peer + ': ' + key:36} {value:10.3f}" for key, value in figures.items()]
    lines += [f"  {key:36} not measured yet" for key in document["not_measured"]]
    return "\n".join(lines)


def page(results: list[dict[str, Any]]) -> str:
    """docs/benchmarks.md: what each benchmark last gave, with its date and the commit beneath it."""
    blocks = [
        f"## {r['name']}\n\n{r['date']}, on commit `{r['commit'][:12]}`, {r['machine']}; again: `make bench NAME={r['name']}`\n\n"
        f"```\n{table(r)}\n```\n"
        for r in results
    ]
    return (
        "# Benchmarks\n\nThe last result of every benchmark, written by `make bench NAME=...` (`make bench-all` runs each). Every figure of a peer was "
        "measured\nin the same run as ours; `load` is the machine's load average at its end, MISSED what fell short of its target.\n\n"
        + "\n".join(blocks)
    )


def _holds(value: float, rule: list[Any]) -> bool:
    return value >= rule[1] if rule[0] == ">=" else value <= rule[1]


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
