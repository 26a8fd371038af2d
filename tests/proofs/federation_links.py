"""A federation whose weights go by reference over a line that is slow, loses packets, is cut, or takes long."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from myofed_coordinator.runs.folder import RunFolder
from proofs.link_judge import faults_of, faults_of_the_model, faults_of_the_records, measured
from proofs.link_plant import approved_study, plant, unet
from proofs.link_watch import follow
from proofs.links import Fault, why_no_links

SITES = ("site-a", "site-b", "site-c")
SPOILED = "site-b"
"""The line of this site has the fault; the others' have none."""
ROUNDS = 2
CHANNELS = (50, 100, 200, 400, 800)
"""A U-Net of 25.8 MB in float32."""
CASES = {
    "clean": Fault(),
    "10 Mbit/s": Fault(mbit=10),
    "2 % loss": Fault(loss=0.02),
    "60 s cut in the download and in the upload, 20 Mbit/s": Fault(mbit=20, cut_s=60),
    "200 ms each way": Fault(delay_s=0.2),
    "10 Mbit/s, 2 % loss, 200 ms each way": Fault(mbit=10, loss=0.02, delay_s=0.2),
}


def links() -> tuple[list[dict[str, Any]], list[str]]:
    """What each fault cost, and what must not have happened."""
    if refused := why_no_links():
        return [], [f"nothing could be tried, this host refuses what the lines need: {refused}"]
    return spoiled_links(CASES)


def spoiled_links(cases: Mapping[str, Fault]) -> tuple[list[dict[str, Any]], list[str]]:
    """The same study once for each fault, the first of which is none; only the line of one site has it.

    Raises:
        NoLinksError: The host refuses a line or a fault.
    """
    tried: list[dict[str, Any]] = []
    failed: list[str] = []
    clean: RunFolder | None = None
    architecture, weights = unet(CHANNELS)
    with tempfile.TemporaryDirectory(prefix="myofed-links-") as folder, plant(Path(folder), SITES) as made:
        for number, (name, fault) in enumerate(cases.items()):
            study = f"links-{number}"
            approved_study(made, study, weights=weights, rounds=ROUNDS, architecture=architecture)
            seen = follow(made.it, made.lines[SPOILED], fault, study=study, site=SPOILED, size=len(weights))
            clean = clean or seen.run
            tried.append({"case": name, **measured(made.it, seen, size=len(weights))})
            faults = faults_of(made.it, seen, sites=SITES, rounds=ROUNDS)
            faults += faults_of_the_model(seen.run, clean, rounds=ROUNDS) + faults_of_the_records(made.it)
            failed += [f"{name}: {text}" for text in faults]
            print(f"{time.strftime('%H:%M:%S')} {tried[-1]} {faults}", file=sys.stderr, flush=True)
    return tried, failed
