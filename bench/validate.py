"""Cold start of `myofed-node validate` on a small data set; no other validator of ORMIR-MIDS exists to stand beside."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from myofed_demo.hospital import make_hospital
from myofed_demo.presets import preset_of_site

RUNS = 5


def measure() -> dict[str, Any]:
    """Seconds from process start to exit; Python's own start is the peer that every command pays."""
    node = str(Path(sys.executable).parent / "myofed-node")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        make_hospital(work / "h", name="bench", preset=preset_of_site(1), subjects=2, seed=1)
        # One planted series is quarantined: exit 3 is what an ingest of this delivery must say.
        done = subprocess.run(
            [node, "ingest", str(work / "h" / "dicom"), "--output", str(work / "d")],
            check=False,
            stderr=subprocess.DEVNULL,
        )
        if done.returncode not in (0, 3):
            sys.exit(f"ingest ended with {done.returncode}")
        ours = [_seconds([node, "validate", str(work / "d")]) for _ in range(RUNS)]
        python = [_seconds([sys.executable, "-c", "import pydantic, numpy, nibabel, yaml"]) for _ in range(RUNS)]
    mine, theirs = statistics.median(ours), statistics.median(python)
    return {
        "figures": {"cold_start_s": mine},
        "peers": {"imports alone": {"cold_start_s": theirs}},
        "ratios": {"ratio_to_imports": mine / theirs},
        "runs": RUNS,
        "spread": max(abs(s - mine) for s in ours) / mine,
    }


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start
