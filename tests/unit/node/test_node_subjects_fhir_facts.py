"""Facts from a FHIR R4 bundle: what is used is typed strictly, birth dates and numbers are not kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from myofed_node.subjects.fhir_facts import read_bundle
from myofed_schemas.errors import MyofedError
from myofed_schemas.subject_facts import ConsentFacts, SubjectFacts

PATIENT = {
    "resourceType": "Patient",
    "id": "a",
    "identifier": [{"system": "urn:kis", "value": "4711"}, {"system": "urn:other", "value": "1"}],
    "gender": "female",
    "birthDate": "1983-05-17",
    "name": [{"family": "Secretname"}],
}
ORPHANET = {"system": "http://www.orpha.net", "code": "269"}


def _condition(*codings: dict[str, str], **more: object) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "subject": {"reference": "Patient/a"},
        "code": {"coding": list(codings)},
        **more,
    }


def _read(*resources: dict[str, Any], system: str = "urn:kis") -> tuple[SubjectFacts, ...]:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}
    return read_bundle(
        json.dumps(bundle).encode(),
        pseudonym_of=lambda issuer, number: f"P{issuer}{number}"[:5],
        issuer="K",
        system=system,
    )


@pytest.mark.parametrize(
    ("resources", "fault"),
    [
        ([{"resourceType": "Observation"}], "FACT_RESOURCE"),
        ([PATIENT | {"birthDate": "17.05.1983"}], "row 1 birthDate FACT_VALUE"),
        ([PATIENT | {"gender": "w"}], "row 1 gender FACT_VALUE"),
        ([PATIENT | {"identifier": []}], "row 1 identifier FACT_VALUE"),
        ([PATIENT | {"identifier": [{"system": "urn:x", "value": "4711"}]}], "row 1 identifier FACT_SUBJECT"),
        ([PATIENT, PATIENT], "row 2 Patient FACT_TWICE"),
        ([_condition(ORPHANET)], "row 1 subject FACT_SUBJECT"),
        ([PATIENT, _condition({"system": "http://snomed.info/sct", "code": "1"})], "row 2 code FACT_VALUE"),
        ([PATIENT, _condition(ORPHANET), _condition(ORPHANET | {"code": "609"})], "row 3 code FACT_CONTRADICTS"),
        ([PATIENT, _condition(ORPHANET | {"code": "not-a-code"})], "Condition.code FACT_VALUE"),
    ],
)
def test_faulty_bundle_is_refused_whole_and_without_values(resources: list[dict[str, Any]], fault: str) -> None:
    """Entry, element and code; neither number nor name nor date."""
    with pytest.raises(MyofedError) as caught:
        _read(*resources)
    assert caught.value.code == "SUBJECTS_INVALID"
    assert fault in str(caught.value)
    assert not {"4711", "Secretname", "1983"} & set(str(caught.value).split())


@pytest.mark.parametrize("content", [b"{", b'{"resourceType": "Bundle"}', b'{"resourceType": "Patient", "entry": []}'])
def test_what_is_no_bundle_is_refused(content: bytes) -> None:
    """Broken JSON, a bundle without entries, another resource."""
    with pytest.raises(MyofedError, match="SUBJECTS_INVALID"):
        read_bundle(content, pseudonym_of=lambda _i, _n: "S1", issuer="", system="")


def test_patient_condition_and_consent_become_facts() -> None:
    """A birth date is kept as five years, a consent with its days, a refuted condition not at all."""
    refuted = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "refuted"}]}
    consent = {
        "resourceType": "Consent",
        "status": "active",
        "patient": {"reference": "Patient/a"},
        "provision": {"period": {"start": "2024-01-01", "end": "2030-12-31T10:00:00Z"}},
    }
    (facts,) = _read(
        PATIENT,
        _condition(ORPHANET, {"system": "http://human-phenotype-ontology.org", "code": "HP:0003307"}),
        _condition(ORPHANET | {"code": "609"}, verificationStatus=refuted),
        consent,
        consent | {"status": "draft"},
    )
    assert facts == SubjectFacts(
        subject="PK471",
        diagnosis="ORPHA:269",
        phenotypes=("HP:0003307",),
        birth_years="1980-1984",
        sex="female",
        consents=(ConsentFacts(active=True, valid_from="2024-01-01", valid_to="2030-12-31"),),
    )
    assert "1983" not in facts.model_dump_json()
