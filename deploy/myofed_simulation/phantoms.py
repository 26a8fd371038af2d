"""Synthetic patients as an ORMIR-MIDS data set: what training reads, the in-phase image and its label map, and no more."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from myofed_demo.phantom import Subject, in_phase, make_subject, subject_rng
from myofed_demo.presets import preset_of_site
from myofed_node.mids.nifti import write_nifti
from myofed_schemas.anatomy import Side
from myofed_schemas.muscle_sets import structures
from myofed_schemas.study_options import SiteLabels

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
SESSION = "1"


def make_phantom_site(folder: Path, *, number: int, subjects: int, seed: int, labels: SiteLabels | None = None) -> None:
    """`folder` is the data set of one site's synthetic patients: complete or absent, the same bytes for the same arguments.

    Args:
        folder: Its name tells sites apart and is part of the seed; nothing is done where it exists.
        number: Of the site, from 0: decides the scanner and with it the diseases.
        subjects: How many, one session each.
        seed: Of the whole simulation.
        labels: What the site's reader draws; None: every muscle singly.
    """
    if folder.exists():
        return
    draft = folder.parent / f".{folder.name}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    preset = preset_of_site(number)
    for index in range(subjects):
        disease = preset.diseases[index % len(preset.diseases)]
        subject = make_subject(disease, preset, subject_rng(seed, hospital=folder.name, subject=index))
        _write(draft, f"p{index:04d}", subject, labels)
    draft.rename(folder)


def _write(dataset: Path, label: str, subject: Subject, drawn: SiteLabels | None) -> None:
    anat = Path(f"sub-{label}") / f"ses-{SESSION}" / "mr-anat"
    stem = f"sub-{label}_ses-{SESSION}_INPH"
    affine = RAS_FROM_LPS @ subject.affine_lps
    values = subject.labels if drawn is None else drawn_as(subject.labels, drawn)
    write_nifti(dataset / anat / f"{stem}.nii.gz", in_phase(subject), affine)
    write_nifti(dataset / "derivatives" / "labels" / anat / f"{stem}_dseg.nii.gz", values.astype(np.int16), affine)


def drawn_as(values: npt.NDArray[np.integer], labels: SiteLabels) -> npt.NDArray[np.int32]:
    """The label map of somebody who draws these structures only: a muscle's value becomes that of its set."""
    out = np.zeros(values.shape, np.int32)
    for name in labels.structures:
        drawn = structures()[name]
        for side in Side:
            members = [structures()[m].label_value(side) for m in drawn.members]
            out[np.isin(values, members)] = drawn.label_value(side)
    return out
