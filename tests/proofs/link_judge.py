"""What a run over a bad line must show: the same weights as over a clean one, whole records, and that the fault was there."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from myofed_coordinator.runs.folder import RunFolder, read_events
from myofed_node.federation.ledger import read_ledger
from myofed_schemas.ledger import EgressEntry
from proofs.federation_judge import digest_of, faults_of_the_end
from proofs.federation_plant import PROGRAM, wall
from proofs.link_watch import CUT_FROM, CUT_UNTIL, Cut, Seen

PROGRESS_WITHIN_S = 60
LOSS_NEAR = (0.5, 2.0)
"""The share of lost packets lies between so many times the wanted one."""
RATE_NEAR = (0.5, 1.1)
"""The peak rate lies between so many times the line's: it was the bottleneck, and was kept."""
FASTER_CLEAN = 2.0
"""Without a limit the line carries at least so many times what it carries with one."""
WENT_WELL = (200, 206)
ASKED_AGAIN = "SITE_ASKED_AGAIN"
ENGINE_BYTES = 100_000
"""Flower's own messages stay below this: the weights went by reference."""


def faults_of(it: wall.Federation, seen: Seen, *, sites: tuple[str, ...], rounds: int) -> list[str]:
    """What must not have happened on the way, in words.

    Args:
        it: The federation.
        seen: The run.
        sites: All of the study, each of which takes part in every round.
        rounds: So many.
    """
    faults = faults_of_the_end(seen.run.status(), rounds=rounds, sites=sites)
    largest = max(e.in_bytes + e.out_bytes for e in _entries(it, seen.site) if e.kind == "engine")
    if largest > ENGINE_BYTES:
        faults.append(f"an engine call of {largest} bytes: the weights did not go by reference")
    return faults + faults_of_the_fault(seen)


def faults_of_the_model(run: RunFolder, clean: RunFolder, *, rounds: int) -> list[str]:
    """Weights that are not those of the run over lines without a fault, to the bit."""
    pairs = [(f"the weights of round {n}", run.weights(n), clean.weights(n)) for n in range(1, rounds + 1)]
    faults = [f"{name} are others than over a clean line" for name, a, b in pairs if digest_of(a) != digest_of(b)]
    model = run.status().model_sha256
    if model is None or model != clean.status().model_sha256:
        faults.append("the model is another than over a clean line")
    return faults


def faults_of_the_records(it: wall.Federation) -> list[str]:
    """Chains and ledgers that do not hold, on either side."""
    ways = [("myofed_coordinator", "--home", it.home.root)]
    ways += [("myofed_node", "--site", node.site.folder.root) for node in it.nodes.values()]
    faults = []
    for module, option, root in ways:
        argv = [sys.executable, "-c", PROGRAM.format(module=module), "audit", "verify", option, str(root)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            faults.append(f"{root.name}: audit verify ended with {done.returncode}: {done.stderr[-200:]}")
    return faults


def faults_of_the_fault(seen: Seen) -> list[str]:
    """Signs that the line did not have the fault it should have had."""
    faults, fault = [], seen.fault
    ways = ("from the coordinator", "to the coordinator")
    for way, peak, lost in zip(ways, seen.peak_mbit, seen.lost, strict=True):
        low, high = (factor * (fault.mbit or 0) for factor in RATE_NEAR)
        if fault.mbit and peak > high:
            faults.append(f"{peak:.1f} Mbit/s {way}, on a line of {fault.mbit}")
        if fault.mbit and not fault.loss and peak < low:
            faults.append(f"{peak:.1f} Mbit/s {way} at most: the line of {fault.mbit} was not what was slow")
        low, high = (factor * fault.loss for factor in LOSS_NEAR)
        if not low <= lost <= high:
            faults.append(f"{100 * lost:.2f} % of the packets {way} were lost, expected {100 * fault.loss:.2f} %")
    if seen.handshake_s < 2 * fault.delay_s:
        faults.append(f"a handshake took {seen.handshake_s:.3f} s with {fault.delay_s} s each way")
    if fault.cut_s and [cut.way for cut in seen.cuts] != ["download", "upload"]:
        faults.append("the line was not cut once each way")
    return faults + [
        f"cut in the {cut.way}: {text}" for cut in seen.cuts for text in _faults_of_a_cut(cut, fault.cut_s)
    ]


def _faults_of_a_cut(cut: Cut, seconds: float) -> list[str]:
    faults = []
    if not CUT_FROM <= cut.moved / cut.size <= CUT_UNTIL:
        faults.append(f"{cut.moved} of {cut.size} bytes had passed: it did not fall in mid-transfer")
    if cut.passed:
        faults.append(f"{cut.passed} bytes passed meanwhile")
    if cut.seconds < seconds:
        faults.append(f"it lasted {cut.seconds:.1f} s, not {seconds} s")
    if cut.progress_s > PROGRESS_WITHIN_S:
        faults.append(f"{cut.progress_s:.1f} s from healing to progress")
    return faults


def measured(it: wall.Federation, seen: Seen, *, size: int) -> dict[str, Any]:
    """The figures of a run: times, bytes on the line, pieces, and how often one was tried again.

    Args:
        it: The federation.
        seen: The run.
        size: Bytes of the weights.
    """
    status = seen.run.status()
    pieces = [e for e in _entries(it, seen.site) if e.path.startswith(f"/site/weights/{seen.run.run_id}/")]
    fetched = [e for e in pieces if e.method == "GET" and not e.path.endswith("/offset")]
    sent = [e for e in pieces if e.method == "PUT"]
    return {
        "state": status.state,
        "weights_bytes": size,
        "run_s": round(seen.seconds, 1),
        "rounds_s": [round(report.seconds, 1) for report in status.rounds],
        "sites_of_each_round": [list(report.sites) for report in status.rounds],
        "handshake_s": round(seen.handshake_s, 3),
        "mb_from_and_to_coordinator": _rounded(1e-6, seen.passed),
        "peak_mbit_from_and_to_coordinator": _rounded(1.0, seen.peak_mbit),
        "lost_percent_from_and_to_coordinator": _rounded(100.0, seen.lost, digits=2),
        "weights_fetched": round(sum(e.in_bytes for e in fetched if e.status in WENT_WELL) / size, 2),
        "weights_sent": round(sum(e.out_bytes for e in sent) / size, 2),
        "pieces_fetched_and_sent": [len(fetched), len(sent)],
        "answers": {str(code): n for code, n in sorted(Counter(e.status for e in pieces).items())},
        "asked_for_offset": sum(e.path.endswith("/offset") for e in pieces),
        "site_asked_again": [e.code for e in read_events(seen.run) if e.event == ASKED_AGAIN],
        "cuts": [
            {
                "way": cut.way,
                "passed_before_percent": round(100 * cut.moved / cut.size, 1),
                "cut_s": round(cut.seconds, 1),
                "bytes_meanwhile": cut.passed,
                "healing_to_progress_s": round(cut.progress_s, 1),
            }
            for cut in seen.cuts
        ],
        "model_sha256": status.model_sha256,
    }


def _rounded(factor: float, values: tuple[float, float], *, digits: int = 1) -> list[float]:
    return [round(factor * value, digits) for value in values]


def _entries(it: wall.Federation, site: str) -> list[EgressEntry]:
    path: Path = it.nodes[site].site.folder.ledger
    return list(read_ledger(path))
