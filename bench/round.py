"""Rounds of three sites behind sites' port and egress, beside stock Flower 1.41.0 and NVFlare 2.9.0, all processes counted.

Three kinds of round, the same work for all: nothing on a U-Net of 150 kB (`empty`), some steps of it (`unet`), nothing on a
model of 100 MB (`model100mb`, which moves by reference here). Wall is from the end of a round to the end of the next (the
first warms up), CPU is that of all processes of a system a round. Beside it the round loop's memory with 3 and 10 sites,
and what the others lose when one site is killed in the middle of a round.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import round_nvflare, round_ours, round_stock
from bench.round_watch import Rounds

REPOSITORY = Path(__file__).parents[1]
ROUNDS = int(os.environ.get("MYOFED_BENCH_ROUNDS", "6"))
"""With the first. MYOFED_BENCH_ROUNDS asks for fewer where a look is enough."""
STEPS = 20
KINDS = {"empty": 0, "unet": STEPS, "model100mb": 0}
"""Name -> steps."""
MODEL_MB = 100.0
Measured = dict[str, Rounds]


def look(kind: str, only: Sequence[str]) -> dict[str, Any]:
    """One kind of round and nothing else: `python -m bench.round model100mb [ours] [stock] [nvflare]`, of all where none is named."""
    systems = {"ours": _ours_alone, "stock": _stock, "nvflare": _nvflare}
    looked = {name: systems[name]({kind: KINDS[kind]}) for name in only or systems}
    ratios: dict[str, float] = {}
    for peer in looked.keys() & {"stock", "nvflare"}:
        if "ours" in looked:
            ratios |= _ratios(looked["ours"], looked[peer], peer, cpu=True)
    figures = {name: _figures(measured) for name, measured in looked.items()}
    parts = {name: dict(sorted(rounds[kind].parts.items())) for name, rounds in looked.items() if rounds[kind].parts}
    return {**figures, "cpu_s_by_process": parts, "ratios": ratios}


def measure() -> dict[str, Any]:
    """Medians of wall and means of CPU, ratios to both peers, memory, and the cost of a lost site."""
    ours, lost_s = _ours()
    stock, nvflare = _stock(KINDS), _nvflare(KINDS)
    peers_lost_s = round_nvflare.site_killed()
    few, many = _memory(3), _memory(10)
    figures = {
        **_figures(ours),
        "site_killed_costs_others_s": lost_s,
        "serverapp_peak_models_over_base": (few["peak_mb"] - few["base_mb"]) / MODEL_MB,
        "serverapp_peak_3_sites_mb": few["peak_mb"],
        "serverapp_peak_10_sites_mb": many["peak_mb"],
        "serverapp_growth_3_to_10_sites": many["peak_mb"] / few["peak_mb"],
    }
    return {
        "figures": figures,
        "peers": {
            "stock Flower 1.41.0": _figures(stock),
            "NVFlare 2.9.0": {**_figures(nvflare), "site_killed_costs_others_s": peers_lost_s},
        },
        "ratios": _ratios(ours, stock, "stock", cpu=True) | _ratios(ours, nvflare, "nvflare", cpu=False),
        "runs": ROUNDS - 1,
        "spread": max(_spread(rounds) for rounds in ours.values()),
    }


def _ours() -> tuple[Measured, float]:
    with round_ours.our_federation() as it:
        rounds = {kind: round_ours.measure(it, kind=kind, rounds=ROUNDS, steps=steps) for kind, steps in KINDS.items()}
        return rounds, round_ours.site_killed(it)


def _ours_alone(kinds: Mapping[str, int]) -> Measured:
    with round_ours.our_federation() as it:
        return {kind: round_ours.measure(it, kind=kind, rounds=ROUNDS, steps=steps) for kind, steps in kinds.items()}


def _stock(kinds: Mapping[str, int]) -> Measured:
    with round_stock.stock_federation() as it:
        return {kind: round_stock.measure(it, kind=kind, rounds=ROUNDS, steps=steps) for kind, steps in kinds.items()}


def _nvflare(kinds: Mapping[str, int]) -> Measured:
    return {kind: round_nvflare.measure(kind=kind, rounds=ROUNDS, steps=steps) for kind, steps in kinds.items()}


def _memory(sites: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.round_memory", str(sites)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _figures(measured: Measured) -> dict[str, float]:
    return {name: value for kind, rounds in measured.items() for name, value in rounds.figures(kind).items()}


def _ratios(ours: Measured, peer: Measured, name: str, *, cpu: bool) -> dict[str, float]:
    found = {}
    for kind, rounds in ours.items():
        wall, other = statistics.median(rounds.wall_s), statistics.median(peer[kind].wall_s)
        found[f"{kind}_wall_ratio_to_{name}"] = wall / other
        if cpu:
            found[f"{kind}_cpu_ratio_to_{name}"] = rounds.cpu_s / peer[kind].cpu_s
    return found


def _spread(rounds: Rounds) -> float:
    middle = statistics.median(rounds.wall_s)
    return max(abs(wall - middle) for wall in rounds.wall_s) / middle


if __name__ == "__main__":
    print(json.dumps(look(sys.argv[1], sys.argv[2:]), indent=1))
