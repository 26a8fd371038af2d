"""The dataset card: what a site tells the consortium about its data, suppressed and rounded before it leaves."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer

from myofed_schemas.ids import MuscleId, SiteId
from myofed_schemas.study import DuoTerm
from myofed_schemas.wire import WireModel

OrphaCode = Annotated[str, StringConstraints(pattern=r"^ORPHA:\d{1,7}$")]
Vendor = Literal["Siemens", "Philips", "GE", "Canon", "United Imaging", "other"]
HpoTerm = Annotated[str, StringConstraints(pattern=r"^HP:\d{7}$")]
"""A term of the Human Phenotype Ontology, e.g. `HP:0003307`."""
RoleMailbox = Annotated[
    str,
    StringConstraints(
        max_length=100,
        pattern=r"^(catalog|contact|data|imaging|mri|neuromuscular|office|radiology|registry|research|trials)"
        r"(-[a-z]{2,20}){0,2}@([a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?\.){1,4}[a-z]{2,12}$",
    ),
]
"""A mailbox of a role, e.g. `mri-research@clinic.example`; a person's name does not fit."""
ProtocolId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,47}$")]
"""An acquisition protocol that ships with myofed, e.g. `fat-fraction-6-echo` (docs/protocols.md)."""
FollowUp = Literal["none", "below-6-months", "6-12-months", "1-2-years", "2-5-years", "above-5-years"]
"""Usual time between two visits."""
Suffix = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,11}$")]


class SuppressedCount(WireModel):
    """A count that left the hospital: rounded, or withheld because it was below the site's k.

    Attributes:
        value: The count rounded to `rounded_to`; None when withheld.
        rounded_to: 1 only under a policy marked demo.
    """

    value: int | None = Field(default=None, ge=0)
    rounded_to: int = Field(ge=1)


class DisclosurePolicy(WireModel):
    """How the site protected the card's counts; the coordinator shows it and cannot lower it."""

    k: int = Field(ge=1)
    round_to: int = Field(ge=1)
    demo: bool
    """A policy below the floor, for synthetic patients only; marks everything it touches."""


class DatasetCard(WireModel):
    """One data set of one site. No subject rows, UIDs, dates or free text: such a field does not exist here."""

    schema_version: Literal["myofed-card-1"] = "myofed-card-1"
    site: SiteId
    dataset: str = Field(pattern=r"^[a-z][a-z0-9-]{1,47}$")
    title: str = Field(pattern=r"^[A-Za-z0-9 ,()/-]{3,80}$")
    version: int = Field(ge=1)
    region: Literal["thigh", "leg", "shoulder", "trunk", "whole-body"]
    diagnoses: tuple[OrphaCode, ...] = ()
    vendors: tuple[Vendor, ...]
    field_strengths_tesla: tuple[float, ...]
    suffixes: tuple[Suffix, ...]
    muscles: tuple[MuscleId, ...]
    """Muscles that label maps name."""
    label_origin: Literal["none", "manual", "edited", "automatic"]
    duo: tuple[DuoTerm, ...]
    subjects: SuppressedCount
    sessions: SuppressedCount
    labelled_subjects: SuppressedCount
    profile: Literal["myofed-1"] = "myofed-1"
    conforms: bool
    """The validator found no error."""
    disclosure: DisclosurePolicy
    phenotypes: tuple[HpoTerm, ...] = ()
    protocols: tuple[ProtocolId, ...] = ()
    """Protocols that the site follows."""
    repeat_subjects: SuppressedCount | None = None
    """Subjects with more than one visit."""
    follow_up: FollowUp | None = None
    contact: RoleMailbox | None = None

    @model_serializer(mode="wrap")
    def _as_before_where_nothing_new_is_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document: dict[str, Any] = handler(self)
        later = ("phenotypes", "protocols", "repeat_subjects", "follow_up", "contact")
        return {name: value for name, value in document.items() if name not in later or value not in (None, [], ())}


class CatalogAnswer(WireModel):
    """Cards that match a query, and the sum of the counts that were not withheld (a lower bound)."""

    cards: tuple[DatasetCard, ...]
    subjects_at_least: int = Field(ge=0)
    withheld: int = Field(ge=0)
    """Cards whose count of subjects was withheld."""
