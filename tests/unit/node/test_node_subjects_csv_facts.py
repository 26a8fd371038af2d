"""Facts from CSV: all rows or none, each fault by row, column and code, never by value."""

from __future__ import annotations

import pytest

from myofed_node.subjects.csv_facts import TEMPLATE, read_csv
from myofed_schemas.errors import MyofedError
from myofed_schemas.subject_facts import SubjectFacts, VisitFacts

HEADER = "subject,patient_id,issuer,diagnosis,phenotypes,genetic,birth_years,sex,ambulation,session,age_band"
NOBODY = "SecretNumber7"


def _label(issuer: str, patient: str) -> str:
    return "" if patient == "unlisted" else f"P{issuer}{len(patient)}"


def _read(*lines: str) -> tuple[SubjectFacts, ...]:
    return read_csv("\n".join([HEADER, *lines]).encode(), pseudonym_of=_label)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("S1,,,ORPHA269,,,,,,,", "row 2 diagnosis FACT_VALUE"),
        ("S1,,,,HP:1,,,,,,", "row 2 phenotypes FACT_VALUE"),
        ("S1,,,,,yes,,,,,", "row 2 genetic FACT_VALUE"),
        ("S1,,,,,,1981-1985,,,,", "row 2 birth_years FACT_VALUE"),
        ("S1,,,,,,1980-1994,,,,", "row 2 birth_years FACT_VALUE"),
        ("S1,,,,,,,f,,,", "row 2 sex FACT_VALUE"),
        ("S1,,,,,,,,walks,,", "row 2 ambulation FACT_VALUE"),
        ("S1,,,,,,,,,A,41", "row 2 age_band FACT_VALUE"),
        ("S1,,,,,,,,,A,40-74", "row 2 age_band FACT_VALUE"),
        ("S1,,,,,,,,,A,", "row 2 age_band FACT_VALUE"),
        ("S1,,,,,,,,,,40-44", "row 2 session FACT_VALUE"),
        ("S 1,,,,,,,,,,", "row 2 subject FACT_VALUE"),
        (",,,,,,,,female,,", "row 2 subject FACT_SUBJECT"),
        (f"S1,{NOBODY},,,,,,,,,", "row 2 subject FACT_SUBJECT"),
        (",unlisted,,,,,,,,,", "row 2 patient_id FACT_SUBJECT"),
        ("S1,,", "row 2  FACT_COLUMN"),
    ],
)
def test_faulty_row_refuses_the_file_without_its_value(line: str, fault: str) -> None:
    """One fault, and nothing is imported; what stood in the cell is not repeated."""
    with pytest.raises(MyofedError) as caught:
        _read(line, "S2,,,,,,,,,,")
    assert caught.value.code == "SUBJECTS_INVALID"
    assert fault in str(caught.value)
    assert NOBODY not in str(caught.value)


def test_rows_that_contradict_each_other_are_refused() -> None:
    """A subject has one sex and one visit a session."""
    with pytest.raises(MyofedError, match="row 3 session FACT_TWICE, row 3 sex FACT_CONTRADICTS"):
        _read("S1,,,,,,,female,,A,40-44", "S1,,,,,,,male,,A,45-49")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"sex\nfemale\n", b"subject,name\nS1,x\n", b'subject\n"S1'])
def test_file_of_another_form_is_refused(content: bytes) -> None:
    """An unknown column may hold anything: it is refused, not ignored."""
    with pytest.raises(MyofedError, match="FACT_COLUMN"):
        read_csv(content, pseudonym_of=_label)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty"),
        ("patient_id,issuer\nP1,B\u00f6m\n".encode("latin-1"), "not UTF-8: save it as CSV UTF-8"),
        (b'subject\n"S1', "a quotation mark is not closed"),
        (b"patient_id;issuer;sex\nP1;KIS;male\n", "separated by another sign than the comma"),
        (b"patient_id\tsex\nP1\tmale\n", "separated by another sign than the comma"),
        (b"subject,name,sex,town\nS1,x,male,y\n", "unknown is column number 2, 4"),
        (b"subject,subject\nS1,S1\n", "a column stands twice"),
        (b"sex\nfemale\n", "neither column subject nor patient_id"),
    ],
)
def test_file_of_another_form_says_why(content: bytes, why: str) -> None:
    """What a spreadsheet program writes by default is told apart; an unknown name is told by its number alone."""
    with pytest.raises(MyofedError, match=why) as caught:
        read_csv(content, pseudonym_of=_label)
    assert "1 fault: row 1" in str(caught.value)
    assert "town" not in str(caught.value)


def test_rows_of_one_subject_become_one_set_of_facts() -> None:
    """Visits are sorted by session; an empty cell says nothing."""
    found = _read(
        "S1,,,ORPHA:269,HP:0003307 HP:0001324,confirmed,1980-1984,female,ambulant,B,40-44", "S1,,,,,,,,,A,35-39", ""
    )
    assert found == (
        SubjectFacts(
            subject="S1",
            diagnosis="ORPHA:269",
            phenotypes=("HP:0001324", "HP:0003307"),
            genetic="confirmed",
            birth_years="1980-1984",
            sex="female",
            ambulation="ambulant",
            visits=(VisitFacts(session="A", age_band="35-39"), VisitFacts(session="B", age_band="40-44")),
        ),
    )


def test_hospital_number_becomes_the_pseudonym() -> None:
    """The number itself is in no fact."""
    (facts,) = _read(f",{NOBODY},KH,,,,,,,,")
    assert facts.subject == f"PKH{len(NOBODY)}"
    assert NOBODY not in facts.model_dump_json()


def test_template_has_the_published_columns() -> None:
    """An empty template is a file without subjects."""
    assert TEMPLATE.strip() == HEADER
    assert read_csv(TEMPLATE.encode(), pseudonym_of=_label) == ()
