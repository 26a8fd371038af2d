"""Facts from a CSV file: one line a subject or a visit, columns as published."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from myofed_node.subjects.faults import refuse
from myofed_schemas.catalog import HpoTerm, OrphaCode
from myofed_schemas.ids import SessionLabel, SubjectLabel
from myofed_schemas.subject_facts import (
    CSV_COLUMNS,
    AgeBand,
    Ambulation,
    BirthYears,
    FactFault,
    GeneticConfirmation,
    Sex,
    SubjectFacts,
    VisitFacts,
)

PseudonymOf = Callable[[str, str], str]
"""(issuer, patient id) -> the subject's label; empty where the site's list does not know the patient."""

TYPES: dict[str, TypeAdapter[str]] = {
    "subject": TypeAdapter(SubjectLabel),
    "diagnosis": TypeAdapter(OrphaCode),
    "genetic": TypeAdapter(GeneticConfirmation),
    "birth_years": TypeAdapter(BirthYears),
    "sex": TypeAdapter(Sex),
    "ambulation": TypeAdapter(Ambulation),
    "session": TypeAdapter(SessionLabel),
    "age_band": TypeAdapter(AgeBand),
}
PHENOTYPES: TypeAdapter[tuple[HpoTerm, ...]] = TypeAdapter(tuple[HpoTerm, ...])
OF_SUBJECT = ("diagnosis", "phenotypes", "genetic", "birth_years", "sex", "ambulation")
TEMPLATE = ",".join(CSV_COLUMNS) + "\n"
MOST_COLUMNS = 5
"""So many unknown columns are told."""


@dataclass
class _Reading:
    """What was read so far."""

    pseudonym_of: PseudonymOf
    faults: list[FactFault] = field(default_factory=list)
    told: dict[str, dict[str, str]] = field(default_factory=dict)
    visits: dict[str, dict[str, str]] = field(default_factory=dict)

    def fault(self, row: int, column: str, code: str) -> None:
        self.faults.append(FactFault.model_validate({"row": row, "column": column, "code": code}))

    def line(self, row: int, cells: dict[str, str]) -> None:
        subject = self._subject(row, cells)
        for column in TYPES.keys() - {"subject"}:
            self._check(row, column, cells.get(column, ""))
        self._check_phenotypes(row, cells.get("phenotypes", ""))
        if not subject:
            return
        known = self.told.setdefault(subject, {})
        for column in OF_SUBJECT:
            value = cells.get(column, "")
            if value and known.setdefault(column, value) != value:
                self.fault(row, column, "FACT_CONTRADICTS")
        self._visit(row, subject, cells)

    def _visit(self, row: int, subject: str, cells: dict[str, str]) -> None:
        session, age = cells.get("session", ""), cells.get("age_band", "")
        if not session and not age:
            return
        if not (session and age):
            self.fault(row, "age_band" if session else "session", "FACT_VALUE")
        elif session in self.visits.setdefault(subject, {}):
            self.fault(row, "session", "FACT_TWICE")
        else:
            self.visits[subject][session] = age

    def _subject(self, row: int, cells: dict[str, str]) -> str:
        label, patient = cells.get("subject", ""), cells.get("patient_id", "")
        if bool(label) == bool(patient):
            self.fault(row, "subject", "FACT_SUBJECT")
            return ""
        if patient:
            label = self.pseudonym_of(cells.get("issuer", ""), patient)
            if not label:
                self.fault(row, "patient_id", "FACT_SUBJECT")
            return label
        return label if self._check(row, "subject", label) else ""

    def _check(self, row: int, column: str, value: str) -> bool:
        if not value:
            return True
        try:
            TYPES[column].validate_python(value)
        except ValidationError:
            self.fault(row, column, "FACT_VALUE")
            return False
        return True

    def _check_phenotypes(self, row: int, value: str) -> None:
        try:
            PHENOTYPES.validate_python(tuple(value.split()))
        except ValidationError:
            self.fault(row, "phenotypes", "FACT_VALUE")

    def facts(self) -> tuple[SubjectFacts, ...]:
        return tuple(self._facts(subject) for subject in sorted(self.told))

    def _facts(self, subject: str) -> SubjectFacts:
        told = {column: value for column, value in self.told[subject].items() if column != "phenotypes"}
        visits = sorted(self.visits.get(subject, {}).items())
        return SubjectFacts.model_validate(
            {
                **told,
                "subject": subject,
                "phenotypes": tuple(sorted(set(self.told[subject].get("phenotypes", "").split()))),
                "visits": tuple(VisitFacts(session=session, age_band=age) for session, age in visits),
            }
        )


def read_csv(content: bytes, *, pseudonym_of: PseudonymOf) -> tuple[SubjectFacts, ...]:
    """The facts in this file, all of them checked; sorted by pseudonym.

    Args:
        content: UTF-8, comma-separated, the first line names the columns.
        pseudonym_of: Turns a hospital's number into the pseudonym; the number is kept nowhere.

    Raises:
        MyofedError: SUBJECTS_INVALID, naming rows, columns and codes; then nothing is of use.
    """
    reading = _Reading(pseudonym_of)
    lines, because = _lines(content)
    header = [name.strip() for name in lines[0]] if lines else []
    because = because or _wrong_header(header)
    if because:
        reading.fault(1, "", "FACT_COLUMN")
        refuse(reading.faults, because=because)
    for number, values in enumerate(lines[1:], start=2):
        if any(value.strip() for value in values):
            if len(values) == len(header):
                reading.line(number, dict(zip(header, (value.strip() for value in values), strict=True)))
            else:
                reading.fault(number, "", "FACT_COLUMN")
    refuse(reading.faults)
    return reading.facts()


def _lines(content: bytes) -> tuple[list[list[str]], str]:
    """The cells of every line; or none, and why the file cannot be read."""
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except UnicodeDecodeError:
        return [], "the file is not UTF-8: save it as CSV UTF-8"
    except csv.Error:
        return [], "the file is not CSV: a quotation mark is not closed, or a cell holds what no cell may"
    return lines, "" if lines else "the file is empty"


def _wrong_header(header: Sequence[str]) -> str:
    """What is wrong with the first line, empty where nothing is: columns by number, because a name may be a patient's."""
    if len(header) == 1 and any(sign in header[0] for sign in ";\t"):
        return "the columns are separated by another sign than the comma: save it with commas"
    unknown = [str(number) for number, name in enumerate(header, start=1) if name not in CSV_COLUMNS]
    if unknown:
        return (
            f"the first line does not name known columns: unknown is column number {', '.join(unknown[:MOST_COLUMNS])}"
        )
    if not {"subject", "patient_id"} & set(header):
        return "neither column subject nor patient_id is there"
    return "a column stands twice" if len(set(header)) < len(header) else ""
