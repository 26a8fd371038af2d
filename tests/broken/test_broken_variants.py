"""Other ways to break a rule than the one of its data set, and what comes close without breaking it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from broken.good import FOLDER, LABELS, LEVEL, MAPS, STEM, drawn, echoes, voxels
from broken.nifti_writer import AFFINE, GOOD, Fields, header_bytes, nifti, write
from broken.sets import BROKEN, SHIFTED, Edit, headed, image, keys, pair, removed, text
from myofed_node.mids.validation.bounded_read import UnreadableError, read_text
from myofed_node.mids.validation.dataset_view import DatasetView, NiftiView
from myofed_node.mids.validation.nifti_header import DamagedNiftiError, decode_header
from myofed_node.mids.validation.nifti_scan import read_preamble
from myofed_node.mids.validation.validate import validate

LANDMARK = {"Landmark": "tibial plateau", "DistanceToLandmark": [-80.0, -86.0, -92.0]}
PHASE = (echoes(23, 2) / 400.0 * np.pi).astype(np.float32)

BREACHES: list[tuple[str, Edit, str]] = [
    ("SFORM_QFORM", headed(Fields(sform_code=0)), "sform_code 0"),
    ("SFORM_QFORM", headed(Fields(qform_code=0)), "qform_code 0"),
    ("SFORM_QFORM", headed(Fields(quaternion=(0.9, 0.9, 0.9))), "no rotation"),
    ("SFORM_QFORM", headed(Fields(handed=-1.0)), "mm apart"),
    ("AFFINE_INVALID", headed(Fields(affine=np.diag([0.0, 2, 6, 1]))), "singular"),
    ("AFFINE_INVALID", headed(Fields(affine=AFFINE * np.nan)), "infinite"),
    ("AFFINE_INVALID", headed(Fields(affine=AFFINE[[0, 0, 2, 3]])), "singular"),
    ("SPACE_UNIT", headed(Fields(xyzt_units=7)), "undefined"),
    ("DATE_IN_HEADER", headed(Fields(extension=b"2026-11-22".ljust(16))), "an extension"),
    ("MESE_TRAIN", keys("MESE", EchoTime=[10.0, 20.0]), "found 2"),
    ("MESE_DECAY", image("MESE", echoes(21, 5)[..., ::-1]), "as bright as the first"),
    ("MESE_DECAY", image("MESE", echoes(21, 5)[..., [1, 2, 0, 3, 4]]), "echo 3 brighter than echo 2"),
    ("PART_GRID", image("part-phase_MEGRE", PHASE[..., :1]), "another shape"),
    ("PART_ECHOES", keys("part-phase_MEGRE", EchoTime=[2.3, 4.6, 6.9]), "2.3, 4.6, 6.9 and 2.3, 4.6"),
    ("PART_INCOMPLETE", removed(*pair(FOLDER, "part-real_MEGRE")), "no real"),
    ("ANATOMICAL_LEVEL", keys("T1w", AnatomicalLevel=LANDMARK | {"Bone": "femur"}), "another form"),
    ("ANATOMICAL_LEVEL", keys("T1w", AnatomicalLevel=[40.0]), "another form"),
    ("ANATOMICAL_LEVEL", keys("T1w", AnatomicalLevel=LEVEL | {"PercentOfLength": [1e999] * 3}), "no number"),
    ("ANATOMICAL_LEVEL", keys("T1w", AnatomicalLevel=LANDMARK | {"DistanceToLandmark": [1.0]}), "1 numbers for 3"),
    ("READOUT_MODE", keys("MEGRE", ReadoutMode=["Monopolar"]), "another value"),
    ("READOUT_MODE", keys("MESE", ReadoutMode="Monopolar"), "one beside MESE"),
    ("PRECESSION_DIRECTION", keys("MEGRE", PrecessionDirection="left"), "another value"),
    ("REFOCUSING_FLIP_ANGLE", keys("MESE", RefocusingFlipAngle=[160.0, 320.0]), "320"),
    ("NUMBER_TYPE", keys("T2w", PixelBandwidth=[260.0, "x"]), "PixelBandwidth"),
    ("NUMBER_TYPE", keys("T2w", SliceThickness=[]), "SliceThickness"),
    ("UNITS_MISMATCH", keys("part-phase_MEGRE", Units=None), "no rad"),
    ("UNITS_MISMATCH", keys("T2w", Units="ms"), "no arbitrary"),
    ("ECHO_TIME_MISSING", keys("T2w", EchoTime="12"), "none"),
    ("ECHO_TIME_UNIT", keys("T2w", EchoTime=12000.0), "12000"),
    ("ECHO_TIME_UNIT", keys("MESE", EchoTime=[n / 100 for n in range(1, 11)]), "and 2 more"),
    ("IDENTIFYING_KEY", text("sub-A/sub-A_sessions.tsv", "session_id\tage\nses-1\t61\n"), "age"),
    ("LABEL_TABLE_MISSING", text(LABELS / f"{STEM}_T1w_dseg.tsv", "index\n7101\n"), "other values"),
    ("LABEL_TABLE_MISSING", text(LABELS / f"{STEM}_T1w_dseg.tsv", "index\n7101\n7102\n7102\n"), "other values"),
    ("LABEL_NOT_INTEGER", image("T1w_dseg", drawn(), Fields(slope=1.0, inter=0.0001), LABELS), "a scaling"),
    ("LABEL_GRID", image("T1w_dseg", drawn(), Fields(affine=SHIFTED, offset=(10, 20, 30)), LABELS), "1 mm apart"),
    ("B0_RANGE", image("B0", voxels(37).astype(np.float32) * 100, folder=MAPS), "40000"),
    ("VALUES_ALL_EQUAL", image("T2w", np.zeros((4, 5, 3), np.int16)), "0 everywhere"),
    ("PARTICIPANTS_MISMATCH", removed(Path("participants.tsv")), "no table"),
    ("PARTICIPANTS_COLUMN", text("participants.tsv", "subject\nsub-A\n"), "another first column"),
    ("PARTICIPANTS_MISMATCH", text("participants.tsv", "participant_id\nsub-A\nsub-A\n"), "other rows"),
    ("DESCRIPTION_INVALID", text("dataset_description.json", "[]"), "no such JSON object"),
    ("DERIVATIVE_DESCRIPTION", text("derivatives/labels/dataset_description.json", "{}"), "another format"),
    ("FILE_NOT_OF_PROFILE", text("code/run.sh", "x"), "another file"),
    ("FORBIDDEN_FILE", text("derivatives/labels/IM1.DCM", "x"), ".dcm"),
]


@pytest.mark.parametrize(("code", "edit", "said"), BREACHES)
def test_other_breach_is_found_and_says_what_it_found(dataset: Path, code: str, edit: Edit, said: str) -> None:
    """The same code, with words or a number of its own."""
    edit(dataset)
    messages = {finding.code: finding.message for finding in validate(dataset).findings}
    assert said in messages[code]


CLOSE: list[Edit] = [
    keys("T1w", AnatomicalLevel=LANDMARK),
    keys("T1w", AnatomicalLevel=LANDMARK | LEVEL),
    keys("T2w", InversionTime=0),
    keys("T2w", SliceThickness=[6.0, 6.0, 6.0]),
    keys("T2w", Units=None),
    keys("MEGRE", PrecessionDirection="Counter-clockwise", ReadoutMode="bipolar"),
    keys("MEGRE", PixelBandwidth=0.0),
    keys("MESE", EchoTime=[10.1, 20.1, 30.1, 40.1, 50.1]),
    keys("part-phase_MEGRE", EchoTime=[2.3001, 4.6]),
    keys("FF", MAPS, EchoTime=None),
    keys("T2w", FlipAngle=180, MagneticFieldStrength=2.89),
    removed(*pair(FOLDER, "MEGRE")),
    headed(Fields(order=">")),
    headed(Fields(handed=0.0)),
    headed(Fields(affine=AFFINE + np.array([[0, 0, 0, 0.005], [0] * 4, [0] * 4, [0] * 4]))),
    image("MESE", echoes(21, 5)[..., [1, 0, 2, 3, 4]]),
    image("T1", np.where(drawn() > 0, 0, voxels(32, low=900, high=1500)).astype(np.float32), folder=MAPS),
    text("CHANGES", "1.0 first"),
    text("derivatives/labels/anything.xyz", "x"),
    text(".hidden/20261122.dcm", "x"),
    lambda root: (root / "sub-B" / "ses-1").mkdir(parents=True),
]


@pytest.mark.parametrize("edit", CLOSE)
def test_what_comes_close_breaks_nothing(dataset: Path, edit: Edit) -> None:
    """A rule that cries wolf is switched off; each of these is right, or within what the rule allows."""
    edit(dataset)
    assert validate(dataset).findings == ()


def test_digest_of_the_image_is_that_of_the_file(dataset: Path) -> None:
    """A file that is the converted one has no finding."""
    digest = NiftiView(DatasetView(dataset), FOLDER / f"{STEM}_T2w.nii.gz").sha256
    keys("T2w", Provenance={"ImageDigest": digest})(dataset)
    assert validate(dataset).findings == ()


def test_copies_are_told_but_the_first(dataset: Path) -> None:
    """By the voxels, whatever the compression and the header say."""
    for stem in ("T2w", "WAT"):
        write(dataset / FOLDER / f"{STEM}_{stem}.nii.gz", voxels(1), Fields(affine=AFFINE, texts={}))
    findings = validate(dataset).findings
    assert [finding.code for finding in findings] == ["IMAGE_DUPLICATE"] * 2
    assert all(f"{STEM}_T1w.nii.gz" in finding.message for finding in findings)


def test_two_breaches_are_two_findings(dataset: Path) -> None:
    """One does not hide the other."""
    for code in ("ECHO_TIME_UNIT", "WATER_FAT_SHIFT", "LABELS_MISSING"):
        BROKEN[code](dataset)
    assert {finding.code for finding in validate(dataset).findings} == {
        "ECHO_TIME_UNIT",
        "WATER_FAT_SHIFT",
        "LABELS_MISSING",
    }


def test_bits_that_do_not_fit_the_type_are_damage() -> None:
    """One flipped bit makes integers of floats; the second field gives it away."""
    block = bytearray(header_bytes(voxels(1)))
    block[72] = 32
    with pytest.raises(DamagedNiftiError, match="bitpix"):
        decode_header(bytes(block))


def test_one_and_two_dimensions_are_read_and_refused_as_images(dataset: Path) -> None:
    """A plane is no volume; its label map cannot lie on it."""
    for stem, folder in (("T1w", FOLDER), ("T1w_dseg", LABELS), ("MEGRE", FOLDER), ("part-phase_MEGRE", FOLDER)):
        write(dataset / folder / f"{STEM}_{stem}.nii.gz", voxels(1)[0], GOOD)
    codes = {finding.code for finding in validate(dataset).findings}
    assert {"NDIM", "LABEL_VALUE_UNKNOWN"} <= codes
    assert "LABEL_GRID" not in codes


def test_disk_error_is_told_as_such() -> None:
    """/proc/self/mem is a regular file of which the first byte cannot be read."""
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_text(Path("/proc/self/mem"))
    with pytest.raises(DamagedNiftiError, match="cannot be read"):
        read_preamble(Path("/proc/self/mem"))
    assert NiftiView(DatasetView(Path("/proc/self")), Path("mem")).sha256 == ""


def test_writer_of_these_tests_writes_what_it_is_told() -> None:
    """Three hundred and fifty-two bytes and the voxels, first axis fastest."""
    content = nifti(voxels(1))
    assert len(content) == 352 + 120
    assert content[344:348] == b"n+1\0"
    assert np.frombuffer(content[352:], "<i2")[1] == voxels(1)[1, 0, 0]
