"""`python -m proofs [NAME ...]`: runs long proofs and writes proofs/NAME.json with date, commit and outcome."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proofs.burned_in import burned_in
from proofs.convert_kills import killed_conversions
from proofs.demo import run_demo, shortfalls_of_learning, shortfalls_of_safety
from proofs.federation_kills import killed_federation
from proofs.federation_links import links
from proofs.kills import killed_batches
from proofs.mutated import mutated_files
from proofs.mutated_datasets import mutated_datasets
from proofs.planted import planted_corpus

REPOSITORY = Path(__file__).parents[2]
SEEDS = (1, 2, 3)


def demo_seeds() -> tuple[list[dict[str, Any]], list[str]]:
    """The whole demonstration for three seeds."""
    return _demos([["--seed", str(seed)] for seed in SEEDS], offline=False)


def demo_offline() -> tuple[list[dict[str, Any]], list[str]]:
    """The whole demonstration where no network but loopback exists."""
    return _demos([["--seed", "1"]], offline=True)


def _demos(runs: list[list[str]], *, offline: bool) -> tuple[list[dict[str, Any]], list[str]]:
    tried, failed = [], []
    for arguments in runs:
        with tempfile.TemporaryDirectory(prefix="myofed-proof-") as folder:
            document = run_demo(arguments, workdir=Path(folder), offline=offline)
        kept = ("seed", "duration_s", "peak_memory_mb", "dice", "sites", "egress", "planted_leak_found", "rounds")
        tried.append({key: document[key] for key in kept})
        name = " ".join(arguments)
        failed += [f"{name}: {m}" for m in shortfalls_of_safety(document) + shortfalls_of_learning(document)]
        print(f"{name}: {document['duration_s']} s, federated {document['dice']['federated']['mean']:.3f}")
    return tried, failed


PROOFS: dict[str, Callable[[], tuple[list[dict[str, Any]], list[str]]]] = {
    "demo-seeds": demo_seeds,
    "demo-offline": demo_offline,
    "deid-planted": planted_corpus,
    "deid-mutated": mutated_files,
    "deid-kills": killed_batches,
    "deid-burned-in": burned_in,
    "convert-kills": killed_conversions,
    "validate-mutated": mutated_datasets,
    "federation-kills": killed_federation,
    "federation-links": links,
}


def main(names: list[str]) -> int:
    """Exit status 1 when a proof failed, 2 for an unknown name."""
    if unknown := [name for name in names if name not in PROOFS]:
        print(f"unknown proof {unknown[0]}; there are {', '.join(PROOFS)}", file=sys.stderr)
        return 2
    all_failed = []
    for name in names or list(PROOFS):
        tried, failed = PROOFS[name]()
        _write(name, tried, failed)
        all_failed += failed
        print(f"{name}: {len(tried)} tried, {len(failed)} failed", *failed, sep="\n  ")
    return 1 if all_failed else 0


def _write(name: str, tried: list[dict[str, Any]], failed: list[str]) -> None:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    document = {
        "name": name,
        "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "commit": commit.stdout.strip(),
        "tried": tried,
        "failed": failed,
    }
    folder = REPOSITORY / "proofs"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
