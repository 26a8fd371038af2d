"""Field faults: nothing that was sent is in them, then what they tell."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from myofed_schemas.errors import ErrorBody, FieldFault
from myofed_schemas.field_faults import MOST, field_faults, names_of

SENT = "Mueller^Peter"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    low: int = Field(default=1, ge=1, lt=9)
    high: float = Field(default=2, gt=0, le=5)


class Document(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="a", pattern="^[a-z\u00e4]+$")
    title: str = Field(default="a", max_length=3)
    many: tuple[Annotated[str, Field(min_length=2)], ...] = ()
    kind: Literal["a", "b"] = "a"
    inner: Inner = Inner()
    free: dict[str, int] = {}
    step: int = Field(default=2, multiple_of=2)
    flag: bool = False
    needed: int = 1

    @model_validator(mode="after")
    def _together(self) -> Document:
        if self.name == "bad":
            msg = f"the name is {SENT}"
            raise ValueError(msg)
        assert self.name != "worse", SENT
        return self


class Needs(BaseModel):
    needed: int


KNOWN = names_of({"components": [Document.model_json_schema(), Needs.model_json_schema()]})


def told(kind: type[BaseModel], document: dict[str, object]) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(document)
    faults = field_faults(caught.value.errors(), known=KNOWN)
    assert SENT not in ErrorBody(code="MALFORMED", fields=faults).model_dump_json()
    return [(fault.field, fault.expected) for fault in faults]


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({SENT: 1}, ("document", "no field but the documented ones")),
        ({"inner": {SENT: 1}}, ("inner", "no field but the documented ones")),
        ({"free": {SENT: SENT}}, ("free.*", "int")),
        ({"name": SENT}, ("name", "of the form ^[a-z\\xe4]+$")),
        ({"title": SENT}, ("title", "of length 3 at most")),
        ({"many": ["ok", "x"]}, ("many.1", "of length 2 at least")),
        ({"kind": SENT}, ("kind", "'a' or 'b'")),
        ({"inner": {"low": 0}}, ("inner.low", "1 at least")),
        ({"inner": {"low": 9}}, ("inner.low", "less than 9")),
        ({"inner": {"high": 0}}, ("inner.high", "more than 0.0")),
        ({"inner": {"high": 6}}, ("inner.high", "5.0 at most")),
        ({"inner": SENT}, ("inner", "model")),
        ({"step": 3}, ("step", "a multiple of 2")),
        ({"flag": SENT}, ("flag", "bool")),
        ({"needed": {SENT: SENT}}, ("needed", "int")),
        ({"name": "bad"}, ("document", "what the documentation of these fields asks for together")),
        ({"name": "worse"}, ("document", "what the documentation of these fields asks for together")),
    ],
)
def test_fault_names_field_and_form_and_nothing_that_was_sent(
    document: dict[str, object], fault: tuple[str, str]
) -> None:
    """Neither a value nor a made-up name."""
    assert told(Document, document) == [fault]


def test_body_without_fields_is_the_one_of_before() -> None:
    """Programs of 0.1 take a code and a hint alone."""
    assert ErrorBody(code="MALFORMED").model_dump_json() == '{"code":"MALFORMED","hint":""}'


def test_missing_field_is_named_and_text_that_is_no_json_by_its_place_alone() -> None:
    """The position in the text is no field."""
    assert told(Needs, {}) == [("needed", "a value")]
    no_json = [{"type": "json_invalid", "loc": ("body", 17), "ctx": {"error": SENT}}]
    assert field_faults(no_json, known=KNOWN) == (FieldFault(field="body", expected="JSON"),)


def test_so_many_faults_are_told_and_each_once() -> None:
    """However large the request."""
    document = {"free": {f"{SENT}{n}": SENT for n in range(50)}, "many": ["x"] * 50}
    found = told(Document, document)
    assert len(found) == MOST
    assert found.count(("free.*", "int")) <= 1


def test_names_are_those_of_fields_and_parameters() -> None:
    """A description or an example is no name."""
    assert {"low", "high", "name", "inner"} <= KNOWN
    document = {
        "paths": {"/x": {"get": {"parameters": [{"in": "query", "name": "page", "schema": {"title": "Page"}}]}}}
    }
    assert names_of(document) == {"page"}
    assert names_of({"properties": True}) == frozenset()
