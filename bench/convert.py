"""Conversion beside dcm2niix and dcm2omids: same de-identified files, gzip at its fastest on both sides, in turn, one process each.

Four public series and a made-up study of 2,000 files. Ours works on as many series at a time as there are cores, the others
on one; CPU seconds, and ours one series at a time (digest and sync still beside), are told with it. Ours classifies, writes,
syncs to disk, reads again and proves every voxel; dcm2niix does none of the four. Start-up of Python is left out of ours
and of dcm2omids and told beside; dcm2niix has next to none.
docs/convert-right.md says which tool got which series right.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import dcm2niix

from bench.convert_sets import Shape, write_folder
from myofed_anonymization import SiteKeys, default_policy, deidentify

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))  # the peers' environments are made by the planted corpus' tools

from planted.tools import Peer, python_of  # noqa: E402

RUNS = 5
SETS = ("siemens_gre_2echo_mag", "siemens_xa30_enh_t1w", "philips_enh_t1", "ge_gre_anat")
STUDY, STUDY_SHAPE = "study_2000_files", Shape(sessions=4, series=5, files=100, size=192)
TINY = {"peak_mb_2k_files": Shape(2, 10, 100, 16), "peak_mb_20k_files": Shape(20, 10, 100, 16)}
DCM2OMIDS = Peer("ormir-mids", "0.1.11", "")
ONE_THREAD = "myofed_one_thread"
Timed = dict[str, dict[str, float]]
"""Seconds and CPU seconds by folder."""


def measure() -> dict[str, Any]:
    """Medians of RUNS, by folder and over all; peak memory of the largest process at 2,000 and 20,000 files.

    Raises:
        SystemExit: MYOFED_SHARED_DATA names no folder.
    """
    data = Path(os.environ.get("MYOFED_SHARED_DATA", "/nonexistent")) / "dicom"
    if not data.is_dir():
        sys.exit("bench convert needs the public data: set MYOFED_SHARED_DATA")
    with tempfile.TemporaryDirectory(prefix="myofed-bench-") as folder:
        work = Path(folder)
        sources = [*(_clean(data / name, work / "in" / name) for name in SETS), _study(work / "in" / STUDY)]
        tools: dict[str, Callable[[Path], Timed]] = {
            "myofed": partial(_loop, Path(sys.executable), "myofed", sources),
            ONE_THREAD: partial(_loop, Path(sys.executable), ONE_THREAD, sources),
            "dcm2niix": partial(_dcm2niix, sources),
            "dcm2omids": partial(_loop, python_of(DCM2OMIDS), "dcm2omids", sources),
        }
        runs: dict[str, list[Timed]] = {name: [] for name in tools}
        for turn in range(RUNS):
            for name, run in tools.items():
                out = work / f"{turn}-{name}"
                runs[name].append(run(out))
                if turn < RUNS - 1:
                    shutil.rmtree(out)
        wrote = {name: _wrote(work / f"{RUNS - 1}-{name}", sources) for name in tools}
        whole = {f"whole_call_{n}_processes_s": _whole_call(sources[-1], work / f"whole-{n}", n) for n in (1, 2)}
        memory = {key: _peak_mb(work / key, shape) for key, shape in TINY.items()}
    return _document(runs, wrote, whole | memory)


def _document(runs: dict[str, list[Timed]], wrote: dict[str, Any], others: dict[str, float]) -> dict[str, Any]:
    medians = {name: _medians(timed) for name, timed in runs.items()}
    total = {name: _sum(folders, "seconds") for name, folders in medians.items()}
    cpu = {name: _sum(folders, "cpu_seconds") for name, folders in medians.items()}
    real = {name: _sum({key: folders[key] for key in SETS}, "seconds") for name, folders in medians.items()}
    ours = [_sum(timed, "seconds") for timed in runs["myofed"]]
    return {
        "figures": {"seconds": total["myofed"], "cpu_seconds": cpu["myofed"], **others},
        "peers": {name: {"seconds": total[name], "cpu_seconds": cpu[name]} for name in ("dcm2niix", "dcm2omids")},
        "ratios": {
            "ratio_time_to_dcm2niix": total["myofed"] / total["dcm2niix"],
            "ratio_cpu_to_dcm2niix": cpu["myofed"] / cpu["dcm2niix"],
            "ratio_time_one_thread_to_dcm2niix": total[ONE_THREAD] / total["dcm2niix"],
            "ratio_time_to_dcm2niix_real_sets": real["myofed"] / real["dcm2niix"],
            "ratio_speed_to_dcm2omids": total["dcm2omids"] / total["myofed"],
        },
        "folders": {
            folder: {name: medians[name][folder] | wrote[name][folder] for name in medians}
            for folder in medians["myofed"]
        },
        "runs": RUNS,
        "spread": max(abs(seconds - total["myofed"]) for seconds in ours) / total["myofed"],
    }


def _medians(timed: Sequence[Timed]) -> Timed:
    return {
        folder: {key: statistics.median(run[folder][key] for run in timed) for key in timed[0][folder]}
        for folder in timed[0]
    }


def _sum(folders: Timed, key: str) -> float:
    return sum(one[key] for one in folders.values())


def _clean(source: Path, out: Path) -> Path:
    deidentify(source, out, keys=SiteKeys.generate(), policy=default_policy(), now=datetime.now(UTC))
    return out


def _study(out: Path) -> Path:
    write_folder(out, STUDY_SHAPE)
    return out


def _loop(python: Path, tool: str, sources: Sequence[Path], out: Path) -> Timed:
    out.mkdir()
    command = [str(python), "-W", "ignore", str(Path(__file__).with_name("convert_loop.py")), tool, str(out)]
    environment = os.environ | {"HOME": str(out.parent), "VOXEL_CONFIG": str(out.parent / "voxel.yaml")}
    done = subprocess.run([*command, *map(str, sources)], capture_output=True, text=True, check=True, env=environment)
    folders: Timed = json.loads(done.stdout.splitlines()[-1])["folders"]
    return folders


def _dcm2niix(sources: Sequence[Path], out: Path) -> Timed:
    told = {}
    for source in sources:
        target = out / source.name
        target.mkdir(parents=True)
        command = [dcm2niix.bin, "-z", "y", "-1", "-f", "%s_%j_%e", "-o", str(target), str(source)]
        wall, cpu = time.perf_counter(), _children_cpu()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        told[source.name] = {"seconds": time.perf_counter() - wall, "cpu_seconds": _children_cpu() - cpu}
    return told


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _wrote(out: Path, sources: Sequence[Path]) -> dict[str, dict[str, float]]:
    """Images and their bytes, by folder; whether they are right is another bench's question."""
    found = {}
    for source in sources:
        images = list((out / source.name).rglob("*.nii.gz"))
        found[source.name] = {"images": len(images), "megabytes": sum(one.stat().st_size for one in images) / 1e6}
    return found


def _whole_call(source: Path, out: Path, processes: int) -> float:
    """Seconds of the command, Python's start and the workers' included."""
    program = Path(sys.executable).with_name("myofed-node")
    begin = time.perf_counter()
    command = [str(program), "convert", str(source), str(out), "--processes", str(processes)]
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - begin


def _peak_mb(folder: Path, shape: Shape) -> float:
    """Of the larger of the command's process and its one worker, on so many tiny files."""
    write_folder(folder / "in", shape)
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "bench.convert_memory",
        str(folder / "in"),
        str(folder / "out"),
        "1",
    ]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    shutil.rmtree(folder)
    return float(max(told["parent_mb"], told["largest_worker_mb"]))
