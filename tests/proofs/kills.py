"""Batches killed with SIGKILL at random moments and run again: the result is that of one undisturbed run, with no half file."""

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

from planted.images import Study, classic
from planted.made_up import MadeUp
from planted.vendor import csa, safe_numbers
from pydicom import dcmread, dcmwrite
from pydicom.uid import ExplicitVRLittleEndian

from myofed_anonymization.deidentify import read_report
from myofed_schemas.deid import PAGE_NAME, REPORT_NAME, WithheldCode
from myofed_schemas.side_record import SIDE_RECORD_NAME
from proofs.batch_run import PROCESSES
from proofs.killed_process import Tree, finished, is_gone, read_until, seconds_after, started, tree_of

RUN = "proofs.batch_run"
PATIENTS, FILES_A_PATIENT, SIZE = 6, 48, 16
CONFLICTS = IDENTICAL = REFUSED = 6
LATE = 0.35
"""So many of the kills come when all files are done: while the run judges, syncs and writes its report."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What undisturbed runs give: the tree, seconds until all files are done and from there to the end."""

    tree: Tree
    withdrawn: dict[str, set[bytes]]
    """Contents that a conflicting file may have until all files are done, by path."""
    files: int
    finish_s: float


def killed_batches(
    kills: int = 100, seed: int = 1, *, files_a_patient: int = FILES_A_PATIENT
) -> tuple[list[dict[str, Any]], list[str]]:
    """What so many kills did, one to three of them before each run to the end, and what must not have happened."""
    rng, begin = random.Random(seed), time.monotonic()
    counts = {
        "kills": 0,
        "of the whole group": 0,
        "of the parent alone": 0,
        "after the last file": 0,
        "too late": 0,
        "runs to the end": 0,
    }
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="myofed-kills-") as folder:
        source = Path(folder, "in")
        make_batch(source, files_a_patient=files_a_patient)
        reference = _reference(source, Path(folder))
        failed += _poor(reference)
        while counts["kills"] < kills:
            out = Path(folder, f"out-{counts['runs to the end']}")
            for _ in range(min(rng.choice((1, 1, 2, 3)), kills - counts["kills"])):
                failed += [f"kill {counts['kills']}: {fault}" for fault in _kill(source, out, reference, rng, counts)]
            failed += [
                f"after kill {counts['kills'] - 1}: {fault}" for fault in _run_to_the_end(source, out, reference)
            ]
            counts["runs to the end"] += 1
            shutil.rmtree(out)
            if counts["kills"] % 20 == 0:
                print(f"{counts['kills']} of {kills} kills, {len(failed)} failed", file=sys.stderr)
    tried = {"seed": seed, "files": reference.files, **counts, "seconds": round(time.monotonic() - begin, 1)}
    return [tried], failed


def make_batch(source: Path, *, files_a_patient: int = FILES_A_PATIENT) -> None:
    """Some hundred files: several patients, a set with CSA headers, files to withhold, duplicates identical and conflicting."""
    made = MadeUp(random.Random(4))
    for patient in range(PATIENTS):
        study, series = Study.of(made), made.uid()
        for number in range(files_a_patient):
            draft = classic(made, study, name=f"{patient:02d}/{number:03d}.dcm", series=series, size=SIZE)
            draft.syntax = ExplicitVRLittleEndian
            if patient == 0:
                csa(draft)
                safe_numbers(draft, "siemens")
            if patient == 1 and number < REFUSED:
                draft.dataset.BurnedInAnnotation = "YES"
            draft.write(source)
    twins = source / "twins"
    twins.mkdir()
    for number in range(IDENTICAL):
        shutil.copyfile(source / f"02/{number:03d}.dcm", twins / f"same-{number}.dcm")
        dataset = dcmread(source / f"03/{number:03d}.dcm")
        dataset.EchoTime = "7.125"
        dcmwrite(twins / f"other-{number}.dcm", dataset)
        shutil.copyfile(source / f"04/{number:03d}.dcm", twins / f"again-{number}.dcm")
        (twins / f"none-{number}.txt").write_bytes(b"no image")


