"""What all headers have in common."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from myofed_demo.dicom_header import Equipment, Series, decimal, header, write_instance
from myofed_demo.exam import Exam
from myofed_demo.identities import make_hospital_identity, make_patient_identity


def made() -> tuple[Exam, Dataset]:
    """An exam and the common header of one of its series."""
    hospital = make_hospital_identity(np.random.default_rng(0))
    exam = Exam(hospital, make_patient_identity(hospital, np.random.default_rng(1)), "key")
    equipment = Equipment("SIEMENS", "Prisma_fit", "syngo MR E11", "ISO_IR 100")
    return exam, header(exam, Series(4, "thigh", MRImageStorage), equipment)


def nested(dataset: Dataset, *, depth: int = 0) -> Iterator[tuple[int, str]]:
    """Depth and text of every element at every depth."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from nested(item, depth=depth + 1)
        else:
            yield depth, str(element.value)


def test_identities_are_planted_in_nested_sequences() -> None:
    """The referring physician stands two sequences deep, the patient's number one deep."""
    exam, dataset = made()
    deep = [text for depth, text in nested(dataset) if depth == 2]
    assert exam.patient.referring.replace("^", " ") in deep
    assert exam.patient.other_id in [text for depth, text in nested(dataset) if depth == 1]


def test_free_text_holds_the_name() -> None:
    """Study description and comments name the patient, as careless exports do."""
    exam, dataset = made()
    family = exam.patient.name.split("^")[0]
    assert family in dataset.StudyDescription
    assert family in dataset.PatientComments
    assert family in dataset.ImageComments


@pytest.mark.parametrize("value", [-263.123456789012, 1e-9, 123.251926, 2.0])
def test_decimals_fit_their_value_representation(value: float) -> None:
    """At most 16 characters, and nine significant digits survive (PS3.5 6.2)."""
    text = decimal(value)
    assert len(text) <= 16
    assert float(text) == pytest.approx(value, rel=1e-8)


def test_file_names_the_station_and_reads_strictly(tmp_path: Path) -> None:
    """The meta group carries the station's AE title; a strict reader accepts every value."""
    exam, dataset = made()
    dataset.SOPInstanceUID = exam.uid("instance")
    write_instance(dataset, tmp_path / "x.dcm", station=exam.hospital.station)
    mode = config.settings.reading_validation_mode
    config.settings.reading_validation_mode = config.RAISE
    try:
        read = dcmread(tmp_path / "x.dcm")
        read.walk(lambda _, element: element.value)
    finally:
        config.settings.reading_validation_mode = mode
    assert read.file_meta.SourceApplicationEntityTitle == exam.hospital.station
    assert str(read.PatientName) == exam.patient.name
