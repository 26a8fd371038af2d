"""The dataset card: its counts are the cube's, so that card and cube together tell no more than the cube."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from pydantic import TypeAdapter

from myofed_node.config import SiteConfig
from myofed_node.count_cube import told_of
from myofed_node.dataset_census import Census
from myofed_schemas.catalog import DatasetCard, OrphaCode, SuppressedCount, Vendor
from myofed_schemas.cube import CountCube
from myofed_schemas.cube_vocabulary import SEVERAL, UNKNOWN, VENDOR_VALUES

VENDOR_NAMES = TypeAdapter(tuple[Vendor, ...])
DIAGNOSES = TypeAdapter(tuple[OrphaCode, ...])
SINGLE = "single-muscles"
VISITS = {"1": 1, "2": 2, "3+": 3}
LabelOrigin = Literal["none", "manual", "edited", "automatic"]


def build_card(cube: CountCube, census: Census, *, config: SiteConfig, conforms: bool) -> DatasetCard:
    """The card beside this cube: what everybody may see of it, and what the site says of itself.

    Muscles and label origin are told only where at least public_k subjects have them and a cell of labels is told to
    everybody, for muscles that of single muscles: then they add nothing that this cell does not say (docs/disclosure.md).

    Args:
        cube: As it leaves.
        census: Which muscles and origins subjects have; of the same subjects.
        config: Site, description and disclosure policy.
        conforms: Whether the validator found no error.
    """
    seen = _Seen(cube)
    labelled = seen.of("labels").total() - seen.of("labels")["none"]
    visits = seen.of("visits")
    return DatasetCard(
        site=config.site,
        dataset=config.dataset.name,
        title=config.dataset.title,
        version=cube.version,
        region=config.dataset.region,
        diagnoses=_diagnoses(config, seen),
        vendors=VENDOR_NAMES.validate_python(_vendors(seen)),
        field_strengths_tesla=tuple(
            sorted(
                float(value.removesuffix("T")) for value in seen.of("field-strength") if value not in (SEVERAL, UNKNOWN)
            )
        ),
        suffixes=tuple(sorted(seen.of("sequence"))),
        muscles=_common(census.muscles, cube) if seen.of("labels")[SINGLE] else (),
        label_origin=_origin(census, cube) if labelled else "none",
        duo=config.dataset.duo,
        subjects=seen.count(seen.total),
        sessions=seen.count(sum(VISITS[value] * count for value, count in visits.items())),
        labelled_subjects=seen.count(labelled),
        conforms=conforms,
        disclosure=config.policy.disclosure(),
        phenotypes=config.dataset.phenotypes,
        protocols=config.dataset.protocols,
        repeat_subjects=seen.count(visits["2"] + visits["3+"]),
        follow_up=config.dataset.follow_up,
        contact=config.dataset.contact,
    )


class _Seen:
    """The cells of one condition that everybody sees."""

    def __init__(self, cube: CountCube) -> None:
        self._policy = cube.policy
        told = {said: count for said, count in told_of(cube).items() if count >= cube.policy.public_k}
        self.total = told.get((), 0)
        self._one = {said[0]: count for said, count in told.items() if len(said) == 1}

    def of(self, dimension: str) -> Counter[str]:
        """Value -> told count."""
        return Counter({value: count for (name, value), count in self._one.items() if name == dimension})

    def count(self, value: int) -> SuppressedCount:
        """A count, or the sum of told counts: at least so many; None where none is told."""
        return SuppressedCount(value=value or None, rounded_to=self._policy.round_to)


def _diagnoses(config: SiteConfig, seen: _Seen) -> tuple[str, ...]:
    counted = {value for value in seen.of("diagnosis") if value != UNKNOWN}
    return DIAGNOSES.validate_python(tuple(sorted({*config.dataset.diagnoses, *counted})))


def _vendors(seen: _Seen) -> tuple[str, ...]:
    told = seen.of("vendor")
    return tuple(sorted(name for name, value in VENDOR_VALUES.items() if value in told))


def _common(counts: Counter[str], cube: CountCube) -> tuple[str, ...]:
    return tuple(sorted(name for name, subjects in counts.items() if subjects >= cube.policy.public_k))


def _origin(census: Census, cube: CountCube) -> LabelOrigin:
    """The least careful way in which labels of enough subjects were made."""
    found: Iterable[str] = _common(census.origins, cube)
    ways: tuple[LabelOrigin, ...] = ("automatic", "edited", "manual")
    return next((way for way in ways if way in found), "none")
