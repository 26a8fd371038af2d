"""What the headers of all vendors have in common: patient, study, equipment, and the places where names hide.

Attributes by module of PS3.3 (C.7.1.1 patient, C.7.2.1 study, C.7.3.1 series, C.7.5.1 equipment, C.12.1 SOP common). The
identities are planted on purpose also in nested sequences, descriptions, comments and operator fields, as in real exports.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, ExplicitVRLittleEndian

from myofed_demo.exam import Exam


@dataclass(frozen=True)
class Series:
    """One series of an exam.

    Attributes:
        number: SeriesNumber.
        description: SeriesDescription and ProtocolName; technical words only.
        sop_class: SOPClassUID of its instances.
    """

    number: int
    description: str
    sop_class: str


@dataclass(frozen=True)
class Equipment:
    """The scanner as the header names it."""

    manufacturer: str
    model: str
    software: str
    character_set: str


def decimal(value: float) -> str:
    """The number as a DICOM decimal string: at most 16 characters (PS3.5 6.2)."""
    return f"{value:.9g}"


def header(exam: Exam, series: Series, equipment: Equipment) -> Dataset:
    """A data set with everything that is the same in all instances of a series, without pixels and technique."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = equipment.character_set
    dataset.SOPClassUID = series.sop_class
    dataset.Modality = "MR"
    _add_patient(dataset, exam)
    _add_study(dataset, exam)
    _add_series(dataset, exam, series)
    _add_equipment(dataset, exam, equipment)
    _add_requests(dataset, exam)
    return dataset


def series_uid(exam: Exam, series: Series) -> str:
    """The SeriesInstanceUID of this series of this exam."""
    return exam.uid(f"series {series.number}")


def _add_patient(dataset: Dataset, exam: Exam) -> None:
    patient = exam.patient
    dataset.PatientName = patient.name
    dataset.PatientID = patient.patient_id
    dataset.IssuerOfPatientID = exam.hospital.issuer
    dataset.PatientBirthDate = patient.birth_date
    dataset.PatientSex = patient.sex
    dataset.PatientBirthName = patient.birth_name
    dataset.PatientMotherBirthName = patient.mothers_birth_name
    dataset.PatientAge = f"{patient.age_years:03d}Y"
    dataset.PatientSize = decimal(patient.size_m)
    dataset.PatientWeight = decimal(patient.weight_kg)
    dataset.PatientAddress = patient.address
    dataset.PatientTelephoneNumbers = patient.phone
    dataset.PatientComments = patient.comment
    other = Dataset()
    other.PatientID = patient.other_id
    other.IssuerOfPatientID = exam.hospital.issuer
    other.TypeOfPatientID = "TEXT"
    dataset.OtherPatientIDsSequence = Sequence([other])


def _add_study(dataset: Dataset, exam: Exam) -> None:
    patient = exam.patient
    dataset.StudyInstanceUID = exam.uid("study")
    dataset.StudyID = patient.study_id
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = patient.study_date
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = patient.study_time
    dataset.AccessionNumber = patient.accession_number
    dataset.ReferringPhysicianName = patient.referring
    dataset.StudyDescription = f"MR thighs {patient.name.split('^')[0]}"
    referring = Dataset()
    referring.InstitutionName = exam.hospital.institution
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "12345", "99LOCAL"
    code.CodeMeaning = patient.referring.replace("^", " ")
    referring.PersonIdentificationCodeSequence = Sequence([code])
    dataset.ReferringPhysicianIdentificationSequence = Sequence([referring])


def _add_series(dataset: Dataset, exam: Exam, series: Series) -> None:
    dataset.SeriesInstanceUID = series_uid(exam, series)
    dataset.SeriesNumber = series.number
    dataset.SeriesDescription = series.description
    dataset.ProtocolName = series.description
    dataset.FrameOfReferenceUID = exam.uid("frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.BodyPartExamined = "THIGH"
    dataset.PatientPosition = "FFS"
    dataset.OperatorsName = exam.patient.operator
    dataset.PerformingPhysicianName = exam.hospital.referring[0]
    dataset.ImageComments = f"repeat for {exam.patient.name.replace('^', ' ')}"


def _add_equipment(dataset: Dataset, exam: Exam, equipment: Equipment) -> None:
    dataset.Manufacturer = equipment.manufacturer
    dataset.ManufacturerModelName = equipment.model
    dataset.SoftwareVersions = equipment.software
    dataset.InstitutionName = exam.hospital.institution
    dataset.InstitutionAddress = exam.hospital.address
    dataset.InstitutionalDepartmentName = exam.hospital.department
    dataset.StationName = exam.hospital.station
    dataset.DeviceSerialNumber = exam.hospital.device_serial


def _add_requests(dataset: Dataset, exam: Exam) -> None:
    request = Dataset()
    request.RequestedProcedureID = exam.patient.study_id
    request.ScheduledProcedureStepDescription = f"thigh MR, {exam.patient.comment}"[:52]
    request.RequestingPhysician = exam.patient.referring
    request.AccessionNumber = exam.patient.accession_number
    dataset.RequestAttributesSequence = Sequence([request])
    dataset.PerformedProcedureStepID = exam.patient.study_id
    dataset.PerformedProcedureStepDescription = f"MR thighs {exam.patient.name.split('^')[0]}"
    dataset.PerformedProcedureStepStartDate = exam.patient.study_date
    step = Dataset()
    step.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.3"
    step.ReferencedSOPInstanceUID = exam.uid("performed procedure step")
    dataset.ReferencedPerformedProcedureStepSequence = Sequence([step])


def write_instance(dataset: Dataset, path: Path, *, station: str) -> None:
    """`path` holds this data set as a DICOM file (explicit little endian) that names the sending station in its meta group."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    meta.SourceApplicationEntityTitle = station
    dataset.file_meta = meta
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    path.write_bytes(buffer.getvalue())
