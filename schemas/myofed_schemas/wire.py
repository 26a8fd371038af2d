"""The base of every document that crosses a process or the wall: frozen, nothing unknown is accepted."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class WireModel(BaseModel):
    """A frozen document; an unknown field is an error, so that nothing can ride along unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WholeNumber = Annotated[int, Field(strict=True), BeforeValidator(_whole)]
"""A JSON integer, which may be written 14 or 14.0 (JSON Schema 2020-12); neither a text nor true."""
