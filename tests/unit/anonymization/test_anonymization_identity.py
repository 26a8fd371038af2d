from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import pytest
from anonymization_factories import KEYS, UID, file_bytes, item, mr
from pydicom import dcmread
from pydicom.dataset import Dataset

from myofed_anonymization.identity import Patient, identity_of, patient_of
from myofed_anonymization.pseudonym_sources import KeyedPseudonyms
from myofed_anonymization.pseudonyms import pseudonym
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import NoteCode, WithheldCode
from myofed_schemas.errors import MyofedError


def patient(dataset: Dataset, *, max_depth: int = 8) -> Patient:
    read = dcmread(BytesIO(file_bytes(dataset)))
    identity = identity_of(read, max_depth=max_depth)
    return patient_of(identity, keys=KEYS, pseudonyms=KeyedPseudonyms(KEYS))


def test_nesting_beyond_the_limit_is_refused() -> None:
    """A hostile file cannot make the search endless."""
    deep = item(PatientID="x")
    for _ in range(5):
        deep = item(ReferencedStudySequence=[deep])
    with pytest.raises(WithheldError) as refusal:
        patient(mr(ReferencedStudySequence=[deep]), max_depth=3)
    assert refusal.value.reason is WithheldCode.NESTED_TOO_DEEP


def test_issuer_and_id_make_the_patient() -> None:
    """The pseudonym is that of PatientID and its issuer, for anyone with the key."""
    found = patient(mr(IssuerOfPatientID="Wolkenstein"))
    assert found.label == pseudonym(KEYS, issuer="Wolkenstein", patient_id="MRN-884422")
    assert found.identity.notes == ()
    assert "884422" not in repr(found)


@pytest.mark.parametrize("absent", [None, "", "  "])
def test_without_an_id_the_study_stands_for_the_patient(absent: str | None) -> None:
    """The report says so, and files of one study stay together."""
    found = patient(mr(PatientID=absent))
    assert found.identity.notes == (NoteCode.PATIENT_ID_MISSING,)
    assert found.label == pseudonym(KEYS, issuer="StudyInstanceUID", patient_id=UID + "2")


def test_names_at_any_depth_are_forbidden_words() -> None:
    """Words of all person names and identifiers, nested ones too, may appear nowhere."""
    nested = item(RequestedProcedureDescription="x", RequestingPhysician="Nest^Nora")
    found = patient(mr(OtherPatientIDs=["ALT77", "B2"], RequestAttributesSequence=[nested]))
    assert {"fantasia", "ottilie", "mrn", "884422", "nora", "alt77", "zuweiser", "20217"} <= found.forbidden


@dataclass(frozen=True)
class Careless:
    """A third party that gives this to everybody."""

    gives: str

    def label(self, *, issuer: str, patient_id: str) -> str:
        return self.gives

    def check(self) -> str:
        return "0" * 16


@pytest.mark.parametrize("label", ["MRN884422", "Fantasia", "xFANTASIAx", "../../x", "P^1", ""])
def test_a_third_partys_label_that_tells_something_ends_the_run(label: str) -> None:
    """Whatever the source: a name, an identifier without its signs, and what is no pseudonym."""
    identity = identity_of(dcmread(BytesIO(file_bytes(mr()))), max_depth=8)
    with pytest.raises(MyofedError, match="PSEUDONYM_INVALID") as caught:
        patient_of(identity, keys=KEYS, pseudonyms=Careless(label))
    assert "Fantasia" not in str(caught.value)
    assert patient_of(identity, keys=KEYS, pseudonyms=Careless("TTP0000000000042")).label == "TTP0000000000042"
