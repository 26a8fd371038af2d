"""Made-up people, doctors and hospitals: what a scanner's header says about them, to be found by leak searches later.

All words are built from syllables, at least six letters long, so that no real person is meant and a search for one does not
hit by chance. Nothing here is used by any part of the product other than the demo and its tests.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import Literal

import numpy as np

Sex = Literal["F", "M"]

_ONSETS = (
    "b",
    "br",
    "d",
    "dr",
    "f",
    "fl",
    "g",
    "gr",
    "h",
    "k",
    "kl",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "st",
    "t",
    "tr",
    "v",
    "w",
    "z",
)
_VOWELS = ("a", "e", "i", "o", "u", "au", "ei", "ö", "ü", "é")
_CODAS = ("n", "r", "l", "m", "nd", "rt", "sk", "ls")
_STREETS = ("gasse", "weg", "plein", "straat", "katu")
FIRST_BIRTH, LAST_BIRTH = date(1938, 1, 1), date(1994, 12, 31)
FIRST_STUDY, LAST_STUDY = date(2019, 1, 7), date(2023, 12, 15)


@dataclass(frozen=True)
class HospitalIdentity:
    """What every header of one hospital says about it.

    Attributes:
        institution: Name of the hospital.
        address: Street and town.
        department: Department with its floor.
        station: Name of the scanner.
        device_serial: Serial number of the scanner.
        issuer: Issuer of the patient identifiers.
        referring: Referring physicians, person names; subjects draw from them.
        operators: Radiographers, person names.
    """

    institution: str
    address: str
    department: str
    station: str
    device_serial: str
    issuer: str
    referring: tuple[str, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True)
class PatientIdentity:
    """What a header says about one made-up patient.

    Attributes:
        name: Person name, `Family^Given`.
        birth_name: Person name.
        mothers_birth_name: Person name.
        patient_id: The hospital's number.
        other_id: A second number, of an insurance.
        birth_date: DICOM date.
        sex: F or M.
        age_years: At the study.
        size_m: Height.
        weight_kg: Weight.
        address: Street and town.
        phone: Telephone number.
        accession_number: Of the study.
        study_id: Of the study.
        study_date: DICOM date.
        study_time: DICOM time.
        referring: Person name.
        operator: Person name.
        comment: Free text with the name in it.
    """

    name: str
    birth_name: str
    mothers_birth_name: str
    patient_id: str
    other_id: str
    birth_date: str
    sex: Sex
    age_years: int
    size_m: float
    weight_kg: float
    address: str
    phone: str
    accession_number: str
    study_id: str
    study_date: str
    study_time: str
    referring: str
    operator: str
    comment: str


PLAIN = ("sex", "age_years", "size_m", "weight_kg", "study_time")
"""Fields of a patient that identify nobody by themselves, or are too short to search for."""


@dataclass(frozen=True)
class Planted:
    """One string that must never leave the hospital.

    Attributes:
        kind: Field it comes from, or `uid`, or `path`.
        value: The string as it stands in the header.
    """

    kind: str
    value: str


def planted_of(identity: HospitalIdentity | PatientIdentity) -> tuple[Planted, ...]:
    """Every identifying string of this hospital or patient; person names also by component."""
    found: list[Planted] = []
    for item in fields(identity):
        if item.name in PLAIN:
            continue
        value = getattr(identity, item.name)
        texts: tuple[str, ...] = value if isinstance(value, tuple) else (str(value),)
        for text in texts:
            found.append(Planted(item.name, text))
            found += [Planted(item.name, part) for part in text.split("^") if "^" in text]
    return tuple(found)


def _word(rng: np.random.Generator, *, syllables: int = 3) -> str:
    parts = [_ONSETS[rng.integers(len(_ONSETS))] + _VOWELS[rng.integers(len(_VOWELS))] for _ in range(syllables)]
    return ("".join(parts) + _CODAS[rng.integers(len(_CODAS))]).capitalize()


def _person(rng: np.random.Generator) -> str:
    return f"{_word(rng)}^{_word(rng)}"


def _digits(rng: np.random.Generator, count: int) -> str:
    return str(rng.integers(10 ** (count - 1), 10**count))


def _address(rng: np.random.Generator) -> str:
    street = _word(rng, syllables=2) + _STREETS[rng.integers(len(_STREETS))]
    return f"{street} {rng.integers(1, 99)}, {_digits(rng, 5)} {_word(rng)}"


def _day(rng: np.random.Generator, first: date, last: date) -> date:
    return first + timedelta(days=int(rng.integers((last - first).days + 1)))


def make_hospital_identity(rng: np.random.Generator) -> HospitalIdentity:
    """A made-up hospital with one scanner, three referring physicians and two radiographers."""
    town = _word(rng)
    return HospitalIdentity(
        institution=f"Klinikum {town}",
        address=_address(rng),
        department=f"Neuroradiologie {_word(rng, syllables=2)}haus",
        station=f"MR{_word(rng, syllables=2)}{_digits(rng, 3)}"[:16].encode("ascii", "ignore").decode(),
        device_serial=_digits(rng, 7),
        issuer=f"KIS {town}",
        referring=tuple(_person(rng) for _ in range(3)),
        operators=tuple(_person(rng) for _ in range(2)),
    )


def make_patient_identity(hospital: HospitalIdentity, rng: np.random.Generator) -> PatientIdentity:
    """A made-up adult with one study at this hospital."""
    name = _person(rng)
    born, studied = _day(rng, FIRST_BIRTH, LAST_BIRTH), _day(rng, FIRST_STUDY, LAST_STUDY)
    referring = hospital.referring[rng.integers(len(hospital.referring))]
    family, given = name.split("^")
    phone = f"+00 {_digits(rng, 3)} {_digits(rng, 7)}"
    return PatientIdentity(
        name=name,
        birth_name=_person(rng),
        mothers_birth_name=_person(rng),
        patient_id=f"P{_digits(rng, 8)}",
        other_id=f"V{_digits(rng, 9)}",
        birth_date=born.strftime("%Y%m%d"),
        sex="F" if rng.uniform() < 0.5 else "M",
        age_years=(studied - born).days // 365,
        size_m=round(float(rng.uniform(1.55, 1.92)), 2),
        weight_kg=round(float(rng.uniform(50, 98)), 1),
        address=_address(rng),
        phone=phone,
        accession_number=f"A{_digits(rng, 9)}",
        study_id=f"S{_digits(rng, 6)}",
        study_date=studied.strftime("%Y%m%d"),
        study_time=f"{rng.integers(8, 18):02d}{rng.integers(60):02d}{rng.integers(60):02d}",
        referring=referring,
        operator=hospital.operators[rng.integers(len(hospital.operators))],
        comment=f"{given} {family} called from {phone}, sister of a known patient",
    )