def _reference(source: Path, folder: Path) -> Reference:
    """Undisturbed runs of the batch, and of it without the second of two conflicting files, and without the first."""
    out = folder / "reference"
    finish_s = seconds_after(RUN, source, out, steps=_files(source))
    tree = tree_of(out)
    withdrawn: dict[str, set[bytes]] = {}
    for number, leave_out in enumerate(("twins/other-*", "03/*")):
        part = folder / f"part-{number}"
        shutil.copytree(source, part)
        for path in part.glob(leave_out):
            path.unlink()
        finished(RUN, part, folder / f"of-part-{number}")
        for name, (content, _) in tree_of(folder / f"of-part-{number}").items():
            if name.endswith(".dcm") and name not in tree:
                withdrawn.setdefault(name, set()).add(content)
    return Reference(tree, withdrawn, len(read_report(out).files), finish_s)


def _files(source: Path) -> int:
    return sum(path.is_file() for path in source.rglob("*"))


def _poor(reference: Reference) -> list[str]:
    """What a batch must hold to prove something."""
    lacks = {
        "side records": not any(name.endswith(SIDE_RECORD_NAME) for name in reference.tree),
        "conflicts": [len(contents) for contents in reference.withdrawn.values()] != [2] * CONFLICTS,
        "withheld files": WithheldCode.BURNED_IN_ANNOTATION.value.encode() not in reference.tree[REPORT_NAME][0],
        "identical twins": b"DUPLICATE_IDENTICAL" not in reference.tree[REPORT_NAME][0],
    }
    return [f"the batch has no {what}" for what, lacking in lacks.items() if lacking]


def _kill(source: Path, out: Path, reference: Reference, rng: random.Random, counts: dict[str, int]) -> list[str]:
    """One run, killed at a random moment, and what was wrong then."""
    late, whole = rng.random() < LATE, counts["kills"] % 2 == 0
    done = reference.files if late else rng.randrange(reference.files)
    pause = rng.uniform(0, reference.finish_s) if late else rng.uniform(0, 0.02)
    with started(RUN, source, out) as process:
        if not late and done == 0:
            time.sleep(rng.uniform(0, 1))  # while it starts
        else:
            read_until(process, done)
            time.sleep(pause)
        too_late = process.poll() is not None
        os.killpg(process.pid, signal.SIGKILL) if whole and not too_late else process.kill()
        process.wait()
        faults = [] if is_gone(process.pid) else ["a worker outlived its parent"]
    if too_late:
        counts["too late"] += 1
        return half_files(out, reference)
    counts["kills"] += 1
    counts["of the whole group" if whole else "of the parent alone"] += 1
    counts["after the last file"] += late
    return faults + half_files(out, reference)


def half_files(out: Path, reference: Reference) -> list[str]:
    """What lies in the output folder at the moment of a kill and must not."""
    faults, tree = [], tree_of(out)
    for name, (content, _) in tree.items():
        if name.startswith("2.25.") and name.endswith(".dcm"):
            expected = {reference.tree[name][0]} if name in reference.tree else reference.withdrawn.get(name, set())
            if content not in expected:
                faults.append("an image that no undisturbed run makes")
        elif name.endswith(f"/{SIDE_RECORD_NAME}") and content != reference.tree.get(name, (b"", 0))[0]:
            faults.append("a side record that no undisturbed run makes")
    if REPORT_NAME in tree:
        faults += differences(
            {name: found for name, found in tree.items() if not name.startswith(".unverified-")}, reference
        )
    return faults


def _run_to_the_end(source: Path, out: Path, reference: Reference) -> list[str]:
    status = finished(RUN, source, out)
    return [f"exit status {status}"] if status else differences(tree_of(out), reference)


def differences(tree: Tree, reference: Reference) -> list[str]:
    """How a finished output folder differs from the undisturbed run's; a report's time does not count."""
    wanted = reference.tree
    faults = [f"not there: {Path(name).name}" for name in wanted.keys() - tree.keys()]
    faults += [f"there, but should not be: {Path(name).name}" for name in tree.keys() - wanted.keys()]
    for name in tree.keys() & wanted.keys():
        if _timeless(name, tree[name][0]) != _timeless(name, wanted[name][0]):
            faults.append(f"other content: {Path(name).name}")
        elif tree[name][1] != wanted[name][1]:
            faults.append(f"another mode: {Path(name).name}")
    return faults


def _timeless(name: str, content: bytes) -> bytes:
    """The content; of report and page without the lines that tell when it was made."""
    if name not in {REPORT_NAME, PAGE_NAME}:
        return content
    year = time.strftime("%Y-").encode()
    return b"\n".join(line for line in content.split(b"\n") if b'"created"' not in line and year not in line)


assert PROCESSES > 1, "a kill of the parent alone says little about one worker"
