"""The planted corpus at full size: our tool beside its peers, judged alike in one run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from planted.corpus import make_corpus
from planted.judge import Verdict, judge
from planted.plants import Category, Corpus
from planted.tools import PEERS, run_ours, run_peer

SEEDS = (1, 2)
MINIMUM = 2500
OURS = "myofed"
CITED = "RSNA Anonymizer 19.0.10 is cited, not run (its pins exclude ours): 197 of 2,500 in a corpus of 17 files."


def planted_corpus(
    *, seeds: tuple[int, ...] = SEEDS, scale: float = 1.0, peers: bool = True
) -> tuple[list[dict[str, Any]], list[str]]:
    """What each tool made of the corpus of each seed, and where ours fell short; peers run on the first seed only."""
    tried: list[dict[str, Any]] = []
    failed: list[str] = []
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="myofed-planted-") as folder:
            corpus = make_corpus(Path(folder, "corpus"), seed=seed, scale=scale)
            verdicts = _verdicts(corpus, Path(folder), peers=peers and seed == seeds[0])
        tried += [{"seed": seed, "tool": tool, **document} for tool, (_, document) in verdicts.items()]
        failed += [
            f"seed {seed}: {shortfall}" for shortfall in shortfalls(verdicts[OURS][0], at_least=round(MINIMUM * scale))
        ]
        print(table({tool: verdict for tool, (verdict, _) in verdicts.items()}, title=f"Planted corpus, seed {seed}"))
    print(CITED)
    return tried, failed


def shortfalls(verdict: Verdict, *, at_least: int) -> list[str]:
    """What our tool must not show on any corpus, and what a corpus must hold to say anything."""
    missing = [f"nothing planted: {category}" for category in Category if not verdict.planted[category]]
    if (planted := sum(verdict.planted.values())) < at_least:
        missing.append(f"{planted} planted values, fewer than {at_least}")
    return verdict.shortfalls() + missing


def _verdicts(corpus: Corpus, folder: Path, *, peers: bool) -> dict[str, tuple[Verdict, dict[str, Any]]]:
    runs: dict[str, Callable[[Path], dict[str, int] | None]] = {OURS: lambda out: run_ours(corpus.folder, out)}
    if peers:
        for peer in PEERS:
            runs[peer.title()] = lambda out, peer=peer: run_peer(peer, corpus.folder, out)
    found = {}
    for number, (tool, run) in enumerate(runs.items()):
        begin = time.monotonic()
        crashed = run(folder / f"out-{number}") or {}
        seconds = time.monotonic() - begin
        verdict = judge(corpus, folder / f"out-{number}")
        found[tool] = (
            verdict,
            {**document(verdict), "seconds": round(seconds, 1), "files": len(corpus.files), "crashed": crashed},
        )
    return found


def document(verdict: Verdict) -> dict[str, Any]:
    """The figures of a verdict, without any planted value."""
    return {
        "planted": sum(verdict.planted.values()),
        "leaked": len(verdict.leaked),
        "leaked_by_category": {category.value: number for category, number in sorted(verdict.leaks().items())},
        **_measures(verdict),
    }


def _measures(verdict: Verdict) -> dict[str, str]:
    released = verdict.clean_planted - len(verdict.clean_withheld)
    return {
        "Type 1 lost": f"{len(verdict.type_1_lost)}",
        "Type 2 lost": f"{len(verdict.type_2_lost)} (of {verdict.types_compared} of Type 1 and 2)",
        "geometry and qMRI values changed": f"{len(verdict.values_changed)} of {verdict.values_compared}",
        "references broken": f"{len(verdict.broken_references)} of {verdict.references_compared}",
        "UIDs inconsistent or invalid": f"{len(verdict.uids_inconsistent)}",
        "safe private values kept": f"{verdict.safe_planted - len(verdict.safe_lost)} of {verdict.safe_planted}",
        "intervals between studies kept": f"{verdict.intervals_kept} of {verdict.intervals_planted}",
        "clean images released": f"{released} of {verdict.clean_planted} ({released / verdict.clean_planted:.0%})",
        "unfit files released": f"{len(verdict.unfit_released)}",
    }


def table(verdicts: dict[str, Verdict], *, title: str) -> str:
    """A row a measure, a column a tool (Markdown)."""
    planted = next(iter(verdicts.values())).planted
    rows = [["", *verdicts], ["---"] * (len(verdicts) + 1)]
    rows.append(
        [f"leaked of {sum(planted.values())}", *(f"**{len(verdict.leaked)}**" for verdict in verdicts.values())]
    )
    for category, number in planted.items():
        rows.append(
            [f"&nbsp;{category.value} ({number})", *(str(verdict.leaks()[category]) for verdict in verdicts.values())]
        )
    measures = {tool: _measures(verdict) for tool, verdict in verdicts.items()}
    rows += [[name, *(measures[tool][name] for tool in verdicts)] for name in next(iter(measures.values()))]
    return f"\n{title}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
