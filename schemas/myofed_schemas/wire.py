"""The base of every document that crosses a process or the wall: frozen, nothing unknown is accepted."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class WireModel(BaseModel):
    """A frozen document; an unknown field is an error, so that nothing can ride along unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
