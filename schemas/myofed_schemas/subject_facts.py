"""Facts about a subject that DICOM does not carry; linked by pseudonym, kept on the node, never sent."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from myofed_schemas.catalog import HpoTerm, OrphaCode
from myofed_schemas.ids import SessionLabel, Sha256, SubjectLabel
from myofed_schemas.wire import WireModel


def _five(band: str) -> str:
    first, _, last = band.partition("-")
    if last and int(last) != int(first) + 4:
        msg = "expected a band of five years"
        raise ValueError(msg)
    return band


BirthYears = Annotated[str, StringConstraints(pattern=r"^(19|20)\d(0-(19|20)\d4|5-(19|20)\d9)$"), AfterValidator(_five)]
"""Five years, the first of which ends in 0 or 5, e.g. `1980-1984`."""

AgeBand = Annotated[
    str,
    StringConstraints(pattern=r"^(0-4|5-9|[1-7](0-[1-7]4|5-[1-7]9)|80-84|85\+)$"),
    AfterValidator(_five),
]
"""Five years of age, e.g. `40-44`; `85+` for all above."""

GeneticConfirmation = Literal["confirmed", "not-confirmed", "unknown"]
Sex = Literal["female", "male", "other", "unknown"]
Ambulation = Literal["ambulant", "with-aid", "non-ambulant", "unknown"]

CSV_COLUMNS = (
    "subject",
    "patient_id",
    "issuer",
    "diagnosis",
    "phenotypes",
    "genetic",
    "birth_years",
    "sex",
    "ambulation",
    "session",
    "age_band",
)
"""Columns of the CSV that `myofed-node subjects import` reads, in any order; docs/subject-facts.md explains each."""


class VisitFacts(WireModel):
    """One visit.

    Attributes:
        session: Label of the session in the data set.
        age_band: Age at the exam.
    """

    session: SessionLabel
    age_band: AgeBand


class ConsentFacts(WireModel):
    """A consent record, kept for cohort snapshots.

    Attributes:
        active: The record is in force.
        valid_from: ISO 8601 day, or None where the record does not say.
        valid_to: Likewise.
    """

    active: bool
    valid_from: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    valid_to: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None


class SubjectFacts(WireModel):
    """What a hospital knows of one subject; what it does not is None, empty or `unknown`."""

    subject: SubjectLabel
    diagnosis: OrphaCode | None = None
    phenotypes: tuple[HpoTerm, ...] = ()
    genetic: GeneticConfirmation = "unknown"
    birth_years: BirthYears | None = None
    sex: Sex = "unknown"
    ambulation: Ambulation = "unknown"
    visits: tuple[VisitFacts, ...] = ()
    consents: tuple[ConsentFacts, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        sessions = [visit.session for visit in self.visits]
        if sessions != sorted(set(sessions)):
            msg = "visits are sorted by session and each stands once"
            raise ValueError(msg)
        return self


class PendingImport(WireModel):
    """What the audit chain is told of an import, kept until it stands there.

    Attributes:
        after: Sequence of the chain's last entry before it.
        subjects: In the file.
        new: Of them, not known before.
        changed: Of them, known otherwise before.
    """

    after: int = Field(ge=0)
    subjects: int = Field(ge=0)
    new: int = Field(ge=0)
    changed: int = Field(ge=0)


class SubjectRegister(WireModel):
    """`subjects.json`, 0600: all facts of a site.

    Attributes:
        schema_version: Of this file.
        subjects: Sorted by pseudonym.
        source_sha256: Of the facts that the last import brought.
        on_record: The last import stands in the audit chain.
        pending: What is to stand there, until it does.
    """

    schema_version: Literal["myofed-subjects-1"] = "myofed-subjects-1"
    subjects: tuple[SubjectFacts, ...] = ()
    source_sha256: Sha256 | None = None
    on_record: bool = True
    pending: PendingImport | None = None

    @model_validator(mode="after")
    def _sorted(self) -> Self:
        labels = [facts.subject for facts in self.subjects]
        if labels != sorted(set(labels)):
            msg = "subjects are sorted and each stands once"
            raise ValueError(msg)
        return self


class FactFault(WireModel):
    """Why an import was refused; no value of the file is in it.

    Attributes:
        row: Line of the CSV (the header is line 1), or number of the bundle's entry.
        column: Of the CSV, or element of the resource.
        code: FACT_COLUMN, FACT_VALUE, FACT_CONTRADICTS, FACT_SUBJECT, FACT_TWICE or FACT_RESOURCE.
    """

    row: int = Field(ge=0)
    column: str = Field(pattern=r"^[A-Za-z_.]{0,40}$")
    code: Literal["FACT_COLUMN", "FACT_VALUE", "FACT_CONTRADICTS", "FACT_SUBJECT", "FACT_TWICE", "FACT_RESOURCE"]


class SubjectsImported(WireModel):
    """What an import did; counts only."""

    state: Literal["imported", "unchanged"]
    subjects: int = Field(ge=0)
    """In the file."""
    new: int = Field(ge=0)
    changed: int = Field(ge=0)
    without_images: int = Field(ge=0)
    """In the file, but not in the data set."""
