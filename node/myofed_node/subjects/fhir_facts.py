"""Facts from a FHIR R4 bundle of Patient, Condition and Consent: the few elements that are used, strictly typed.

Other elements are not looked at; other resources are refused, so that nobody believes them imported.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from myofed_node.subjects.csv_facts import PseudonymOf
from myofed_node.subjects.faults import refuse
from myofed_schemas.subject_facts import ConsentFacts, FactFault, SubjectFacts

ORPHANET = frozenset({"http://www.orpha.net", "https://www.orpha.net", "http://www.orpha.net/ORDO"})
HPO = frozenset({"http://purl.obolibrary.org/obo/hp.owl", "http://human-phenotype-ontology.org"})
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
MOST_ENTRIES = 100_000
YEARS = 5


class _Element(BaseModel):
    """A part of a resource; what is not used of it is not read."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}", max_length=40)]


class Identifier(_Element):
    """Patient.identifier."""

    system: Text | None = None
    value: Text


class Coding(_Element):
    """Coding."""

    system: Text | None = None
    code: Text | None = None


class CodeableConcept(_Element):
    """CodeableConcept."""

    coding: list[Coding] = Field(default_factory=list)


class Reference(_Element):
    """Reference to a patient of the bundle."""

    reference: Text


class Period(_Element):
    """Period, to the day."""

    start: Day | None = None
    end: Day | None = None


class Provision(_Element):
    """Consent.provision."""

    period: Period | None = None


class Patient(_Element):
    """http://hl7.org/fhir/R4/patient.html, what is used of it."""

    resourceType: Literal["Patient"]  # noqa: N815  FHIR's name
    id: Text
    identifier: list[Identifier] = Field(min_length=1)
    gender: Literal["female", "male", "other", "unknown"] = "unknown"
    birthDate: Annotated[str, StringConstraints(pattern=r"^(19|20)\d{2}(-\d{2}){0,2}$")] | None = None  # noqa: N815


class Condition(_Element):
    """http://hl7.org/fhir/R4/condition.html, what is used of it."""

    resourceType: Literal["Condition"]  # noqa: N815
    subject: Reference
    code: CodeableConcept
    verificationStatus: CodeableConcept | None = None  # noqa: N815


class Consent(_Element):
    """http://hl7.org/fhir/R4/consent.html, what is used of it."""

    resourceType: Literal["Consent"]  # noqa: N815
    status: Literal["draft", "proposed", "active", "rejected", "inactive", "entered-in-error"]
    patient: Reference
    provision: Provision | None = None


class Entry(_Element):
    """Bundle.entry."""

    fullUrl: Text | None = None  # noqa: N815
    resource: Annotated[Patient | Condition | Consent, Field(discriminator="resourceType")]


class Bundle(_Element):
    """http://hl7.org/fhir/R4/bundle.html."""

    resourceType: Literal["Bundle"]  # noqa: N815
    entry: list[Entry] = Field(max_length=MOST_ENTRIES)


