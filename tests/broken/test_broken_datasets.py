"""For every rule one data set that breaks it and finds its code; and the good one, which finds nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from myofed_node.mids.nifti import write_nifti
from myofed_node.mids.validate import rules, validate

STEM = "sub-A_ses-1"
FOLDER = Path("sub-A", "ses-1", "mr-anat")
MAPS = Path("sub-A", "ses-1", "mr-quant")
LABELS = Path("derivatives", "labels") / FOLDER
SHAPE = (4, 5, 3)
COMMON: dict[str, object] = {
    "Profile": "myofed-1",
    "EchoTime": 12.0,
    "RepetitionTime": 600.0,
    "FlipAngle": 90.0,
    "MagneticFieldStrength": 3.0,
    "ImagingFrequency": 123.25,
}
STACKED: dict[str, object] = COMMON | {
    "EchoTime": [2.3, 4.6],
    "RepetitionTime": 100.0,
    "FlipAngle": 15.0,
    "FourthDimension": "EchoTime",
    "PixelBandwidth": 260.0,
    "WaterFatShift": 3.35 * 123.25 / 260,
}
AFFINE = np.asarray([[-2.0, 0, 0, 10], [0, -2.0, 0, 20], [0, 0, 6.0, 30], [0, 0, 0, 1]])


def put(root: Path, folder: Path, stem: str, values: np.ndarray, sidecar: dict[str, object]) -> None:
    write_nifti(root / folder / f"{stem}.nii.gz", values, AFFINE)
    (root / folder / f"{stem}.json").write_text(json.dumps(sidecar))


def good(root: Path) -> Path:
    """A T1w, a MEGRE with phase, a MESE, a fat fraction and a label map, all as the profile wants them."""
    image = np.arange(60, dtype=np.int16).reshape(SHAPE)
    echoes = np.stack([image, image // 2], axis=3)
    put(root, FOLDER, f"{STEM}_T1w", image, COMMON)
    put(root, FOLDER, f"{STEM}_MEGRE", echoes, STACKED)
    put(root, FOLDER, f"{STEM}_part-phase_MEGRE", (echoes / 60.0).astype(np.float32), STACKED)
    put(root, FOLDER, f"{STEM}_MESE", echoes, STACKED | {"EchoTime": [10.0, 20.0], "WaterFatShift": None})
    put(root, MAPS, f"{STEM}_FF", image.astype(np.float32), COMMON)
    labels = np.zeros(SHAPE, dtype=np.int16)
    labels[1, 1, 1], labels[2, 2, 2] = 7101, 7102
    names = {"7101": "left vastus lateralis", "7102": "right vastus lateralis"}
    put(root, LABELS, f"{STEM}_T1w_dseg", labels, {"Labels": names})
    (root / LABELS / f"{STEM}_T1w_dseg.tsv").write_text(
        "index\tname\n" + "".join(f"{v}\t{n}\n" for v, n in names.items())
    )
    (root / "participants.tsv").write_text("participant_id\nsub-A\n")
    (root / "dataset_description.json").write_text(json.dumps({"Format": "ORMIR-MIDS", "Profile": "myofed-1"}))
    return root


def edit(root: Path, stem: str, folder: Path = FOLDER, **keys: object) -> None:
    """Keys of a sidecar set, or taken out where None."""
    path = root / folder / f"{stem}.json"
    content = json.loads(path.read_text()) | keys
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def t1w(**keys: object) -> Callable[[Path], None]:
    return lambda root: edit(root, f"{STEM}_T1w", **keys)


def megre(**keys: object) -> Callable[[Path], None]:
    return lambda root: edit(root, f"{STEM}_MEGRE", **keys)


def image(stem: str, values: np.ndarray, folder: Path = FOLDER) -> Callable[[Path], object]:
    return lambda root: write_nifti(root / folder / f"{STEM}_{stem}.nii.gz", values, AFFINE)


def text(path: Path | str, content: str) -> Callable[[Path], object]:
    def write(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)

    return write


def header(stem: str, change: Callable[[nib.nifti1.Nifti1Image], object]) -> Callable[[Path], object]:
    def write(root: Path) -> None:
        path = root / FOLDER / f"{STEM}_{stem}.nii.gz"
        made = nib.nifti1.Nifti1Image(np.asanyarray(nib.load(path).dataobj), AFFINE)
        made.header.set_xyzt_units("mm")
        change(made)
        path.write_bytes(gzip.compress(made.to_bytes()))

    return write


def empty(root: Path) -> None:
    for path in root.rglob("*.nii.gz"):
        path.unlink()


def moved(root: Path) -> None:
    (root / MAPS).mkdir(exist_ok=True)
    for ending in (".json", ".nii.gz"):
        (root / FOLDER / f"{STEM}_T1w{ending}").rename(root / MAPS / f"{STEM}_T1w{ending}")


def with_qform(affine: np.ndarray) -> Callable[[nib.nifti1.Nifti1Image], None]:
    def change(made: nib.nifti1.Nifti1Image) -> None:
        made.set_sform(AFFINE, code=1)
        made.set_qform(affine, code=1)

    return change


ONES = np.ones(SHAPE, dtype=np.int16)
NAN = np.full(SHAPE, np.nan, dtype=np.float32)
SHIFTED = AFFINE + np.asarray([[0, 0, 0, 1.0], [0] * 4, [0] * 4, [0] * 4])

BROKEN: dict[str, Callable[[Path], object]] = {
    "DATASET_EMPTY": empty,
    "DESCRIPTION_INVALID": text("dataset_description.json", '{"Format": "BIDS"}'),
    "PARTICIPANTS_MISMATCH": text("participants.tsv", "participant_id\nsub-B\n"),
    "PARTICIPANTS_COLUMN": text("participants.tsv", "participant_id\tname\nsub-A\tMax\n"),
    "FORBIDDEN_FILE": text(FOLDER / f"{STEM}_T1w_patient.json", "{}"),
    "NAME_INVALID": text(FOLDER / "003_T1w.json", "{}"),
    "FOLDER_MISMATCH": moved,
    "SIDECAR_MISSING": lambda root: (root / FOLDER / f"{STEM}_T1w.json").unlink(),
    "IMAGE_MISSING": lambda root: (root / FOLDER / f"{STEM}_T1w.nii.gz").unlink(),
    "SIDECAR_INVALID": text(FOLDER / f"{STEM}_T1w.json", "[1]"),
    "IDENTIFYING_KEY": t1w(Nested={"PatientName": "x"}),
    "DATE_FOUND": t1w(Something="2026-11-22"),
    "IMAGE_UNREADABLE": text(FOLDER / f"{STEM}_T1w.nii.gz", "no image"),
    "IMAGE_DIGEST": t1w(Provenance={"ImageDigest": "0" * 64}),
    "PROFILE_MISSING": t1w(Profile=None),
    "NDIM": image("MEGRE", ONES),
    "AFFINE_INVALID": header("T1w", lambda made: made.set_sform(np.diag([0, 0, 0, 1.0]), code=1)),
    "SFORM_QFORM": header("T1w", with_qform(SHIFTED)),
    "SPACE_UNIT": header("T1w", lambda made: (made.set_qform(AFFINE, code=1), made.header.set_xyzt_units("micron"))),
    "VALUES_NOT_FINITE": image("T1w", NAN),
    "PHASE_RANGE": image("part-phase_MEGRE", np.full((*SHAPE, 2), 4.0, dtype=np.float32)),
    "FF_RANGE": image("FF", np.full(SHAPE, 0.4, dtype=np.float32), MAPS),
    "ECHO_TIME_MISSING": t1w(EchoTime=None),
    "ECHO_TIME_UNIT": t1w(EchoTime=0.012),
    "MEGRE_ECHO_RANGE": megre(EchoTime=[2.3, 80.0]),
    "MESE_ECHO_RANGE": lambda root: edit(root, f"{STEM}_MESE", EchoTime=[1.0, 2.0]),
    "ECHO_COUNT": megre(EchoTime=[2.3, 4.6, 6.9]),
    "ECHO_ORDER": megre(EchoTime=[4.6, 2.3]),
    "FOURTH_DIMENSION": megre(FourthDimension=None),
    "REPETITION_TIME_MISSING": t1w(RepetitionTime=None),
    "REPETITION_TIME_SHORT": t1w(RepetitionTime=0.6),
    "FLIP_ANGLE_MISSING": t1w(FlipAngle=None),
    "FLIP_ANGLE_RANGE": t1w(FlipAngle=200.0),
    "FIELD_STRENGTH_RANGE": t1w(MagneticFieldStrength=30000.0, ImagingFrequency=None),
    "FIELD_FREQUENCY": t1w(ImagingFrequency=63.9),
    "WATER_FAT_SHIFT": megre(WaterFatShift=3.0),
    "LABEL_TABLE_MISSING": lambda root: (root / LABELS / f"{STEM}_T1w_dseg.tsv").unlink(),
    "LABEL_NAME_UNKNOWN": lambda root: edit(
        root, f"{STEM}_T1w_dseg", LABELS, Labels={"7101": "left vastus lateralis", "7102": "muscle"}
    ),
    "LABEL_NOT_INTEGER": image("T1w_dseg", (ONES * 7101).astype(np.float32), LABELS),
    "LABEL_VALUE_UNKNOWN": image("T1w_dseg", ONES, LABELS),
    "LABEL_IMAGE_MISSING": lambda root: (root / FOLDER / f"{STEM}_T1w.nii.gz").unlink(),
    "LABEL_GRID": image("T1w_dseg", np.full((4, 5, 2), 7101, dtype=np.int16), LABELS),
}


def test_every_rule_has_a_broken_data_set() -> None:
    """0 rules without an example that breaks them, 0 examples without a rule."""
    assert set(BROKEN) == {rule.code for rule in rules().rules}


@pytest.mark.parametrize("code", sorted(BROKEN))
def test_broken_data_set_finds_its_code(tmp_path: Path, code: str) -> None:
    """The rule sees its own breach, at the level the rule states."""
    BROKEN[code](good(tmp_path))
    found = {finding.code: finding for finding in validate(tmp_path).findings}
    assert code in found
    rule = {rule.code: rule for rule in rules().rules}[code]
    assert (found[code].level, found[code].source) == (rule.level, rule.source)
    assert not Path(found[code].path).is_absolute()


def test_good_data_set_finds_nothing(tmp_path: Path) -> None:
    """Every rule was asked, and none was broken."""
    report = validate(good(tmp_path))
    assert report.findings == ()
    assert report.images == 5
    assert report.conforms
