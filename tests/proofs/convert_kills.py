"""Conversions killed with SIGKILL at random moments and run again: the data set of one undisturbed run, with no half file."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proofs.killed_process import Tree, finished, is_gone, read_until, started, tree_of

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "node"))  # the tiny series lie with the unit tests

from mids_factories import Kind, classic, enhanced, write_deidentified

RUN = "proofs.convert_run"
WAYS = ("pool", "alone")
SESSIONS = 6
PHASE = {"RescaleSlope": "2", "RescaleIntercept": "-4096"}


@dataclass(frozen=True, slots=True)
class Reference:
    """What an undisturbed run gives: the data set, series in all, and seconds it takes."""

    tree: Tree
    series: int
    seconds: float


def killed_conversions(
    kills: int = 100, seed: int = 1, *, sessions: int = SESSIONS
) -> tuple[list[dict[str, Any]], list[str]]:
    """What so many kills did, one to three of them before each run to the end, and what must not have happened."""
    rng, begin = random.Random(seed), time.monotonic()
    counts = {"kills": 0, "of the whole group": 0, "of the parent alone": 0, "too late": 0, "runs to the end": 0}
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="myofed-convert-kills-") as folder:
        source = Path(folder, "in")
        series = make_sessions(source, sessions)
        reference = _reference(source, Path(folder), series)
        failed += _poor(reference)
        while counts["kills"] < kills:
            out, way = Path(folder, f"out-{counts['runs to the end']}"), WAYS[counts["runs to the end"] % len(WAYS)]
            for _ in range(min(rng.choice((1, 1, 2, 3)), kills - counts["kills"])):
                failed += [
                    f"kill {counts['kills']}: {fault}" for fault in _kill(source, out, way, reference, rng, counts)
                ]
            status = finished(RUN, source, out, way)
            faults = [f"exit status {status}"] if status else differences(tree_of(out), reference.tree)
            failed += [f"after kill {counts['kills'] - 1}: {fault}" for fault in faults]
            counts["runs to the end"] += 1
            shutil.rmtree(out)
    tried = {"seed": seed, "series": reference.series, "files": len(reference.tree), **counts}
    return [tried | {"seconds": round(time.monotonic() - begin, 1)}], failed


def make_sessions(source: Path, sessions: int) -> int:
    """Magnitude and phase of one acquisition, an Enhanced object, two of a kind and a localizer in each; number of series."""
    files = []
    for study in range(sessions):
        kinds = [
            Kind(series=1),
            Kind(series=2, image_type=("ORIGINAL", "PRIMARY", "P", "ND"), extra=PHASE),
            Kind(series=3),
            Kind(series=4, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")),
        ]
        patient = f"SUBJECT{study // 2}"
        for kind in kinds:
            files += classic(Kind(kind.image_type, kind.echo_times_ms, 4, kind.extra, kind.series, study, patient))
        files.append(enhanced(Kind(series=5, study=study, patient=patient)))
    write_deidentified(source, files)
    return 5 * sessions


def _reference(source: Path, folder: Path, series: int) -> Reference:
    trees, seconds = [], 0.0
    for way in WAYS:
        begin = time.monotonic()
        finished(RUN, source, folder / way, way)
        seconds = time.monotonic() - begin
        trees.append(tree_of(folder / way))
    return Reference(trees[0] if trees[0] == trees[1] else {}, series, seconds)


def _poor(reference: Reference) -> list[str]:
    """What the batch must hold to prove something."""
    names = list(reference.tree)
    lacks = {
        "one data set however many processes": not names,
        "a second run": not any("_run-2_" in name for name in names),
        "a phase": not any("_part-phase_" in name for name in names),
        "tables": not {"participants.tsv", "sub-SUBJECT0/sub-SUBJECT0_sessions.tsv"} <= set(names),
    }
    return [f"the batch has not {what}" for what, lacking in lacks.items() if lacking]


def _kill(
    source: Path, out: Path, way: str, reference: Reference, rng: random.Random, counts: dict[str, int]
) -> list[str]:
    """One run, killed at a random moment, and what was wrong then."""
    whole, done = counts["kills"] % 2 == 0, rng.randrange(reference.series + 1)
    with started(RUN, source, out, way) as process:
        if done == 0:
            time.sleep(rng.uniform(0, reference.seconds))  # while it starts
        else:
            read_until(process, done)
            time.sleep(rng.uniform(0, 0.02))
        too_late = process.poll() is not None
        os.killpg(process.pid, signal.SIGKILL) if whole and not too_late else process.kill()
        process.wait()
        faults = [] if is_gone(process.pid) else ["a worker outlived its parent"]
    counts["too late" if too_late else "kills"] += 1
    if not too_late:
        counts["of the whole group" if whole else "of the parent alone"] += 1
    return faults + half_files(tree_of(out), reference.tree)


def half_files(found: Tree, wanted: Tree) -> list[str]:
    """What lies in the data set at the moment of a kill and must not: images and sidecars appear whole."""
    faults = []
    for name, (content, _) in found.items():
        last = name.rsplit("/", 1)[-1]
        temporary = last.startswith(".") and last.endswith(".tmp")
        grows = last.endswith(".tsv")
        if not temporary and not grows and content != wanted.get(name, (None, 0))[0]:
            faults.append(f"not as an undisturbed run makes it: {last}")
        if last.endswith(".json") and "/" in name and name.replace(".json", ".nii.gz") not in found:
            faults.append(f"a sidecar before its image: {last}")
    return faults


def differences(found: Tree, wanted: Tree) -> list[str]:
    """How a finished data set differs from the undisturbed run's."""
    faults = [f"not there: {name.rsplit('/', 1)[-1]}" for name in wanted.keys() - found.keys()]
    faults += [f"there, but should not be: {name.rsplit('/', 1)[-1]}" for name in found.keys() - wanted.keys()]
    changed = [name for name in found.keys() & wanted.keys() if found[name] != wanted[name]]
    return faults + [f"other content or mode: {name.rsplit('/', 1)[-1]}" for name in changed]