@dataclass
class _Reading:
    """What was read so far; `places` leads from a reference to the pseudonym."""

    pseudonym_of: PseudonymOf
    issuer: str
    system: str
    faults: list[FactFault] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    facts: dict[str, dict[str, object]] = field(default_factory=dict)

    def fault(self, row: int, column: str, code: str) -> None:
        self.faults.append(FactFault.model_validate({"row": row, "column": column, "code": code}))

    def patient(self, row: int, entry: Entry, patient: Patient) -> None:
        chosen = [each for each in patient.identifier if not self.system or each.system == self.system]
        if len(chosen) != 1:
            return self.fault(row, "identifier", "FACT_SUBJECT")
        label = self.pseudonym_of(self.issuer, chosen[0].value)
        if not label:
            return self.fault(row, "identifier", "FACT_SUBJECT")
        if label in self.facts or f"Patient/{patient.id}" in self.places:
            return self.fault(row, "Patient", "FACT_TWICE")
        self.places |= {f"Patient/{patient.id}": label, **({entry.fullUrl: label} if entry.fullUrl else {})}
        self.facts[label] = {"subject": label, "sex": patient.gender, "phenotypes": [], "consents": []}
        if patient.birthDate:
            first = int(patient.birthDate[:4]) // YEARS * YEARS
            self.facts[label]["birth_years"] = f"{first}-{first + YEARS - 1}"
        return None

    def condition(self, row: int, condition: Condition) -> None:
        told = self._told(row, condition.subject)
        if told is None or _refuted(condition):
            return
        orpha = {_orpha(c.code) for c in condition.code.coding if c.code and c.system in ORPHANET}
        terms = {c.code for c in condition.code.coding if c.code and c.system in HPO}
        if len(orpha) > 1 or (orpha and told.setdefault("diagnosis", min(orpha)) not in orpha):
            self.fault(row, "code", "FACT_CONTRADICTS")
        elif not orpha and not terms:
            self.fault(row, "code", "FACT_VALUE")
        phenotypes = told["phenotypes"]
        assert isinstance(phenotypes, list)
        phenotypes += [term for term in sorted(terms) if term not in phenotypes]

    def consent(self, row: int, consent: Consent) -> None:
        told = self._told(row, consent.patient)
        if told is None or consent.status in ("draft", "proposed", "entered-in-error"):
            return
        period = consent.provision.period if consent.provision else None
        start, end = (period.start, period.end) if period else (None, None)
        kept = ConsentFacts(
            active=consent.status == "active", valid_from=start and start[:10], valid_to=end and end[:10]
        )
        consents = told["consents"]
        assert isinstance(consents, list)
        consents.append(kept)

    def _told(self, row: int, reference: Reference) -> dict[str, object] | None:
        label = self.places.get(reference.reference)
        if label is None:
            self.fault(row, "subject", "FACT_SUBJECT")
            return None
        return self.facts[label]


def _refuted(condition: Condition) -> bool:
    said = condition.verificationStatus.coding if condition.verificationStatus else []
    return any(c.system == VERIFICATION and c.code in ("refuted", "entered-in-error") for c in said)


def _orpha(code: str) -> str:
    return code if code.startswith("ORPHA:") else f"ORPHA:{code}"


def read_bundle(content: bytes, *, pseudonym_of: PseudonymOf, issuer: str, system: str) -> tuple[SubjectFacts, ...]:
    """The facts in this bundle, all of them checked; sorted by pseudonym.

    A birth date becomes a band of five years and a hospital's number the pseudonym; neither is kept.

    Args:
        content: JSON, UTF-8.
        pseudonym_of: As for CSV.
        issuer: IssuerOfPatientID of these patients' images.
        system: Which identifier of a patient is the number in the images; empty where each has one.

    Raises:
        MyofedError: SUBJECTS_INVALID, naming entries, elements and codes.
    """
    try:
        bundle = Bundle.model_validate_json(content)
    except ValidationError as error:
        refuse(_fault_at(item["loc"]) for item in error.errors(include_input=False, include_context=False))
        raise
    reading = _Reading(pseudonym_of, issuer, system)
    for row, entry in enumerate(bundle.entry, start=1):
        if isinstance(entry.resource, Patient):
            reading.patient(row, entry, entry.resource)
    for row, entry in enumerate(bundle.entry, start=1):
        if isinstance(entry.resource, Condition):
            reading.condition(row, entry.resource)
        elif isinstance(entry.resource, Consent):
            reading.consent(row, entry.resource)
    refuse(reading.faults)
    return _checked(reading)


def _checked(reading: _Reading) -> tuple[SubjectFacts, ...]:
    facts: list[SubjectFacts] = []
    for label in sorted(reading.facts):
        try:
            facts.append(SubjectFacts.model_validate(reading.facts[label]))
        except ValidationError:
            row = list(reading.facts).index(label) + 1
            reading.fault(row, "Condition.code", "FACT_VALUE")
    refuse(reading.faults)
    return tuple(facts)


def _fault_at(location: tuple[int | str, ...]) -> FactFault:
    """Entry and element of a value that is not of the form; names that the file made up are left out."""
    row = next((part + 1 for part in location if isinstance(part, int)), 0)
    known = _names()
    named = [str(part) for part in location if isinstance(part, str) and part in known]
    inner = [name for name in named if name not in ("entry", "resource")]
    code = "FACT_VALUE" if inner else "FACT_RESOURCE"
    return FactFault.model_validate({"row": row, "column": ".".join(inner[-2:])[:40], "code": code})


def _names() -> frozenset[str]:
    models: Iterable[type[_Element]] = (Bundle, Entry, Patient, Condition, Consent, Identifier, Coding, Period)
    return frozenset(name for model in models for name in model.model_fields)
