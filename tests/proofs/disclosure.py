"""The proof of disclosure control: an independent attack on the cubes of random cohorts, and what they still answer."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any

from proofs.disclosure_answers import answers
from proofs.disclosure_kept import Kept
from proofs.disclosure_try import Attacked, Tried, try_cohort

COHORTS = 1000
THIRD = 5
"""In every so-manieth cohort three versions are attacked, too: reported, for nothing is promised of them."""
PROCESSES = int(os.environ.get("MYOFED_PROOF_PROCESSES", "2"))
PARTS = Path(__file__).parents[2] / "proofs" / "disclosure-parts"
SHOWN = 20


def disclosure(seeds: Sequence[int] = range(COHORTS), *, parts: Path = PARTS) -> tuple[list[dict[str, Any]], list[str]]:
    """The attack on all cohorts; a cell that was recovered, or could not be decided, is a failure.

    Every cohort's result is kept; a proof that was killed goes on where it was, as long as the code is the same.
    """
    kept = Kept(parts)
    found = {each.seed: each for each in kept.read() if each.seed in seeds}
    before = len(found)
    if before:
        print(f"{before} cohorts were tried in {kept.sittings} sittings before", flush=True)
    for each in _tries([seed for seed in seeds if seed not in found]):
        kept.add(each)
        found[each.seed] = each
        if len(found) % max(1, len(seeds) // 20) == 0:
            print(
                f"{len(found)} cohorts, {sum(len(t.two.findings) for t in found.values())} cells recovered", flush=True
            )
    tried = [found[seed] for seed in sorted(found)]
    failed = [f"cohort {t.seed}: {finding}" for t in tried for finding in t.two.findings]
    sittings = {"sittings": kept.sittings, "from_earlier_sittings": before, "code": kept.digest}
    return [_summary(tried) | sittings], failed


def _tries(seeds: Sequence[int]) -> Iterator[Tried]:
    with ProcessPoolExecutor(PROCESSES, initializer=partial(_end_with, os.getpid())) as pool:
        for done in as_completed([pool.submit(try_cohort, seed, third=seed % THIRD == 0) for seed in seeds]):
            yield done.result()


def _end_with(parent: int) -> None:
    """A worker whose proof was killed ends, too."""

    def watch() -> None:
        while os.getppid() == parent:
            sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _summary(tried: Sequence[Tried]) -> dict[str, Any]:
    three = [(t.seed, t.three) for t in tried if t.three is not None]
    return {
        "cohorts": len(tried),
        **_attacked([t.two for t in tried]),
        "protect_s": round(sum(t.protect_s for t in tried), 1),
        "slowest_protect_s": max((t.protect_s for t in tried), default=0.0),
        "three_versions": {
            "cohorts": len(three),
            "cohorts_with_findings": sum(bool(each.findings) for _, each in three),
            **_attacked([each for _, each in three]),
            "some": [f"cohort {seed}: {finding}" for seed, each in three for finding in each.findings][:SHOWN],
        },
        "answered": answers(tried),
    }


def _attacked(attacks: Sequence[Attacked]) -> dict[str, Any]:
    findings = [finding for each in attacks for finding in each.findings]
    return {
        "cells_asked": sum(each.cells for each in attacks),
        "cells_recovered": sum(finding.decided for finding in findings),
        "cells_undecided": sum(not finding.decided for finding in findings),
        "programmes_solved": sum(each.solved for each in attacks),
        "attack_s": round(sum(each.seconds for each in attacks), 1),
    }
