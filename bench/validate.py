"""`myofed-node validate`: its cold start on a small data set, and every voxel of a larger one beside nibabel.

No other validator of ORMIR-MIDS exists to stand beside; Python's own start with the packages that are needed, and reading all
voxels once with nibabel, are what any validator would pay.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from myofed_demo.hospital import make_hospital
from myofed_demo.presets import preset_of_site
from myofed_node.mids.nifti import write_nifti
from myofed_node.mids.validation.validate import validate

RUNS = 5
IMAGES = 8
SHAPE = (256, 256, 40)


def measure() -> dict[str, Any]:
    """Seconds, medians of RUNS, ours and the peers in turn."""
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
        images = _images(work / "large")
        times: dict[str, list[float]] = {"ours": [], "python": [], "voxels": [], "nibabel": []}
        for _ in range(RUNS):
            times["ours"].append(_process([node, "validate", str(work / "d")]))
            times["python"].append(_process([sys.executable, "-c", "import pydantic, typer, numpy, yaml"]))
            times["voxels"].append(_call(lambda: validate(work / "large")))
            times["nibabel"].append(_call(lambda: [_read(path) for path in images]))
    middle = {name: statistics.median(seconds) for name, seconds in times.items()}
    return {
        "figures": {"cold_start_s": middle["ours"], "voxels_s": middle["voxels"]},
        "peers": {"imports alone": {"cold_start_s": middle["python"]}, "nibabel": {"voxels_s": middle["nibabel"]}},
        "ratios": {
            "ratio_to_imports": middle["ours"] / middle["python"],
            "ratio_to_nibabel": middle["voxels"] / middle["nibabel"],
        },
        "runs": RUNS,
        "spread": max(abs(seconds - middle["ours"]) for seconds in times["ours"]) / middle["ours"],
    }


def _images(folder: Path) -> list[Path]:
    """Eight images with the noise of an MR image, so that they pack as such."""
    rng = np.random.default_rng(1)
    paths = [folder / "sub-A" / "ses-1" / "mr-anat" / f"sub-A_ses-1_run-{n}_T1w.nii.gz" for n in range(1, IMAGES + 1)]
    for path in paths:
        write_nifti(path, rng.normal(300, 40, SHAPE).astype(np.int16), np.diag([1.0, 1.0, 5.0, 1.0]))
    return paths


def _read(path: Path) -> tuple[float, float]:
    values = np.asanyarray(nib.load(path).dataobj)
    return float(values.min()), float(values.max())


def _call(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _process(command: list[str]) -> float:
    return _call(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True))
