"""What a study took over from federated planning: a section of the manifest, so that sites approve it with the rest."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from myofed_schemas.ids import Sha256, SiteId
from myofed_schemas.wire import WireModel

QueryId = Annotated[str, StringConstraints(pattern=r"^plan-[a-z0-9]{8,32}$")]
"""A planning query, e.g. `plan-202611301612000a1b2c3d`."""

Normalisation = Literal["z-score"]
"""Each slice over its own tissue (docs/learning.md): the one that a site carries out."""


class AnswerUsed(WireModel):
    """One site's answer to the query, by the digest of its canonical JSON; what it says stays with the coordinator."""

    site: SiteId
    sha256: Sha256


class Planning(WireModel):
    """What was proposed, and from which answers; the fields of the manifest say what is done.

    Attributes:
        query_id: The query that the sites answered.
        query_sha256: Digest of its canonical JSON.
        answers: Answers that told enough to count, by site.
        spacing_mm: Proposed in-plane spacing of the input.
        size_px: Proposed rows and columns of the input.
        normalisation: Proposed normalisation of the input.
        levels: Proposed depth of the network.
    """

    query_id: QueryId
    query_sha256: Sha256
    answers: tuple[AnswerUsed, ...] = Field(min_length=1, max_length=1000)
    spacing_mm: float = Field(ge=0.5, le=5.0)
    size_px: tuple[Annotated[int, Field(ge=16, le=1024)], Annotated[int, Field(ge=16, le=1024)]]
    normalisation: Normalisation
    levels: int = Field(ge=2, le=7)

    @model_validator(mode="after")
    def _each_site_once(self) -> Self:
        if len({answer.site for answer in self.answers}) != len(self.answers):
            msg = "planning names a site's answer twice"
            raise ValueError(msg)
        return self

    def answer_of(self, site: str) -> str | None:
        """Digest of this site's answer, None where it was not used."""
        return next((answer.sha256 for answer in self.answers if answer.site == site), None)
