"""Synthetic patients as arrays."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np

from myofed_demo.phantom import Subject, in_phase, make_subject, slice_levels_percent, subject_rng
from myofed_demo.scanner import ScannerPreset
from myofed_schemas.anatomy import THIGH_11, Side, muscle, muscle_of_label_value


def subject_of(preset: ScannerPreset, *, number: int = 0) -> Subject:
    """A control of this scanner."""
    return make_subject("control", preset, subject_rng(1, hospital="x", subject=number))


def digest(subject: Subject) -> str:
    """One digest over everything random."""
    return hashlib.sha256(subject.labels.tobytes() + subject.echoes.tobytes()).hexdigest()


def test_same_seed_gives_the_same_patient_in_another_process(preset: ScannerPreset) -> None:
    """Nothing depends on Python's hash seed, the clock or the process."""
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from conftest import tiny\nfrom test_demo_phantom import *\nfrom myofed_demo.presets import PRESETS\n"
        f"print(digest(subject_of(tiny(PRESETS[{preset.name!r}]))))"
    )
    here = __file__.rsplit("/", 1)[0]
    child = subprocess.run([sys.executable, "-c", code, here], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == digest(subject_of(preset))


def test_subjects_and_hospitals_are_unrelated() -> None:
    """Another number, hospital or seed gives another generator."""
    first = subject_rng(1, hospital="a", subject=2).integers(2**60)
    others = [
        subject_rng(*a, hospital=h, subject=s).integers(2**60)
        for a, h, s in (((2,), "a", 2), ((1,), "b", 2), ((1,), "a", 3))
    ]
    assert first not in others


def test_contrast_is_never_inverted(preset: ScannerPreset) -> None:
    """In phase the subcutaneous fat is brighter than muscle, in every quadrant of the body (so not by the coil)."""
    subject = subject_of(preset)
    image = in_phase(subject)
    fat = subject.fat_fraction_percent > 88
    lean = (subject.labels > 0) & (subject.fat_fraction_percent < 20)
    for columns in (slice(None, image.shape[0] // 2), slice(image.shape[0] // 2, None)):
        for rows in (slice(None, image.shape[1] // 2), slice(image.shape[1] // 2, None)):
            part = np.zeros(image.shape, dtype=bool)
            part[columns, rows] = True
            assert np.median(image[lean & part]) < np.median(image[fat & part])


def test_right_thigh_is_at_negative_x_in_patient_coordinates(preset: ScannerPreset) -> None:
    """LPS: patient right is negative x; a mirrored phantom would swap the sides."""
    subject = subject_of(preset)
    for value in np.unique(subject.labels[subject.labels > 0]):
        _, side = muscle_of_label_value(int(value))
        centre = np.argwhere(subject.labels == value).mean(axis=0)
        x_mm = (subject.affine_lps @ [*centre, 1])[0]
        assert (x_mm < 0) == (side is Side.RIGHT)


def test_front_of_the_thigh_is_towards_the_first_rows(preset: ScannerPreset) -> None:
    """Rectus femoris lies anterior of semitendinosus: at smaller y (LPS)."""
    subject = subject_of(preset)
    for side in Side:
        front, back = (np.argwhere(subject.labels == muscle(m).label_value(side)).mean(axis=0)[1] for m in ("RF", "ST"))
        assert front < back


def test_all_muscles_are_there_on_both_sides(preset: ScannerPreset) -> None:
    """All 22 values appear; biceps femoris short head ends distally, so it may lack in proximal slices only."""
    found = set(np.unique(subject_of(preset).labels).tolist()) - {0}
    assert found == {muscle(name).label_value(side) for name in THIGH_11 for side in Side}


def test_labels_and_echoes_share_the_grid(preset: ScannerPreset) -> None:
    """Shapes agree with the preset, the spacing with the affine."""
    subject = subject_of(preset)
    assert subject.labels.shape == subject.fat_fraction_percent.shape == preset.shape
    assert subject.echoes.shape == (*preset.shape, len(preset.echo_times_ms))
    assert np.linalg.norm(subject.affine_lps[:3, :3], axis=0).tolist() == list(subject.spacing_mm)


def test_body_fits_into_the_field_of_view(preset: ScannerPreset) -> None:
    """No tissue touches the left or right edge of the image."""
    for number in range(4):
        tissue = np.isfinite(subject_of(preset, number=number).fat_fraction_percent)
        assert not tissue[0].any()
        assert not tissue[-1].any()


def test_diseased_muscle_is_fatter_than_spared_muscle(preset: ScannerPreset) -> None:
    """In LGMDR1-like the adductor magnus holds more fat than the gracilis."""
    subject = make_subject("LGMDR1-like", preset, subject_rng(1, hospital="x", subject=5))

    def median_percent(name: str) -> float:
        return float(np.nanmedian(subject.fat_fraction_percent[subject.labels == muscle(name).label_value(Side.LEFT)]))

    assert median_percent("AM") > median_percent("GR") + 10


def test_slices_go_from_distal_to_proximal(preset: ScannerPreset) -> None:
    """Levels ascend with the slice index, as z does."""
    levels = slice_levels_percent(preset, shift_percent=0.0)
    assert list(levels) == sorted(levels)
    assert levels[0] == preset.lowest_level_percent
