"""Whose file this is: the patient's keyed stand-ins, and the words that may appear nowhere in the output."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from myofed_anonymization.dates import date_shift_days, time_shift_seconds
from myofed_anonymization.elements import encodings_of, standard_vr, values_of
from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.pseudonyms import pseudonym
from myofed_anonymization.text import tokens_of
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import NoteCode, WithheldCode
from myofed_schemas.ids import SubjectLabel

PATIENT_ID, ISSUER, STUDY_UID = 0x00100020, 0x00100021, 0x0020000D
IDENTIFIERS = frozenset({PATIENT_ID, 0x00101000, 0x00080050, 0x00101001, 0x00101040, 0x00102154})
"""PatientID, OtherPatientIDs, AccessionNumber, OtherPatientNames, address, telephone."""


@dataclass(frozen=True, slots=True)
class Patient:
    """What stands for the patient in the output, and `forbidden`: lower-case words of names and identifiers."""

    label: SubjectLabel
    days: int
    seconds: int
    forbidden: frozenset[str]
    notes: tuple[NoteCode, ...]


def patient_of(dataset: Dataset, *, keys: SiteKeys, max_depth: int) -> Patient:
    """The patient of this file; without PatientID the study stands for the patient, and a note says so.

    Raises:
        WithheldError: NESTED_TOO_DEEP.
    """
    encodings = encodings_of(dataset)
    issuer = "".join(values_of(dataset, ISSUER, encodings=encodings)[:1])
    patient_id = "".join(values_of(dataset, PATIENT_ID, encodings=encodings)[:1])
    notes: tuple[NoteCode, ...] = ()
    if not patient_id:
        issuer, patient_id = "StudyInstanceUID", values_of(dataset, STUDY_UID, encodings=encodings)[0]
        notes = (NoteCode.PATIENT_ID_MISSING,)
    return Patient(
        label=pseudonym(keys, issuer=issuer, patient_id=patient_id),
        days=date_shift_days(keys, issuer=issuer, patient_id=patient_id),
        seconds=time_shift_seconds(keys, issuer=issuer, patient_id=patient_id),
        forbidden=forbidden_words(dataset, encodings=encodings, depth_left=max_depth),
        notes=notes,
    )


def forbidden_words(dataset: Dataset, *, encodings: list[str], depth_left: int) -> frozenset[str]:
    """The words of every person name and patient identifier in the data set, at any depth."""
    if depth_left < 0:
        raise WithheldError(WithheldCode.NESTED_TOO_DEEP)
    found: set[str] = set()
    for tag in list(dataset.keys()):
        if tag in IDENTIFIERS or standard_vr(tag) == "PN":
            for value in values_of(dataset, tag, encodings=encodings):
                found |= tokens_of(value)
        elif not tag.is_private and standard_vr(tag) == "SQ" and dataset[tag].VR == "SQ":
            for item in dataset[tag].value:
                found |= forbidden_words(item, encodings=encodings, depth_left=depth_left - 1)
    return frozenset(found)
