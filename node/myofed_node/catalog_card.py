"""The dataset card: counts are taken here, protected here, and only then become a document that may leave."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pydantic import TypeAdapter

from myofed_node.config import SiteConfig
from myofed_node.dataset_census import Census
from myofed_node.disclosure import common_categories, protect_count, protect_part
from myofed_schemas.catalog import DatasetCard, DisclosurePolicy, SuppressedCount, Vendor

VENDOR_NAMES = TypeAdapter(tuple[Vendor, ...])
LabelOrigin = Literal["none", "manual", "edited", "automatic"]


def build_card(census: Census, *, config: SiteConfig, conforms: bool, version: int) -> DatasetCard:
    """A card on which no count and no category stands for fewer than k subjects.

    Args:
        census: Exact counts of the data set.
        config: Site, description and disclosure policy.
        conforms: Whether the validator found no error.
        version: Of the card.
    """
    policy = config.policy.disclosure()
    return DatasetCard(
        site=config.site,
        dataset=config.dataset.name,
        title=config.dataset.title,
        version=version,
        region=config.dataset.region,
        diagnoses=config.dataset.diagnoses,
        vendors=VENDOR_NAMES.validate_python(_common(census.vendors, policy)),
        field_strengths_tesla=tuple(sorted(common_categories(census.tesla, policy=policy))),
        suffixes=_common(census.suffixes, policy),
        muscles=_common(census.muscles, policy),
        label_origin=_origin(census, policy=policy),
        duo=config.dataset.duo,
        subjects=protect_count(census.subjects, policy=policy),
        sessions=_sessions(census, policy=policy),
        labelled_subjects=protect_part(census.labelled_subjects, whole=census.subjects, policy=policy),
        conforms=conforms,
        disclosure=policy,
    )


def _sessions(census: Census, *, policy: DisclosurePolicy) -> SuppressedCount:
    """Withheld where the few repeat visits could be counted by subtracting the subjects."""
    if protect_part(census.subjects, whole=census.sessions, policy=policy).value is None:
        return SuppressedCount(value=None, rounded_to=policy.round_to)
    return protect_count(census.sessions, policy=policy)


def _common(counts: Counter[str], policy: DisclosurePolicy) -> tuple[str, ...]:
    return tuple(sorted(common_categories(counts, policy=policy)))


def _origin(census: Census, *, policy: DisclosurePolicy) -> LabelOrigin:
    """The least careful way in which labels of at least k subjects were made."""
    found = common_categories(census.origins, policy=policy)
    ways: tuple[LabelOrigin, ...] = ("automatic", "edited", "manual")
    return next((way for way in ways if way in found), "none")
