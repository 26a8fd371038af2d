"""Folders of DICOM as a scanner exports them, with a planted person in every header."""

from __future__ import annotations

from pathlib import Path

from mids_factories import Kind, classic
from pydicom import Dataset
from pydicom.filewriter import dcmwrite


def scanner_files(kind: Kind) -> list[Dataset]:
    """Files with what MR Image Storage asks for and a planted name."""
    files = classic(kind)
    for number, dataset in enumerate(files):
        dataset.PatientName, dataset.PatientBirthDate, dataset.PatientSex = "Planted^Identity", "19610203", "O"
        dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20260102", "101112", "ACC998877"
        dataset.ReferringPhysicianName, dataset.StudyID = "Planted^Physician", "7"
        dataset.InstanceNumber, dataset.FrameOfReferenceUID = number, "1.2.3.4.5"
        dataset.PositionReferenceIndicator, dataset.EchoTrainLength = "", "1"
    return files


def export(folder: Path, *kinds: Kind) -> Path:
    """The folder, new, with the files of these series."""
    folder.mkdir(parents=True)
    for kind in kinds:
        for dataset in scanner_files(kind):
            dcmwrite(folder / f"Identity_{dataset.SOPInstanceUID}.dcm", dataset, enforce_file_format=True)
    return folder
