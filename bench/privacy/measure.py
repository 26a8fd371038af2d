"""`python -m bench privacy`: every attack, one result; `python -m bench.privacy.measure PART` runs one part of it.

Parts are the names of `updates.CASES`, those of `OTHERS`; each is kept in bench/results/privacy-parts/ until the whole is made.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bench.privacy import guarded, membership, updates, utility

PARTS = Path(__file__).parents[1] / "results" / "privacy-parts"

OTHERS: dict[str, Callable[..., dict[str, float]]] = {
    "guard": guarded.run,
    "membership": membership.run,
    "membership_20": partial(membership.run, consortium=membership.TWENTY),
    "membership_26": partial(membership.run, consortium=membership.TWENTY_SIX),
    "utility": utility.run,
}


def part(name: str) -> dict[str, float]:
    """The figures of one part and its CPU seconds."""
    torch.set_num_threads(1)
    began = time.process_time()
    cases = {case.name: case for case in updates.CASES}
    if name in cases:
        figures: dict[str, float] = updates.attack(cases[name])
    else:
        figures = OTHERS[name](seed=1)
    return figures | {"cpu_s": round(time.process_time() - began, 1)}


def names() -> list[str]:
    """All parts, in the order in which they run."""
    return [*(case.name for case in updates.CASES), *OTHERS]


def measure() -> dict[str, Any]:
    """All parts, those that were measured on their own since the last whole result not again."""
    figures: dict[str, float] = {}
    for name in names():
        path = PARTS / f"{name}.json"
        found = json.loads(path.read_text()) if path.exists() else keep(name)
        figures |= {f"{name}.{key}": value for key, value in found.items()}
    shutil.rmtree(PARTS)
    return {"runs": 1, "figures": figures, "ratios": {}, "peers": {}}


def keep(name: str) -> dict[str, float]:
    """The part has been measured and lies in its file."""
    PARTS.mkdir(parents=True, exist_ok=True)
    found = part(name)
    (PARTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    return found


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        print(wanted, json.dumps(keep(wanted)), flush=True)
