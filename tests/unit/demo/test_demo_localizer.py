"""Series beside the images of interest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import tiny
from pydicom import dcmread
from pydicom.uid import SecondaryCaptureImageStorage

from myofed_demo.exam import Exam
from myofed_demo.identities import make_hospital_identity, make_patient_identity
from myofed_demo.localizer import write_localizer, write_screen_capture
from myofed_demo.phantom import Subject, make_subject, subject_rng
from myofed_demo.presets import GE_3T


def visit() -> tuple[Exam, Subject]:
    """A patient and their images."""
    hospital = make_hospital_identity(np.random.default_rng(0))
    exam = Exam(hospital, make_patient_identity(hospital, np.random.default_rng(1)), "key")
    return exam, make_subject("control", tiny(GE_3T), subject_rng(1, hospital="x", subject=0))


def test_localizer_has_three_planes_in_one_series(tmp_path: Path) -> None:
    """Three files of one series, each in another orientation."""
    written = write_localizer(tmp_path, *visit())
    files = [dcmread(path) for path in tmp_path.rglob("*.dcm")]
    assert (written.kind, written.files, len(files)) == ("localizer", 3, 3)
    assert {str(f.SeriesInstanceUID) for f in files} == {written.series_instance_uid}
    assert len({tuple(str(v) for v in f.ImageOrientationPatient) for f in files}) == 3


def test_screen_capture_says_that_text_is_burned_in(tmp_path: Path) -> None:
    """It is a secondary capture with BurnedInAnnotation YES."""
    written = write_screen_capture(tmp_path, *visit())
    file = dcmread(tmp_path / "screen_save.dcm")
    assert written.kind == "screen-capture"
    assert file.SOPClassUID == SecondaryCaptureImageStorage
    assert file.BurnedInAnnotation == "YES"
