"""Made-up people."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_demo.identities import make_hospital_identity, make_patient_identity, planted_of
from myofed_demo.phantom import subject_rng


def values_of(hospital: str, *, patients: int) -> set[str]:
    """Everything planted at a hospital."""
    identity = make_hospital_identity(subject_rng(1, hospital=hospital, subject=-1))
    found = {p.value for p in planted_of(identity)}
    for number in range(patients):
        found |= {
            p.value
            for p in planted_of(make_patient_identity(identity, subject_rng(1, hospital=hospital, subject=number)))
        }
    return found


def test_no_identity_is_planted_at_two_hospitals() -> None:
    """Names, numbers and addresses of two hospitals have nothing in common, but for a birthday by chance."""
    shared = values_of("a", patients=16) & values_of("b", patients=16)
    assert not {value for value in shared if not value.isdigit()}


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32))
def test_planted_strings_are_long_enough_to_search_for(seed: int) -> None:
    """Every one has at least six characters: shorter ones hit by chance."""
    rng = np.random.default_rng(seed)
    hospital = make_hospital_identity(rng)
    planted = (*planted_of(hospital), *planted_of(make_patient_identity(hospital, rng)))
    assert min(len(p.value) for p in planted) >= 6


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32))
def test_identities_fit_the_value_representations(seed: int) -> None:
    """PS3.5 6.2: LO 64 characters, SH 16, AE 16 printable ASCII, PN 64, DA 8."""
    rng = np.random.default_rng(seed)
    hospital = make_hospital_identity(rng)
    patient = make_patient_identity(hospital, rng)
    assert len(hospital.station) <= 16
    assert hospital.station.isascii()
    assert (
        max(
            len(t)
            for t in (hospital.institution, hospital.department, hospital.issuer, patient.patient_id, patient.name)
        )
        <= 64
    )
    assert max(len(t) for t in (patient.accession_number, patient.study_id, patient.phone)) <= 16
    assert len(patient.birth_date) == len(patient.study_date) == 8


def test_person_names_are_planted_by_component_too() -> None:
    """A leak of the family name alone is found."""
    hospital = make_hospital_identity(np.random.default_rng(0))
    patient = make_patient_identity(hospital, np.random.default_rng(1))
    assert set(patient.name.split("^")) <= {p.value for p in planted_of(patient)}


def test_age_follows_from_birth_and_study() -> None:
    """Adults, and the age agrees with the two dates."""
    hospital = make_hospital_identity(np.random.default_rng(0))
    for seed in range(20):
        patient = make_patient_identity(hospital, np.random.default_rng(seed))
        years = (int(patient.study_date) - int(patient.birth_date)) // 10000
        assert patient.age_years >= 18
        assert abs(patient.age_years - years) <= 1
