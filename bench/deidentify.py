"""De-identification of a 322 kB Siemens MR image beside its peers and a plain copy, same files, one process each, in turn.

Start-up is left out of everybody's files/s, verification is part of ours; the peers' start-up is told beside their figure, and
`files_per_s_whole_call` is ours with the start of the worker and the sync of all files to disk at the end, which no peer makes.
Our one worker has a parent that keeps the journal meanwhile, on another core where there is one: `cpu_ms_a_file` is the
processor time of all processes of a tool, its start-up shared out over the files.
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.data import get_testdata_file

from bench.peer_loop import WARM_UP
from myofed_anonymization import SiteKeys, default_policy, deidentify
from myofed_anonymization.deidentify import Options

REPOSITORY = Path(__file__).parents[1]
TESTS = REPOSITORY / "tests"
sys.path.insert(0, str(TESTS))  # the planted corpus, its peers and the tiny files lie with the tests

from planted.tools import PEERS, SCRIPTS, Peer, peers_folder, run_peer  # noqa: E402
from proofs.mutant_seeds import seeds  # noqa: E402
from proofs.planted import planted_corpus  # noqa: E402

RUNS = 5
SERIES, FILES_A_SERIES = 2, 200
TINY = {"parent_peak_mb_2k": 2000, "parent_peak_mb_20k": 20_000}
Rates = dict[str, float]


def measure() -> dict[str, Any]:
    """Files per second, medians of RUNS; identifiers leaked of the planted corpus; the parent's memory."""
    runs: dict[str, list[Rates]] = {}
    with tempfile.TemporaryDirectory(prefix="myofed-bench-") as folder:
        source = Path(folder, "in")
        _copies(source)
        tools = _tools(source, Path(folder))
        for turn in range(RUNS):
            for name, run in tools.items():
                out = Path(folder, f"{turn}-{len(runs)}-{name.split()[0]}")
                before = _cpu_seconds()
                rates = run(out)
                cpu_ms = 1e3 * (_cpu_seconds() - before) / (SERIES * FILES_A_SERIES)
                runs.setdefault(name, []).append({**rates, "cpu_ms_a_file": cpu_ms})
                shutil.rmtree(out)
        memory = {key: _peak_mb(Path(folder, key), files=files) for key, files in TINY.items()}
    medians = {
        name: {key: statistics.median(run[key] for run in rates) for key in rates[0]} for name, rates in runs.items()
    }
    ours, peers = medians.pop("myofed"), medians
    fastest = max(peers[peer.title()]["files_per_s"] for peer in PEERS)
    tried, _ = planted_corpus(seeds=(1,), peers=False)
    mine = [run["files_per_s_steady"] for run in runs["myofed"]]
    return {
        "figures": {
            "files_per_s_per_process": ours["files_per_s_steady"],
            "files_per_s_whole_call": ours["files_per_s"],
            "cpu_ms_a_file": ours["cpu_ms_a_file"],
            "leaked_of_planted": tried[0]["leaked"],
            "planted": tried[0]["planted"],
            **memory,
        },
        "peers": peers,
        "ratios": {
            "ratio_to_fastest_peer": ours["files_per_s_steady"] / fastest,
            "ratio_to_fastest_peer_whole_call": ours["files_per_s"] / fastest,
            "ratio_to_copy": ours["files_per_s_steady"] / peers["copy"]["files_per_s"],
        },
        "runs": RUNS,
        "spread": max(abs(rate - ours["files_per_s_steady"]) for rate in mine) / ours["files_per_s_steady"],
    }


def _cpu_seconds() -> float:
    """Of this process and of all its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _copies(source: Path) -> None:
    """Copies of one image as two series, each an instance of its own."""
    dataset = dcmread(str(get_testdata_file("examples_overlay.dcm")))
    study = str(dataset.StudyInstanceUID)
    for series in range(SERIES):
        folder = source / f"series-{series}"
        folder.mkdir(parents=True)
        dataset.SeriesInstanceUID = f"{study[:50]}.{series + 1}"
        for number in range(FILES_A_SERIES):
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = (
                f"{study[:50]}.{series + 1}.{number + 1}"
            )
            dataset.save_as(folder / f"{number:04d}.dcm")


def _tools(source: Path, work: Path) -> dict[str, Callable[[Path], Rates]]:
    """By name; each peer has had one file before, so that its environment is there."""
    one = work / "one"
    one.mkdir()
    shutil.copyfile(source / "series-0" / "0000.dcm", one / "0000.dcm")
    for peer in PEERS:
        run_peer(peer, one, work / f"one-{peer.package}")
    return {
        "myofed": partial(_ours, source),
        **{peer.title(): partial(_peer, peer, source) for peer in PEERS},
        "copy": partial(_copy, source),
    }


def _ours(source: Path, out: Path) -> Rates:
    """Of the whole verb, and from the WARM_UP-th file to the last alone."""
    times: list[float] = []
    begin = time.perf_counter()
    summary = deidentify(
        source,
        out,
        keys=SiteKeys.generate(),
        policy=default_policy(),
        now=datetime.now(UTC),
        options=Options(processes=1),
        progress=lambda *_: times.append(time.perf_counter()),
    )
    end = time.perf_counter()
    if summary.deidentified != SERIES * FILES_A_SERIES:
        sys.exit(
            f"bench deidentify: {summary.withheld} of {summary.received} files were withheld: {summary.withheld_by_code}"
        )
    steady = times[-1] - times[WARM_UP - 1]
    return {
        "files_per_s": summary.received / (end - begin),
        "files_per_s_steady": (summary.received - WARM_UP) / steady,
    }


def _peer(peer: Peer, source: Path, out: Path) -> Rates:
    python = peers_folder() / f"{peer.package}-{peer.version}" / "bin" / "python"
    loop = Path(__file__).with_name("peer_loop.py")
    begin = time.perf_counter()
    command = [str(python), "-W", "ignore", str(loop), str(SCRIPTS), Path(peer.script).stem, str(source), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    whole = time.perf_counter() - begin
    told = json.loads(done.stdout.splitlines()[-1])
    return {"files_per_s": told["files"] / told["seconds"], "start_up_s": whole - told["seconds"]}


def _copy(source: Path, out: Path) -> Rates:
    paths = sorted(path for path in source.rglob("*") if path.is_file())
    begin = time.perf_counter()
    for path in paths:
        target = out / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return {"files_per_s": len(paths) / (time.perf_counter() - begin)}


def _peak_mb(folder: Path, *, files: int) -> float:
    """Of the process that is called, its workers aside, on so many tiny files."""
    source = folder / "in"
    source.mkdir(parents=True)
    for number in range(files):
        (source / f"{number:06d}.dcm").write_bytes(seeds()[0].numbered(number))
    command = [sys.executable, "-W", "ignore", "-m", "bench.deidentify_memory", str(source), str(folder / "out")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    shutil.rmtree(folder)
    return float(done.stdout)
