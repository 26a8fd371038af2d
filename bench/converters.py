"""Two other converters and ours over one series, each as its users call it, and what they wrote of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dcm2niix
import numpy as np
from vendor_judge import WrittenImage, verdict_of

from myofed_demo.vendor_matrix import ImageTruth
from myofed_schemas.mids import Part, Suffix

Name = tuple[str, str]
"""Suffix in lower case, and part."""
RANKS = ("right", "scaled", "mirrored", "shifted", "misplaced", "volumes", "other")
ECHO_TIME_TOLERANCE_MS = 0.01


@dataclass(frozen=True)
class Output:
    """One image that a converter wrote.

    Attributes:
        path: NIfTI file.
        name: Suffix and part it claims; None where the converter names none.
        echo_times_ms: What its sidecar says; empty where it says nothing.
    """

    path: Path
    name: Name | None
    echo_times_ms: tuple[float, ...]


@dataclass(frozen=True)
class Run:
    """What one call left behind."""

    outputs: tuple[Output, ...]
    exit_code: int


def run_dcm2niix(source: Path, out: Path) -> Run:
    """Plain dcm2niix, no options but the folder and no compression; its sidecars are in seconds."""
    out.mkdir(parents=True)
    done = subprocess.run([dcm2niix.bin, "-z", "n", "-o", out, source], capture_output=True, check=False)
    outputs = [
        Output(path, None, tuple(1e3 * t for t in told_echo_times(path.with_suffix(".json"))))
        for path in sorted(out.glob("*.nii"))
    ]
    return Run(tuple(outputs), done.returncode)


def run_dcm2omids(source: Path, out: Path, *, home: Path, numbered: bool) -> Run:
    """The reference implementation's command, recursive; it writes settings into its home.

    Args:
        source: A visit.
        out: New folder.
        home: Where its settings go.
        numbered: With `-s`, which puts the series number into each name, so that no series overwrites another.
    """
    home.mkdir(parents=True, exist_ok=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    program = str(Path(sys.executable).with_name("dcm2omids"))
    command = [program, "-a", "anon", "-r", *(["-s"] if numbered else []), str(source), str(out)]
    environment = os.environ | {"HOME": str(home), "VOXEL_CONFIG": str(home / "config.yaml")}
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    outputs = [
        Output(path, _name(path), told_echo_times(path.with_name(path.name[:-7] + ".json")))
        for path in sorted(out.rglob("*.nii.gz"))
    ]
    return Run(tuple(outputs), done.returncode)


def of_series(run: Run, number: int) -> Run:
    """What a numbered run wrote of this series."""
    return Run(tuple(o for o in run.outputs if o.path.name.split("_")[0] == f"{number:03d}"), run.exit_code)


def _name(path: Path) -> Name:
    words = path.name.removesuffix(".nii.gz").split("_")
    part = next((word[5:] for word in words if word.startswith("part-")), "mag")
    tail = [word for word in words if not word.startswith(("sub-", "ses-", "run-", "part-")) and not word.isdigit()]
    return "_".join(tail).lower(), part


def told_echo_times(sidecar: Path) -> tuple[float, ...]:
    """EchoTime as the sidecar has it, one or several; none where there is none."""
    if not sidecar.exists():
        return ()
    told = json.loads(sidecar.read_text()).get("EchoTime")
    values = told if isinstance(told, list) else [told]
    return tuple(float(v) for v in values if isinstance(v, int | float))


def verdict(run: Run, truths: Sequence[ImageTruth], names: frozenset[tuple[Suffix, Part]]) -> str:
    """`right`, `wrong: how`, `refused` (it said so by its exit code), or `lost silently`.

    Args:
        run: What the converter did with the series.
        truths: Its volumes, one echo each.
        names: What its images must be called; empty where it must not be called anything.
    """
    if not run.outputs:
        return "refused" if run.exit_code else "lost silently"
    matched, faults = match(run.outputs, truths)
    if len(matched) < len(truths):
        faults.append(f"{len(truths) - len(matched)} of {len(truths)} volumes lost")
    claimed = {output.name for output in run.outputs if output.name is not None}
    wrong = sorted(claimed - {(suffix.value.lower(), part.value) for suffix, part in names})
    faults += [f"wrong suffix {suffix}" for suffix, _part in wrong]
    return "wrong: " + ", ".join(dict.fromkeys(faults)) if faults else "right"


def match(outputs: Sequence[Output], truths: Sequence[ImageTruth]) -> tuple[set[int], list[str]]:
    """Which true volumes are among the outputs, and what is wrong with those that are not right."""
    matched: set[int] = set()
    faults: list[str] = []
    for output in outputs:
        image = WrittenImage.read(output.path)
        for volume in range(image.values.shape[3]):
            index, found = _nearest(WrittenImage(image.values[..., [volume]], image.affine_lps), truths)
            matched |= set() if found.startswith("other") else {index}
            faults += [] if found == "right" else [found]
            faults += _echo_faults(output, volume, truths[index]) if found == "right" else []
    return matched, faults


def _nearest(written: WrittenImage, truths: Sequence[ImageTruth]) -> tuple[int, str]:
    verdicts = [verdict_of(truth, written) for truth in truths]
    ranks = [next(n for n, word in enumerate(RANKS) if found.startswith(word)) for found in verdicts]
    best = int(np.argmin(ranks))
    return best, verdicts[best]


def _echo_faults(output: Output, volume: int, truth: ImageTruth) -> list[str]:
    if not output.echo_times_ms:
        return []
    told = output.echo_times_ms[min(volume, len(output.echo_times_ms) - 1)]
    return [] if abs(told - truth.echo_times_ms[0]) <= ECHO_TIME_TOLERANCE_MS else ["wrong echo time"]
