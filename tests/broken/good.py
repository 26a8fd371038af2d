"""A data set with one image of every kind, all as profile myofed-1 wants them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from broken.nifti_writer import write

STEM = "sub-A_ses-1"
FOLDER = Path("sub-A", "ses-1", "mr-anat")
MAPS = Path("sub-A", "ses-1", "mr-quant")
PIPELINE = Path("derivatives", "labels")
LABELS = PIPELINE / FOLDER
SHAPE = (4, 5, 3)
COMMON: dict[str, object] = {
    "Profile": "myofed-1",
    "Modality": "MR",
    "EchoTime": 12.0,
    "RepetitionTime": 600.0,
    "FlipAngle": 90.0,
    "MagneticFieldStrength": 3.0,
    "ImagingFrequency": 123.25,
    "PhaseEncodingDirection": "j",
    "Units": "arbitrary",
    "Provenance": {"SourceSeriesInstanceUID": "2.25.1", "Tools": {"dcm2niix": "1.0.20260724"}},
}
GRADIENT_ECHO: dict[str, object] = COMMON | {
    "EchoTime": [2.3, 4.6],
    "RepetitionTime": 100.0,
    "FlipAngle": 15.0,
    "FourthDimension": "EchoTime",
    "PixelBandwidth": 260.0,
    "WaterFatShift": 3.35 * 123.25 / 260,
    "ReadoutMode": "Monopolar",
    "PrecessionDirection": "Clockwise",
}
SPIN_ECHO: dict[str, object] = COMMON | {
    "EchoTime": [10.0, 20.0, 30.0, 40.0, 50.0],
    "RepetitionTime": 3000.0,
    "FourthDimension": "EchoTime",
    "RefocusingFlipAngle": 160.0,
}
LEVEL = {"Bone": "femur", "PercentOfLength": [40.0, 45.0, 50.0]}
LABEL_NAMES = {"7101": "left vastus lateralis", "7102": "right vastus lateralis"}
MAP_VALUES = {
    "FF": (5.0, 60.0, "percent"),
    "T1": (900.0, 1500.0, "ms"),
    "T2": (30.0, 60.0, "ms"),
    "wT2": (31.0, 50.0, "ms"),
    "T2star": (15.0, 40.0, "ms"),
    "R2star": (25.0, 70.0, "1/s"),
    "B0": (-200.0, 150.0, "Hz"),
    "B1": (60.0, 120.0, "percent"),
}
"""Suffix of a map -> smallest value, largest value, unit."""


def voxels(seed: int, *, low: float = 50, high: float = 400) -> np.ndarray:
    """(4, 5, 3) int16, different for each seed, with `low` and `high` somewhere."""
    values = np.random.default_rng(seed).integers(int(low), int(high) + 1, SHAPE).astype(np.int16)
    values.flat[0], values.flat[1] = low, high
    return values


def put(root: Path, folder: Path, stem: str, values: np.ndarray, sidecar: dict[str, object]) -> None:
    """An image and its sidecar."""
    write(root / folder / f"{STEM}_{stem}.nii.gz", values)
    (root / folder / f"{STEM}_{stem}.json").write_text(json.dumps(sidecar, indent=2))


def echoes(seed: int, count: int) -> np.ndarray:
    """(4, 5, 3, count) int16, each echo at four fifths of the one before."""
    return np.stack([(voxels(seed) * 0.8**n).astype(np.int16) for n in range(count)], axis=3)


def good(root: Path) -> Path:
    """The data set below `root`, which exists."""
    images = {"T1w": 1, "T1w-FS": 2, "T2w": 3, "T2w-FS": 4, "WAT": 5, "FAT": 6, "INPH": 7, "OUTPH": 8}
    for suffix, seed in images.items():
        put(root, FOLDER, suffix, voxels(seed), COMMON)
    put(root, FOLDER, "T1w", voxels(1), COMMON | {"AnatomicalLevel": LEVEL})
    put(root, FOLDER, "T2w-FS", voxels(4), COMMON | {"InversionTime": 220.0})
    for suffix, seed in {"DESS": 11, "DESS-FID": 12, "DESS-ECHO": 13}.items():
        put(root, FOLDER, suffix, voxels(seed), COMMON | {"PulseSequenceType": "DESS"})
    put(root, FOLDER, "MESE", echoes(21, 5), SPIN_ECHO)
    put(root, FOLDER, "MEGRE", echoes(22, 2), GRADIENT_ECHO)
    phase = (echoes(23, 2) / 400.0 * np.pi).astype(np.float32)
    put(root, FOLDER, "part-phase_MEGRE", phase, GRADIENT_ECHO | {"Units": "rad"})
    put(root, FOLDER, "part-real_MEGRE", echoes(24, 2), GRADIENT_ECHO)
    put(root, FOLDER, "part-imag_MEGRE", echoes(25, 2), GRADIENT_ECHO)
    for seed, (suffix, (low, high, unit)) in enumerate(MAP_VALUES.items(), start=31):
        put(root, MAPS, suffix, voxels(seed, low=low, high=high).astype(np.float32), COMMON | {"Units": unit})
    label_map(root)
    (root / "sub-A" / "sub-A_sessions.tsv").write_text("session_id\nses-1\n")
    (root / "participants.tsv").write_text("participant_id\nsub-A\n")
    description = {"Name": "x", "Format": "ORMIR-MIDS", "Profile": "myofed-1"}
    (root / "dataset_description.json").write_text(json.dumps(description))
    (root / PIPELINE / "dataset_description.json").write_text(json.dumps(description | {"DatasetType": "derivative"}))
    (root / "README.md").write_text("Synthetic.\n")
    return root


def label_map(root: Path) -> None:
    """Two muscles on the T1w image."""
    put(root, LABELS, "T1w_dseg", drawn(), {"Profile": "myofed-1", "Labels": LABEL_NAMES})
    rows = "".join(f"{value}\t{name}\n" for value, name in LABEL_NAMES.items())
    (root / LABELS / f"{STEM}_T1w_dseg.tsv").write_text("index\tname\n" + rows)


def drawn() -> np.ndarray:
    """(4, 5, 3) int16 with both labels."""
    labels = np.zeros(SHAPE, dtype=np.int16)
    labels[1, 1, 1], labels[2, 2, 2] = 7101, 7102
    return labels
