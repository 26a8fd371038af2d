"""What leaves about subjects: no field of it can carry an identifier, a UID, a fine date or free text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError
from wire_examples import CUBE

from myofed_schemas.catalog import DatasetCard, RoleMailbox
from myofed_schemas.cube import CellFilter, CountCube, CubeCell, CubePolicy
from myofed_schemas.cube_vocabulary import VALUES, age_value

HARMFUL = (
    "DOE^JANE",
    "Jane Doe, born 17.05.1983",
    "1.2.840.113619.2.55.3.604688119.969",
    "2.25.329800735698586629295641978511506172918",
    "2024-05-17",
    "20240517",
    "4711-0815-2",
    "ABCDEFGH234567AB",
    "jane.doe@clinic.example",
    "/data/patients/doe",
    "a\nb",
)
"""Identifiers, UIDs, dates, a pseudonym, an address of a person, a path, two lines."""
NOT_OF_SUBJECTS = {"site", "dataset", "title"}
"""Fields that the site's people choose; their patterns are checked by themselves."""


def _strings(schema: dict[str, Any], root: dict[str, Any], at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every place of the schema where a string may stand."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    for choice in schema.get("anyOf", []):
        yield from _strings(choice, root, at)
    for name, inner in schema.get("properties", {}).items():
        yield from _strings(inner, root, name)
    for inner in [schema.get("items"), *schema.get("prefixItems", [])]:
        if isinstance(inner, dict):
            yield from _strings(inner, root, at)
    extra = schema.get("additionalProperties", False)
    assert extra is False or schema.get("type") != "object", f"{at} takes fields of any name"
    if schema.get("type") == "string":
        yield at, schema


@pytest.mark.parametrize("kind", [CountCube, DatasetCard])
def test_no_field_of_what_leaves_is_free_text(kind: type[CountCube | DatasetCard]) -> None:
    """Walks the schema: a string is one of a list, or has a pattern from start to end; numbers are counts."""
    schema = kind.model_json_schema(mode="serialization" if kind is CountCube else "validation")
    found = list(_strings(schema, schema))
    assert found
    for name, field in found:
        assert "enum" in field or "const" in field or re.fullmatch(r"\^.*\$", field.get("pattern", "")), name


@pytest.mark.parametrize("kind", [CountCube, DatasetCard])
@pytest.mark.parametrize("text", HARMFUL)
def test_no_field_takes_an_identifier(kind: type[CountCube | DatasetCard], text: str) -> None:
    """Each pattern is tried with names, UIDs, dates, pseudonyms, addresses and paths."""
    schema = kind.model_json_schema()
    for name, field in _strings(schema, schema):
        allowed = field.get("enum", [field["const"]] if "const" in field else None)
        taken = text in allowed if allowed is not None else re.search(field["pattern"], text) is not None
        assert not taken or name in NOT_OF_SUBJECTS, name


@pytest.mark.parametrize(
    ("dimension", "value"),
    [("diagnosis", "DOE^JANE"), ("age", "41"), ("sex", "1983"), ("sequence", "ABCDEFGH234567AB")],
)
def test_value_of_another_shape_than_the_vocabulary_is_refused(dimension: str, value: str) -> None:
    """A cell cannot be misused to carry something else."""
    with pytest.raises(ValidationError):
        CellFilter.model_validate({"dimension": dimension, "value": value})


@pytest.mark.parametrize("dimension", VALUES)
def test_every_value_of_the_vocabulary_fits_a_cell(dimension: str) -> None:
    """What a site counts it can tell."""
    for value in VALUES[dimension]:  # type: ignore[index]  the keys of this very mapping
        CellFilter.model_validate({"dimension": dimension, "value": value})


@pytest.mark.parametrize("count", [1, 4, 6, 7])
def test_cube_with_a_small_or_unrounded_count_is_refused(count: int) -> None:
    """Whoever sends it: the type does not take it."""
    cell = CubeCell(at=(CellFilter(dimension="sex", value="female"),), count=count)
    with pytest.raises(ValidationError):
        CountCube.model_validate(CUBE.model_dump() | {"cells": (cell.model_dump(),)})


def test_cells_of_a_withheld_total_are_refused() -> None:
    """They would give its lower bound away."""
    with pytest.raises(ValidationError, match="withheld"):
        CountCube.model_validate(CUBE.model_dump() | {"subjects": None})


def test_cell_names_each_condition_once_and_two_values_of_one_dimension_never() -> None:
    """Sorted, so that one cell has one spelling; sequences may stand beside each other."""
    sex = [{"dimension": "sex", "value": value} for value in ("female", "male")]
    with pytest.raises(ValidationError, match="cell names two"):
        CubeCell.model_validate({"at": sex, "count": 5})
    with pytest.raises(ValidationError, match="sorted"):
        CubeCell.model_validate({"at": sex[::-1], "count": 5})
    sequences = [{"dimension": "sequence", "value": value} for value in ("MEGRE", "MESE")]
    assert CubeCell.model_validate({"at": sequences, "count": 5}).count == 5


def test_zero_is_taken_only_where_the_policy_tells_zeros() -> None:
    """Else an empty cell would be told apart from a small one."""
    zero = CubeCell(at=(CellFilter(dimension="sex", value="male"),), count=0).model_dump()
    told = CubePolicy(k=5, public_k=10, round_to=5, zeros_told=True).model_dump()
    assert CountCube.model_validate(CUBE.model_dump() | {"cells": (zero,), "policy": told}).cells[0].count == 0
    with pytest.raises(ValidationError, match="below k"):
        CountCube.model_validate(CUBE.model_dump() | {"cells": (zero,)})


@pytest.mark.parametrize(("band", "value"), [("0-4", "0-9"), ("40-44", "40-59"), ("80-84", "80+"), ("85+", "80+")])
def test_age_bands_of_the_register_become_wider_ones(band: str, value: str) -> None:
    """Five years are too fine for small cohorts."""
    assert age_value(band) == value


def test_contact_is_the_mailbox_of_a_role() -> None:
    """A person's address does not fit."""
    from pydantic import TypeAdapter

    mailbox: TypeAdapter[str] = TypeAdapter(RoleMailbox)
    assert mailbox.validate_python("mri-research@clinic.example")
    for address in ("jane.doe@clinic.example", "jdoe@clinic.example", "mri@localhost", "data.jane@clinic.example"):
        with pytest.raises(ValidationError):
            mailbox.validate_python(address)


def test_cells_out_of_order_are_no_cube() -> None:
    """One spelling for one cube, and no cell twice."""
    document = CUBE.model_dump(mode="json")
    assert len(document["cells"]) > 0
    document["cells"] = [*document["cells"], document["cells"][0]]
    with pytest.raises(ValidationError, match="sorted and each stands once"):
        CountCube.model_validate(document)
