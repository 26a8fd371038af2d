"""GE exports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import tiny
from pydicom import dcmread

from myofed_demo.dicom_ge import write_images, write_quarantine
from myofed_demo.exam import Exam
from myofed_demo.identities import make_hospital_identity, make_patient_identity
from myofed_demo.phantom import Subject, make_subject, subject_rng
from myofed_demo.presets import GE_3T


def visit() -> tuple[Exam, Subject]:
    """A patient and their images."""
    hospital = make_hospital_identity(np.random.default_rng(0))
    exam = Exam(hospital, make_patient_identity(hospital, np.random.default_rng(1)), "key")
    return exam, make_subject("control", tiny(GE_3T), subject_rng(1, hospital="x", subject=0))


def test_kind_of_image_stands_in_the_private_element(tmp_path: Path) -> None:
    """ImageType says OTHER; (0043,xx2F) of GEMS_PARM_01 says magnitude."""
    write_images(tmp_path, *visit())
    files = [dcmread(path) for path in tmp_path.rglob("*MRDC*")]
    assert files
    for file in files:
        assert file.ImageType[2] == "OTHER"
        assert file.private_block(0x0043, "GEMS_PARM_01")[0x2F].value == 0


def test_echoes_are_numbered_before_positions(tmp_path: Path) -> None:
    """Instances 1..3 are the three echoes of the first position: file order is no slice order."""
    write_images(tmp_path, *visit())
    files = sorted((dcmread(path) for path in tmp_path.rglob("*MRDC*")), key=lambda f: int(f.InstanceNumber))
    assert [float(f.EchoTime) for f in files[:3]] == list(GE_3T.echo_times_ms)
    assert len({tuple(f.ImagePositionPatient) for f in files[:3]}) == 1


def test_series_to_quarantine_repeats_one_echo_time(tmp_path: Path) -> None:
    """Every position comes three times with the same EchoTime and EchoNumbers."""
    written = write_quarantine(tmp_path, *visit())
    files = [dcmread(path) for path in tmp_path.rglob("*MRDC*")]
    assert written.files == 9
    assert {(float(f.EchoTime), int(f.EchoNumbers)) for f in files} == {(GE_3T.echo_times_ms[0], 1)}
    assert len({tuple(f.ImagePositionPatient) for f in files}) == 3
