"""Siemens exports."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny
from pydicom import dcmread

from myofed_demo.dicom_siemens import csa_header, write_images, write_quarantine
from myofed_demo.exam import Exam
from myofed_demo.identities import make_hospital_identity, make_patient_identity
from myofed_demo.phantom import Subject, make_subject, subject_rng
from myofed_demo.presets import SIEMENS_3T, SIEMENS_3T_DIXON
from myofed_demo.scanner import ScannerPreset


def visit(preset: ScannerPreset) -> tuple[Exam, Subject]:
    """A patient and their images."""
    hospital = make_hospital_identity(np.random.default_rng(0))
    exam = Exam(hospital, make_patient_identity(hospital, np.random.default_rng(1)), "key")
    return exam, make_subject("control", tiny(preset), subject_rng(1, hospital="x", subject=0))


def test_all_echoes_are_in_one_series_with_one_echo_time_a_file(tmp_path: Path) -> None:
    """Six echoes at three positions are 18 files of one series, magnitude, without rescale."""
    (written,) = write_images(tmp_path, *visit(SIEMENS_3T))
    files = [dcmread(path) for path in tmp_path.rglob("*.IMA")]
    assert written.files == len(files) == 18
    assert {str(f.SeriesInstanceUID) for f in files} == {written.series_instance_uid}
    assert {float(f.EchoTime) for f in files} == set(SIEMENS_3T.echo_times_ms)
    assert {tuple(f.ImageType) for f in files} == {("ORIGINAL", "PRIMARY", "M", "ND")}
    assert not any("RescaleSlope" in f for f in files)


def test_dixon_products_are_series_of_their_own(tmp_path: Path) -> None:
    """Four series, marked in ImageType and in the description's ending; the in-phase one is labelled."""
    written = write_images(tmp_path, *visit(SIEMENS_3T_DIXON))
    kinds = {str(f.SeriesDescription).rsplit("_", 1)[1]: f.ImageType[3] for f in map(dcmread, tmp_path.rglob("*.IMA"))}
    assert kinds == {"in": "IN_PHASE", "opp": "OPP_PHASE", "F": "FAT", "W": "WATER"}
    assert [item.labelled for item in written] == [True, False, False, False]


def test_series_to_quarantine_is_a_spin_echo_with_two_echo_times(tmp_path: Path) -> None:
    """A PD and T2 weighted TSE: an echo train of seven and two echo times are no multi-echo spin echo."""
    written = write_quarantine(tmp_path, *visit(SIEMENS_3T))
    files = [dcmread(path) for path in tmp_path.rglob("*.IMA")]
    assert written.kind == "quarantine"
    assert {f.ScanningSequence for f in files} == {"SE"}
    assert len({float(f.EchoTime) for f in files}) == 2
    assert {int(f.EchoTrainLength) for f in files} == {7}


@pytest.mark.parametrize("text", ["abc", "Flükagrels", ""])
def test_csa_header_can_be_walked(text: str) -> None:
    """A reader that follows the lengths finds the text and ends exactly at the end."""
    data = csa_header({"ImageComments": text})
    assert data[:4] == b"SV10"
    count, check = struct.unpack_from("<II", data, 8)
    assert (count, check) == (1, 77)
    name, _, _, _, items, _ = struct.unpack_from("<64si4siii", data, 16)
    assert name.rstrip(b"\x00") == b"ImageComments"
    at = 16 + 84
    length = struct.unpack_from("<4i", data, at)[1]
    assert items == 1
    assert data[at + 16 : at + 16 + length - 1].decode("latin-1") == text
    assert at + 16 + length + (-length % 4) == len(data)
