"""Conversion of real DICOM (de-identified by us) beside dcm2niix, same files, gzip level 1 both, in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dcm2niix

from myofed_anonymization import SiteKeys, default_policy, deidentify
from myofed_node.mids.convert import convert

RUNS = 5
SETS = ("siemens_gre_2echo_mag", "siemens_xa30_enh_t1w", "philips_enh_t1", "ge_gre_anat")


def measure() -> dict[str, Any]:
    """Seconds for all four sets together, medians of RUNS.

    Raises:
        SystemExit: MYOFED_SHARED_DATA names no folder.
    """
    data = Path(os.environ.get("MYOFED_SHARED_DATA", "/nonexistent")) / "dicom"
    if not data.is_dir():
        sys.exit("bench convert needs the public data: set MYOFED_SHARED_DATA")
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name in SETS:
            deidentify(data / name, work / name, keys=SiteKeys.generate(), policy=default_policy(), now=now)
        ours: list[float] = []
        peer: list[float] = []
        for turn in range(RUNS):
            ours.append(_timed(lambda turn=turn: [convert(work / n, work / f"o{turn}-{n}", now=now) for n in SETS]))
            peer.append(_timed(lambda turn=turn: [_dcm2niix(work / n, work / f"p{turn}-{n}") for n in SETS]))
    mine, theirs = statistics.median(ours), statistics.median(peer)
    return {
        "figures": {"seconds": mine},
        "peers": {"dcm2niix": {"seconds": theirs}},
        "ratios": {"ratio_time_to_dcm2niix": mine / theirs},
        "runs": RUNS,
        "spread": max(abs(s - mine) for s in ours) / mine,
    }


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _dcm2niix(source: Path, out: Path) -> None:
    out.mkdir()
    subprocess.run([dcm2niix.bin, "-z", "y", "-1", "-o", str(out), str(source)], stdout=subprocess.DEVNULL, check=True)
