"""Random cohorts for the attack on published counts: small, skewed, and with subjects added or removed later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from myofed_node.disclosure.base_table import Subject
from myofed_schemas.cube import DimensionName
from myofed_schemas.cube_vocabulary import VALUES

SINGLE: tuple[DimensionName, ...] = ("diagnosis", "genetic", "sex", "age", "ambulation", "labels", "visits", "vendor")
DIAGNOSES = ("ORPHA:269", "ORPHA:98473", "ORPHA:98896", "ORPHA:609", "unknown")
SEQUENCES = ("MEGRE", "MESE", "T1w")
SIZES = (5, 8, 12, 16, 20, 25, 30, 40, 50, 60, 80, 100, 140, 200)


@dataclass(frozen=True)
class Cohort:
    """A data set at two moments.

    Attributes:
        seed: Of everything.
        dimensions: By which it is counted.
        first: Subjects at the first moment.
        second: At the second: some were added, in every third cohort some removed.
        third: At a third, alike.
    """

    seed: int
    dimensions: tuple[DimensionName, ...]
    first: tuple[Subject, ...]
    second: tuple[Subject, ...]
    third: tuple[Subject, ...]

    @property
    def moments(self) -> tuple[tuple[Subject, ...], ...]:
        """All three."""
        return self.first, self.second, self.third


def random_cohort(seed: int) -> Cohort:
    """5 to 200 subjects with 2 to 4 dimensions and up to 3 sequences, from a mixture of three skewed groups."""
    rng = np.random.default_rng([seed, 77])
    chosen: list[DimensionName] = [SINGLE[int(n)] for n in rng.permutation(len(SINGLE))[: rng.integers(2, 5)]]
    flags = SEQUENCES[: rng.integers(0, 4)]
    size, more = int(rng.choice(SIZES)), int(rng.integers(1, 13))
    groups = rng.dirichlet(np.ones(3) * 0.7)
    tastes = {name: rng.dirichlet(np.ones(len(_values(name))) * rng.choice([0.2, 0.5, 1.0]), size=3) for name in chosen}
    has = {flag: rng.choice([0.02, 0.1, 0.5, 0.9, 0.98], size=3) for flag in flags}

    def subject() -> Subject:
        group = int(rng.choice(3, p=groups))
        values: dict[DimensionName, tuple[str, ...]] = {
            name: (str(rng.choice(_values(name), p=tastes[name][group])),) for name in chosen
        }
        if flags:
            values["sequence"] = tuple(flag for flag in flags if rng.random() < has[flag][group])
        return values

    first = tuple(subject() for _ in range(size))
    kept = first[int(rng.integers(1, 4)) :] if seed % 3 == 0 and size > 8 else first
    second = (*kept, *(subject() for _ in range(more)))
    stayed = second[int(rng.integers(1, 4)) :] if seed % 3 == 0 and size > 8 else second
    third = (*stayed, *(subject() for _ in range(int(rng.integers(1, 13)))))
    dimensions: tuple[DimensionName, ...] = (*chosen, "sequence") if flags else tuple(chosen)
    return Cohort(seed, dimensions, first, second, third)


def _values(name: DimensionName) -> tuple[str, ...]:
    return DIAGNOSES if name == "diagnosis" else VALUES[name]
