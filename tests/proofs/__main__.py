"""`python -m proofs [--page | NAME ...]`: runs long proofs and writes proofs/NAME.json with date, commit and outcome, docs/proofs.md and the table of docs/disclosure.md."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from postgres_cluster import new_database, some_server

from proofs.api import whole_api
from proofs.audit import tampered_chains
from proofs.burned_in import burned_in
from proofs.consortium import consortium_walks
from proofs.convert_kills import killed_conversions
from proofs.coordinator_kills import killed_coordinators
from proofs.demo import run_demo, shortfalls_of_learning, shortfalls_of_safety
from proofs.disclosure import disclosure
from proofs.disclosure_answers import with_table
from proofs.federation_kills import killed_federation
from proofs.federation_links import links
from proofs.intake_kills import killed_intakes
from proofs.kills import killed_batches
from proofs.mutated import mutated_files
from proofs.mutated_datasets import mutated_datasets
from proofs.pages import pages
from proofs.planted import planted_corpus
from proofs.site_kills import killed_sites

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "proofs.md"
DISCLOSURE_PAGE = REPOSITORY / "docs" / "disclosure.md"
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


def coordinator_kills() -> tuple[list[dict[str, Any]], list[str]]:
    """On SQLite and on PostgreSQL, in turn; without a PostgreSQL it fails, for half of it would not be shown."""
    with some_server() as server, new_database(server) as url:
        return killed_coordinators(postgres_url=url, serve_every=2)


PROOFS: dict[str, Callable[[], tuple[list[dict[str, Any]], list[str]]]] = {
    "demo-seeds": demo_seeds,
    "demo-offline": demo_offline,
    "audit": tampered_chains,
    "coordinator-kills": coordinator_kills,
    "deid-planted": planted_corpus,
    "deid-mutated": mutated_files,
    "deid-kills": killed_batches,
    "deid-burned-in": burned_in,
    "convert-kills": killed_conversions,
    "site-kills": killed_sites,
    "intake-kills": killed_intakes,
    "validate-mutated": mutated_datasets,
    "disclosure": disclosure,
    "federation-kills": killed_federation,
    "federation-links": links,
    "api": whole_api,
    "pages": pages,
    "consortium": consortium_walks,
}


WHAT = {
    "demo-seeds": "the whole demonstration, three seeds: learning, leaks, ledger",
    "demo-offline": "the same where no network but loopback exists",
    "audit": "every bit, deletion, swap and cut of a chain of 1,000 entries; 10,000 bits of one of a million",
    "coordinator-kills": "a coordinator killed at 100 random moments, on SQLite and PostgreSQL; it serves again in 10 s",
    "deid-planted": "10,000 made-up identifiers in every place of DICOM; other tools beside ours",
    "deid-mutated": "100,000 damaged DICOM files: no crash, nothing released that is not proven clean",
    "deid-kills": "a batch killed at 100 random moments and run again",
    "deid-burned-in": "drawn text of many fonts and inks, and images without text",
    "convert-kills": "a conversion killed at 100 random moments and run again",
    "site-kills": "imports of facts, publications and withdrawals killed at 100 random moments and done again",
    "intake-kills": "the DICOM port killed 20 times while eight senders send 2,000 instances: all arrive, each exactly once",
    "validate-mutated": "damaged data sets: the validator answers, never crashes",
    "federation-kills": "50 kills over every process of a 20-round run: the weights of an undisturbed run to the bit",
    "federation-links": "25 MB over bad lines between hospital and coordinator",
    "api": "every path of the people's port against its OpenAPI document, three seeds, with the edges of every schema",
    "disclosure": "1,000 random cohorts, two versions each: an attacker with an integer programme recovers no cell below k; what is answered",
    "pages": "every page as every role, in light, dark and at 320 px, on SQLite and PostgreSQL: axe-core, console, width, keyboard",
    "consortium": "two nodes enrol, publish, are counted, decide, one is revoked: by page and by command, on SQLite and PostgreSQL",
}
"""One line for each proof, for docs/proofs.md."""


def main(names: list[str]) -> int:
    """Exit status 1 when a proof failed, 2 for an unknown name; `--page` runs none and writes the pages alone."""
    if names == ["--page"]:
        _write_pages()
        return 0
    if unknown := [name for name in names if name not in PROOFS]:
        print(f"unknown proof {unknown[0]}; there are {', '.join(PROOFS)}", file=sys.stderr)
        return 2
    all_failed = []
    for name in names or list(PROOFS):
        tried, failed = PROOFS[name]()
        failed = failed if tried else [*failed, "nothing was tried"]
        _write(name, tried, failed)
        _write_pages()
        all_failed += failed
        print(f"{name}: {len(tried)} tried, {len(failed)} failed", *failed, sep="\n  ")
    return 1 if all_failed else 0


def last_outcomes() -> dict[str, dict[str, Any]]:
    """Name of each proof that was run at full size -> its document."""
    paths = {name: REPOSITORY / "proofs" / f"{name}.json" for name in PROOFS}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def page(outcomes: Mapping[str, dict[str, Any]]) -> str:
    """docs/proofs.md: every proof with the day it last ran at full size, the commit, and how it ended."""
    rows = []
    for name in PROOFS:
        last = "never at full size | | |"
        if name in outcomes:
            found = outcomes[name]
            ended = f"{len(found['failed'])} failed" if found["failed"] else "held"
            last = f"{found['date'][:10]} | `{found['commit'][:12]}` | [{ended}](../proofs/{name}.json) |"
        rows.append(f"| `{name}` | {WHAT[name]} | {last}")
    return (
        "# Proofs\n\nWhat takes too long for every change: `make prove NAME=...` runs it at full size and writes `proofs/NAME.json` and this page; "
        "`make test`\nruns a seeded hundredth of each. A proof says what held on that day and that commit, no more.\n\n"
        "| proof | what it tries | last run | commit | outcome |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def _write_pages() -> None:
    outcomes = last_outcomes()
    PAGE.write_text(page(outcomes))
    DISCLOSURE_PAGE.write_text(with_table(DISCLOSURE_PAGE.read_text(), outcomes.get("disclosure")))


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
