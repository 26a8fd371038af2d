"""For every rule, what makes the good data set break it and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from broken.good import FOLDER, LABELS, MAPS, PIPELINE, SHAPE, STEM, drawn, echoes, voxels
from broken.nifti_writer import AFFINE, GOOD, Fields, comment_extension, write

Edit = Callable[[Path], object]
FREE = f"{STEM}_T2w"
"""An image that nothing else refers to."""
SHIFTED = AFFINE + np.array([[0, 0, 0, 1.0], [0] * 4, [0] * 4, [0] * 4])


def keys(stem: str, folder: Path = FOLDER, **changed: object) -> Edit:
    """Keys of a sidecar set, or taken out where None."""

    def edit(root: Path) -> None:
        path = root / folder / f"{STEM}_{stem}.json"
        content = json.loads(path.read_text()) | changed
        path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))

    return edit


def image(stem: str, values: np.ndarray, fields: Fields = GOOD, folder: Path = FOLDER) -> Edit:
    """The voxels and header of an image."""
    return lambda root: write(root / folder / f"{STEM}_{stem}.nii.gz", values, fields)


def headed(fields: Fields) -> Edit:
    """The T2w image with this header."""
    return image("T2w", voxels(3), fields)


def text(path: Path | str, content: str) -> Edit:
    """A file with this content."""

    def write_text(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)

    return write_text


def removed(*paths: Path) -> Edit:
    """These files gone."""
    return lambda root: [(root / path).unlink() for path in paths]


def renamed(stem: str, folder: Path = FOLDER) -> Edit:
    """The T2w image and its sidecar under another name."""

    def rename(root: Path) -> None:
        (root / folder).mkdir(exist_ok=True, parents=True)
        for ending in (".json", ".nii.gz"):
            (root / FOLDER / f"{FREE}{ending}").rename(root / folder / f"{stem}{ending}")

    return rename


def pair(folder: Path, stem: str) -> tuple[Path, Path]:
    """An image and its sidecar."""
    return folder / f"{STEM}_{stem}.nii.gz", folder / f"{STEM}_{stem}.json"


def emptied(root: Path) -> None:
    """No image, no label map, and tables that say so."""
    import shutil

    shutil.rmtree(root / "sub-A")
    shutil.rmtree(root / "derivatives")
    (root / "participants.tsv").write_text("participant_id\n")


def cut(root: Path) -> None:
    path = root / FOLDER / f"{FREE}.nii.gz"
    path.write_bytes(path.read_bytes()[:-6])


def linked(root: Path) -> None:
    (root / "elsewhere").symlink_to("/etc/hostname")


def in_sidecar(inserted: str) -> Edit:
    """Text put behind the first brace of a sidecar."""

    def insert(root: Path) -> None:
        path = root / FOLDER / f"{FREE}.json"
        path.write_text(path.read_text().replace("{", "{" + inserted, 1))

    return insert


def map_values(suffix: str, seed: int, low: float, high: float) -> Edit:
    scaled = voxels(seed).astype(np.float32) / 400 * (high - low) + low
    return image(suffix, scaled, folder=MAPS)


COMPLEX_STEMS = ("MEGRE", "part-real_MEGRE", "part-imag_MEGRE")
"""Without them the phase stands alone."""
MISPLACED = Fields(affine=AFFINE, offset=(11.0, 20.0, 30.0))
ONE_NAN = np.where(np.arange(60).reshape(SHAPE) == 7, np.nan, voxels(3)).astype(np.float32)
ONE_SURPLUS = np.where(np.arange(60).reshape(SHAPE) == 7, 5, drawn()).astype(np.int16)

BROKEN: dict[str, Edit] = {
    "DATASET_EMPTY": emptied,
    "DESCRIPTION_INVALID": text("dataset_description.json", '{"Format": "BIDS"}'),
    "PARTICIPANTS_MISMATCH": text("participants.tsv", "participant_id\nsub-B\n"),
    "PARTICIPANTS_COLUMN": text("participants.tsv", "participant_id\thand\nsub-A\tleft\n"),
    "SESSIONS_MISSING": removed(Path("sub-A", "sub-A_sessions.tsv")),
    "SESSIONS_MISMATCH": text("sub-A/sub-A_sessions.tsv", "session_id\nses-2\n"),
    "SESSIONS_COLUMN": text("sub-A/sub-A_sessions.tsv", "session_id\tdays\nses-1\t12\n"),
    "DERIVATIVE_DESCRIPTION": removed(PIPELINE / "dataset_description.json"),
    "NOT_A_FILE": lambda root: os.mkfifo(root / "pipe"),
    "LINK_INVALID": linked,
    "NAME_CLASH": text("readme.MD", "the same name on Windows"),
    "DATE_IN_NAME": lambda root: (root / PIPELINE / "scans-20261122").mkdir(),
    "FORBIDDEN_FILE": text(FOLDER / f"{STEM}_T1w_patient.json", '{"PatientName": "x"}'),
    "FILE_NOT_OF_PROFILE": text("sub-A/notes.txt", "hand-written"),
    "NAME_INVALID": text(FOLDER / "003_T1w.json", "{}"),
    "SUFFIX_UNKNOWN": renamed(f"{STEM}_PDw"),
    "FOLDER_MISMATCH": renamed(FREE, MAPS),
    "SESSION_MISSING": renamed("sub-A_T2w"),
    "SERIES_NUMBER_PREFIX": renamed(f"003_{FREE}"),
    "ENTITY_UNKNOWN": renamed(f"{STEM}_echo-1_T2w"),
    "SUFFIX_SPELLING": renamed(f"{STEM}_t2w"),
    "SUFFIX_NOT_IN_PROFILE": renamed(f"{STEM}_MEGRE_RECO", MAPS),
    "SIDECAR_MISSING": removed(FOLDER / f"{FREE}.json"),
    "IMAGE_MISSING": removed(FOLDER / f"{FREE}.nii.gz"),
    "SIDECAR_INVALID": text(FOLDER / f"{FREE}.json", "[1]"),
    "JSON_DUPLICATE_KEY": in_sidecar('"Units": "arbitrary",'),
    "JSON_NOT_A_NUMBER": in_sidecar('"SomeNumber": NaN,'),
    "IDENTIFYING_KEY": keys("T2w", Nested=[{"PatientName": "x"}]),
    "DATE_FOUND": keys("T2w", Something="on 2026-11-22 at noon"),
    "FOREIGN_UID": keys("T2w", Something="1.3.12.2.1107.5.2.19.45152"),
    "IMAGE_UNREADABLE": cut,
    "AFFINE_INVALID": headed(Fields(sform_code=0, qform_code=0)),
    "SFORM_QFORM": headed(MISPLACED),
    "SPACING_MISMATCH": headed(Fields(spacing=(2.003, 2.0, 6.0))),
    "SPACE_UNIT": headed(Fields(xyzt_units=3)),
    "DATE_IN_HEADER": headed(Fields(texts={"descrip": b"TE=12;Time=20261122101500"})),
    "HEADER_TEXT": headed(Fields(texts={"aux_file": b"third visit"})),
    "HEADER_EXTENSION": headed(Fields(extension=comment_extension(b"third visit"))),
    "IMAGE_DIGEST": keys("T2w", Provenance={"ImageDigest": "0" * 64}),
    "PROFILE_MISSING": keys("T2w", Profile=None),
    "NDIM": image("T2w", voxels(3)[..., None]),
    "VALUES_NOT_FINITE": image("T2w", ONE_NAN),
    "VALUES_ALL_EQUAL": image("T2w", np.full(SHAPE, 7, dtype=np.int16)),
    "IMAGE_DUPLICATE": image("T2w", voxels(1)),
    "PHASE_RANGE": image("part-phase_MEGRE", echoes(23, 2).astype(np.float32)),
    "PART_GRID": image("part-phase_MEGRE", (echoes(23, 2) / 200.0).astype(np.float32), Fields(affine=SHIFTED)),
    "PART_ECHOES": keys("part-phase_MEGRE", EchoTime=[2.3, 4.7]),
    "PART_INCOMPLETE": removed(*pair(FOLDER, "part-imag_MEGRE")),
    "PART_WITHOUT_MAGNITUDE": removed(*(path for stem in COMPLEX_STEMS for path in pair(FOLDER, stem))),
    "MESE_DECAY": image("MESE", echoes(21, 5)[..., [0, 1, 3, 2, 4]]),
    "FF_RANGE": map_values("FF", 31, 0.0, 0.6),
    "T2_RANGE": map_values("T2", 33, 0.03, 0.06),
    "T1_RANGE": map_values("T1", 32, 0.9, 1.5),
    "T2STAR_RANGE": map_values("T2star", 35, 0.015, 0.04),
    "R2STAR_RANGE": map_values("R2star", 36, 0.03, 0.07),
    "B0_RANGE": map_values("B0", 37, -1.6, 1.2),
    "B1_RANGE": map_values("B1", 38, 0.6, 1.2),
    "UNITS_MISMATCH": keys("T2", MAPS, Units="s"),
    "ECHO_TIME_MISSING": keys("T2w", EchoTime=None),
    "ECHO_TIME_UNIT": keys("T2w", EchoTime=0.012),
    "MEGRE_ECHO_RANGE": lambda root: [keys(s, EchoTime=[2.3, 80.0])(root) for s in MEGRE_STEMS],
    "MESE_ECHO_RANGE": keys("MESE", EchoTime=[2.0, 4.0, 6.0, 8.0, 10.0]),
    "ECHO_COUNT": lambda root: [keys(s, EchoTime=[2.3, 4.6, 6.9])(root) for s in MEGRE_STEMS],
    "ECHO_ORDER": lambda root: [keys(s, EchoTime=[4.6, 2.3])(root) for s in MEGRE_STEMS],
    "MESE_TRAIN": keys("MESE", EchoTime=[10.0, 20.0, 30.0, 40.0, 90.0]),
    "FOURTH_DIMENSION": keys("MEGRE", FourthDimension=None),
    "REPETITION_TIME_MISSING": keys("T2w", RepetitionTime=None),
    "MAP_REPETITION_TIME": keys("T2", MAPS, RepetitionTime=None),
    "REPETITION_TIME_SHORT": keys("T2w", RepetitionTime=0.6),
    "INVERSION_TIME_UNIT": keys("T2w-FS", InversionTime=0.22),
    "FLIP_ANGLE_MISSING": keys("T2w", FlipAngle=None),
    "FLIP_ANGLE_RANGE": keys("T2w", FlipAngle=200.0),
    "REFOCUSING_FLIP_ANGLE": keys("MESE", RefocusingFlipAngle=2.8),
    "NUMBER_TYPE": keys("T2w", SliceThickness="6"),
    "FIELD_STRENGTH_RANGE": keys("T2w", MagneticFieldStrength=30000.0, ImagingFrequency=None),
    "FIELD_FREQUENCY": keys("T2w", ImagingFrequency=63.9),
    "WATER_FAT_SHIFT": keys("MEGRE", WaterFatShift=3.0),
    "DESS_SEQUENCE": keys("DESS-FID", PulseSequenceType="Steady state"),
    "READOUT_MODE": keys("MEGRE", ReadoutMode="unipolar"),
    "PRECESSION_DIRECTION": keys("T2w", PrecessionDirection="Clockwise"),
    "PHASE_ENCODING_DIRECTION": keys("T2w", PhaseEncodingDirection="j-"),
    "ANATOMICAL_LEVEL": keys("T1w", AnatomicalLevel={"Bone": "femur", "PercentOfLength": [40.0, 45.0]}),
    "LABELS_MISSING": keys("T1w_dseg", LABELS, Labels=None),
    "LABEL_TABLE_MISSING": removed(LABELS / f"{STEM}_T1w_dseg.tsv"),
    "LABEL_NAME_UNKNOWN": keys("T1w_dseg", LABELS, Labels={"7101": "left vastus lateralis", "7102": "muscle"}),
    "LABEL_NOT_INTEGER": image("T1w_dseg", drawn().astype(np.float32), folder=LABELS),
    "LABEL_VALUE_UNKNOWN": image("T1w_dseg", ONE_SURPLUS, folder=LABELS),
    "LABEL_IMAGE_MISSING": removed(*pair(FOLDER, "T1w")),
    "LABEL_GRID": image("T1w_dseg", drawn()[..., 1:], folder=LABELS),
}
MEGRE_STEMS = ("MEGRE", "part-phase_MEGRE", "part-real_MEGRE", "part-imag_MEGRE")
