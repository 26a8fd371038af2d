"""`python -m bench NAME | --all`: runs benchmarks, writes bench/results/NAME.json, prints a table."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.convert import measure as convert
from bench.convert_right import measure as convert_right
from bench.deidentify import measure as deidentify
from bench.learning import measure as learning
from bench.learning_hostile import measure as learning_hostile
from bench.privacy.measure import measure as privacy
from bench.round import measure as round_
from bench.validate import measure as validate

HERE = Path(__file__).parent
REPOSITORY = HERE.parent
BENCHMARKS: dict[str, Callable[[], dict[str, Any]]] = {
    "convert": convert,
    "convert-right": convert_right,
    "deidentify": deidentify,
    "learning": learning,
    "learning-hostile": learning_hostile,
    "privacy": privacy,
    "round": round_,
    "validate": validate,
}


def main(arguments: list[str]) -> int:
    """Exit status 0 when all ran (`missed` says what fell short of its target), 2 for an unknown name."""
    names = list(BENCHMARKS) if arguments == ["--all"] else arguments
    if not names or any(name not in BENCHMARKS for name in names):
        print(f"expected --all or names out of {', '.join(BENCHMARKS)}, found {arguments}", file=sys.stderr)
        return 2
    results = [run(name) for name in names]
    if arguments == ["--all"]:
        (REPOSITORY / "docs" / "benchmarks.md").write_text(page(results))
    return 0


def run(name: str) -> dict[str, Any]:
    """The result of one benchmark, written and printed."""
    targets = json.loads((HERE / "targets.json").read_text()).get(name, {})
    measured = BENCHMARKS[name]()
    values = {**measured["figures"], **measured["ratios"]}
    document = {
        "name": name,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "commit": _commit(),
        **measured,
        "targets": targets,
        "missed": [key for key, rule in targets.items() if key in values and not _holds(values[key], rule)],
        "not_measured": [key for key in targets if key not in values],
        "load_average": round(os.getloadavg()[0], 2),
    }
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
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
    """docs/benchmarks.md."""
    blocks = [
        f"## {r['name']}\n\ncommit `{r['commit'][:12]}`, {r['machine']}\n\n```\n{table(r)}\n```\n" for r in results
    ]
    return (
        "# Benchmarks\n\nMade by `make bench-all`; every figure stands beside a peer measured in the same run.\n\n"
        + "\n".join(blocks)
    )


def _holds(value: float, rule: list[Any]) -> bool:
    return value >= rule[1] if rule[0] == ">=" else value <= rule[1]


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
