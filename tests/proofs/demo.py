"""What the demonstration must show, and running it: at full size, or offline in a network namespace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

OFFLINE = ("unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
"""A network namespace with nothing but loopback: an address outside cannot be reached, not even by mistake."""


def run_demo(arguments: Sequence[str], *, workdir: Path, offline: bool = False) -> dict[str, Any]:
    """The document of `myofed-demo --json`.

    Raises:
        RuntimeError: It did not end well; the message holds the end of its log.
    """
    program = str(Path(sys.executable).parent / "myofed-demo")
    command = [*(OFFLINE if offline else ()), program, "--json", "--workdir", str(workdir), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    if done.returncode != 0:
        msg = f"myofed-demo ended with {done.returncode}: {done.stderr[-3000:]}"
        raise RuntimeError(msg)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def shortfalls_of_safety(document: dict[str, Any]) -> list[str]:
    """What every demonstration must show, however small."""
    missing = []
    if not document["planted_leak_found"]:
        missing.append("the leak planted on purpose was not found")
    for site, egress in document["egress"].items():
        if egress["hits"]:
            missing.append(f"{site}: {egress['hits']} leaks")
        if egress["bytes"] != egress["received_bytes"] or not egress["bytes"]:
            missing.append(f"{site}: ledger {egress['bytes']} bytes, sites' port {egress['received_bytes']}")
    missing += [
        f"{site['name']}: a series without an outcome"
        for site in document["sites"]
        if site["received"] != site["converted"] + site["skipped"] + site["quarantined"]
    ]
    return missing


def shortfalls_of_learning(document: dict[str, Any]) -> list[str]:
    """What a full demonstration must show about the model; figures of the acceptance list of the first issue."""
    dice = document["dice"]
    missing = []
    if dice["federated"]["mean"] < 0.70:
        missing.append(f"federated mean Dice {dice['federated']['mean']:.3f} < 0.70")
    gains = {s: dice["federated_elsewhere"][s] - own for s, own in dice["single_site_elsewhere"].items()}
    missing += [f"{s}: federated is not above the own model elsewhere ({g:+.3f})" for s, g in gains.items() if g <= 0]
    if sum(gains.values()) / len(gains) < 0.05:
        missing.append(f"mean gain elsewhere {sum(gains.values()) / len(gains):.3f} < 0.05")
    missing += [f"{s}: own model {d:.3f} < 0.60 at home" for s, d in dice["single_site_home"].items() if d < 0.60]
    if dice["optimiser_steps"]["federated"] != dice["optimiser_steps"]["single"]:
        missing.append("the compared models did not do the same number of optimiser steps")
    if document["duration_s"] > 360:
        missing.append(f"{document['duration_s']} s > 360 s")
    if document["peak_memory_mb"] > 8000:
        missing.append(f"{document['peak_memory_mb']} MB > 8000 MB")
    return missing
