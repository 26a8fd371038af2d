"""Every wire type: round trip, golden JSON, no unknown field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from wire_examples import WIRE_EXAMPLES

from myofed_schemas.canonical import canonical_json
from myofed_schemas.wire import WholeNumber, WireModel

GOLDEN = Path(__file__).parents[2] / "golden"


def all_subclasses(base: type[BaseModel]) -> set[type[BaseModel]]:
    found = set(base.__subclasses__())
    return found | {s for c in found for s in all_subclasses(c)}


@pytest.mark.parametrize("name", WIRE_EXAMPLES)
def test_wire_type_survives_a_round_trip(name: str) -> None:
    """What was written is what is read."""
    example = WIRE_EXAMPLES[name]
    assert type(example).model_validate_json(canonical_json(example)) == example


@pytest.mark.parametrize("name", WIRE_EXAMPLES)
def test_wire_type_still_reads_and_writes_its_golden_json(name: str) -> None:
    """A document written by an earlier version means the same today; a change here is a change of the wire."""
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    example = WIRE_EXAMPLES[name]
    assert type(example).model_validate(golden) == example
    assert json.loads(canonical_json(example)) == golden


@pytest.mark.parametrize("name", WIRE_EXAMPLES)
def test_unknown_field_is_refused(name: str) -> None:
    """Nothing can ride along in a document."""
    document = json.loads(canonical_json(WIRE_EXAMPLES[name]))
    with pytest.raises(ValidationError):
        type(WIRE_EXAMPLES[name]).model_validate(document | {"patient_name": "x"})


def test_every_golden_file_belongs_to_a_wire_type() -> None:
    """No golden file is left behind by a type that is gone."""
    assert {p.stem for p in GOLDEN.glob("*.json")} == set(WIRE_EXAMPLES)


def test_every_top_level_wire_type_has_an_example() -> None:
    """A new wire type cannot land without its golden JSON: each is an example or a part of one."""
    import myofed_schemas.catalog
    import myofed_schemas.ledger  # noqa: F401

    wire_modules = {
        f"myofed_schemas.{m}"
        for m in (
            "study",
            "study_planning",
            "planning_query",
            "federation",
            "enrolment",
            "audit",
            "catalog",
            "catalog_search",
            "duo",
            "negotiation",
            "ledger",
            "model",
        )
    }
    shown: set[type] = set()

    def walk(value: object) -> None:
        if isinstance(value, BaseModel):
            shown.add(type(value))
            for field in type(value).model_fields:
                walk(getattr(value, field))
        elif isinstance(value, tuple):
            for item in value:
                walk(item)

    for example in WIRE_EXAMPLES.values():
        walk(example)
    missing = {c.__name__ for c in all_subclasses(WireModel) if c.__module__ in wire_modules} - {
        c.__name__ for c in shown
    }
    assert missing == set()


@pytest.mark.parametrize(("text", "number"), [("14", 14), ("14.0", 14), ("1.4e1", 14)])
def test_whole_number_may_be_written_with_a_fraction_of_zero(text: str, number: int) -> None:
    """As a JSON schema's `integer` says."""
    assert TypeAdapter(WholeNumber).validate_json(text) == number


@pytest.mark.parametrize("text", ["14.5", '"14"', "true", "1e400", "NaN", "null"])
def test_anything_else_is_no_whole_number(text: str) -> None:
    """Neither a text nor a truth becomes a number."""
    with pytest.raises(ValidationError):
        TypeAdapter(WholeNumber).validate_json(text)
