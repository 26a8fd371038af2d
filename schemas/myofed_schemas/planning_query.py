"""The round before a study: what the coordinator asks, and what a site's people answer, once, for a query they read."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from myofed_schemas.ids import MuscleId, Sha256, SiteId, StudyId, UtcTime
from myofed_schemas.muscle_sets import structures
from myofed_schemas.planning import Fingerprint
from myofed_schemas.study import PRINTABLE, HexPublicKey, HexSignature
from myofed_schemas.study_options import muscle_ids
from myofed_schemas.study_planning import QueryId
from myofed_schemas.wire import WireModel

MAX_ANSWER_BYTES = 65_536
"""A full answer is some 3 kB."""
Salt = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class PlanningQuery(WireModel):
    """What the coordinator asks of sites before it writes a study; any change is a new query.

    Attributes:
        query_id: Made by the coordinator.
        study_id: The study that is being planned.
        title: Its title.
        purpose: Why it is asked; read by the people who answer.
        sites: Who is asked, each once.
        label_set: As in the manifest.
        muscles: What the study is to outline; an answer tells nothing of other muscles.
        min_answers: Nothing is proposed from fewer.
        demo: Synthetic patients only; a site answers only where its policy says the same.
        asked_at: UTC.
    """

    schema_version: Literal["myofed-planning-query-1"] = "myofed-planning-query-1"
    query_id: QueryId
    study_id: StudyId
    title: str = Field(min_length=3, max_length=200, pattern=PRINTABLE)
    purpose: str = Field(min_length=3, max_length=2000, pattern=PRINTABLE)
    sites: tuple[SiteId, ...] = Field(min_length=1, max_length=1000)
    label_set: Literal["individual"] = "individual"
    muscles: tuple[MuscleId, ...] = Field(min_length=1, max_length=63)
    min_answers: int = Field(ge=1)
    demo: bool = False
    asked_at: UtcTime

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        unknown = [m for m in self.muscles if m not in muscle_ids()]
        if unknown:
            msg = f"muscles not in muscles.tsv: {', '.join(unknown)}"
            raise ValueError(msg)
        if len(set(self.muscles)) != len(self.muscles) or len(set(self.sites)) != len(self.sites):
            msg = "a muscle or site is named twice"
            raise ValueError(msg)
        if self.min_answers > len(self.sites):
            msg = f"min_answers is {self.min_answers}, but only {len(self.sites)} sites are asked"
            raise ValueError(msg)
        return self


class SignedPlanningQuery(WireModel):
    """A query as the coordinator sends it: Ed25519 over the canonical JSON of `query`, both in hexadecimal."""

    query: PlanningQuery
    sha256: Sha256
    signature: HexSignature
    signer: HexPublicKey


class PlanningAnswer(WireModel):
    """The one answer of a site to a query; its digest stands in the manifest that follows.

    Attributes:
        query_id: The query.
        query_sha256: Which query, exactly.
        site: Who answers.
        answer: `told` with a fingerprint, `declined` without.
        fingerprint: Suppressed at the site.
        salt: From a key that the site alone has: sites that read the manifest cannot try out fingerprints against the digest.
    """

    schema_version: Literal["myofed-planning-answer-1"] = "myofed-planning-answer-1"
    query_id: QueryId
    query_sha256: Sha256
    site: SiteId
    answer: Literal["told", "declined"]
    fingerprint: Fingerprint | None = None
    salt: Salt

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.answer == "told") != (self.fingerprint is not None):
            msg = "told comes with a fingerprint, declined without"
            raise ValueError(msg)
        if self.fingerprint and self.fingerprint.site != self.site:
            msg = "the fingerprint names another site than the answer"
            raise ValueError(msg)
        return self


def asked_of(fingerprint: Fingerprint, query: PlanningQuery) -> Fingerprint:
    """The fingerprint without what was not asked for: structures that cover none of the query's muscles."""
    return fingerprint.model_copy(
        update={"structures": tuple(s for s in fingerprint.structures if _covers(s, query.muscles))}
    )


def _covers(structure: str, muscles: tuple[str, ...]) -> bool:
    known = structures().get(structure)
    return known is not None and not set(known.members).isdisjoint(muscles)
