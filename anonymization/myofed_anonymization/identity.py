"""Whose file this is: the patient's keyed stand-ins, and the words that may appear nowhere in the output."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from pydicom.dataset import Dataset

from myofed_anonymization.dates import date_shift_days, time_shift_seconds
from myofed_anonymization.elements import encodings_of, items_of, standard_vr, values_of
from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.pseudonym_sources import KeyedPseudonyms, PseudonymSource, checked_label
from myofed_anonymization.text import tokens_of
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import NoteCode, WithheldCode
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import SubjectLabel

PATIENT_ID, ISSUER, STUDY_UID = 0x00100020, 0x00100021, 0x0020000D
IDENTIFIERS = frozenset({PATIENT_ID, 0x00101000, 0x00080050, 0x00101001, 0x00101040, 0x00102154})
"""PatientID, OtherPatientIDs, AccessionNumber, OtherPatientNames, address, telephone."""
TELLING = 4
"""Letters of a name that no third party's pseudonym may hold."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the file says it is of: `forbidden` are lower-case words of names and identifiers; nothing of it is in a repr."""

    issuer: str = field(repr=False)
    patient_id: str = field(repr=False)
    forbidden: frozenset[str] = field(repr=False)
    notes: tuple[NoteCode, ...]


@dataclass(frozen=True, slots=True)
class Patient:
    """What stands for the patient in the output, and the identity it stands for."""

    label: SubjectLabel
    days: int
    seconds: int
    identity: Identity

    @property
    def forbidden(self) -> frozenset[str]:
        """Words that may appear nowhere in the output."""
        return self.identity.forbidden


def identity_of(dataset: Dataset, *, max_depth: int) -> Identity:
    """The identity in this file; without PatientID the study stands for the patient, and a note says so.

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
    forbidden = forbidden_words(dataset, encodings=encodings, depth_left=max_depth)
    return Identity(issuer, patient_id, forbidden, notes)


def patient_of(identity: Identity, *, keys: SiteKeys, pseudonyms: PseudonymSource) -> Patient:
    """The stand-ins of this person: the label from the source of pseudonyms, all else keyed.

    Raises:
        WithheldError: PSEUDONYM_MISSING, the source does not know the patient.
        MyofedError: PSEUDONYM_INVALID, it gives what is no pseudonym, or tells the name or identifier; the run ends.
    """
    issuer, patient_id = identity.issuer, identity.patient_id
    label = pseudonyms.label(issuer=issuer, patient_id=patient_id)
    if not isinstance(pseudonyms, KeyedPseudonyms):
        _check_label(label, identity)
    days, seconds = _shifts(keys, issuer, patient_id)
    return Patient(label=label, days=days, seconds=seconds, identity=identity)


@lru_cache(maxsize=64)
def _shifts(keys: SiteKeys, issuer: str, patient_id: str) -> tuple[int, int]:
    """Days and seconds: a series has many files of one patient."""
    return (
        date_shift_days(keys, issuer=issuer, patient_id=patient_id),
        time_shift_seconds(keys, issuer=issuer, patient_id=patient_id),
    )


def _check_label(label: str, identity: Identity) -> None:
    telling = any(len(word) >= TELLING and word in label.lower() for word in identity.forbidden)
    try:
        checked_label(label, patient_id=identity.patient_id)
    except ValueError:
        telling = True
    if telling:
        raise MyofedError(
            "PSEUDONYM_INVALID",
            "expected pseudonyms of letters and digits that tell nothing, found one that is none or tells the name or identifier",
            hint="ask the third party for other pseudonyms",
            exit_code=ExitCode.BAD_INPUT,
        )


@lru_cache(maxsize=8192)
def _is_telling(tag: int) -> bool:
    """Whether the element names somebody, or its items may."""
    return tag in IDENTIFIERS or standard_vr(tag) in {"PN", "SQ"}


def forbidden_words(dataset: Dataset, *, encodings: list[str], depth_left: int) -> frozenset[str]:
    """The words of every person name and patient identifier in the data set, at any depth."""
    if depth_left < 0:
        raise WithheldError(WithheldCode.NESTED_TOO_DEEP)
    found: set[str] = set()
    for tag in [tag for tag in dataset.keys() if _is_telling(int(tag))]:  # noqa: SIM118  a Dataset iterates over decoded elements
        if tag in IDENTIFIERS or standard_vr(tag) == "PN":
            for value in values_of(dataset, tag, encodings=encodings):
                found |= tokens_of(value)
        else:
            for item in items_of(dataset, tag) or ():
                found |= forbidden_words(item, encodings=encodings, depth_left=depth_left - 1)
    return frozenset(found)
