"""The cube of a data set: counted and protected here, written in the form that may leave; and read back for the next."""

from __future__ import annotations

from myofed_node.config import SiteConfig
from myofed_node.disclosure.base_table import Subject
from myofed_node.disclosure.protect import Protected, protect
from myofed_node.disclosure.rounding import Rounding
from myofed_node.disclosure.versions import Release, Task, Told, changes
from myofed_schemas.cube import CellFilter, CountCube, CubeCell, CubePolicy
from myofed_schemas.cube_vocabulary import DIMENSIONS


def build_cube(task: Task, *, config: SiteConfig, version: int) -> CountCube:
    """The cube of these subjects as it may leave.

    Args:
        task: From `task_of`.
        config: Of the site.
        version: Of the cube.
    """
    return cube_of(protect(task), config=config, version=version)


def cube_of(protected: Protected, *, config: SiteConfig, version: int) -> CountCube:
    """What is told, in the form that leaves."""
    cells = [
        CubeCell.model_validate(
            {"at": tuple({"dimension": name, "value": value} for name, value in said), "count": count}
        )
        for said, count in sorted(protected.told.items())
        if said
    ]
    return CountCube(
        site=config.site,
        dataset=config.dataset.name,
        version=version,
        policy=config.policy.cube(),
        subjects=protected.told.get(()),
        cells=tuple(cells),
    )


def task_of(subjects: tuple[Subject, ...], before: Release | None, *, config: SiteConfig) -> Task:
    """What is to be protected now, beside what was told before.

    Where nobody changed and the site's policy did, no change of few subjects can be seen: all is counted as it is.
    """
    rounding = rounding_of(config.policy.cube())
    early = before is not None and 0 < changes(before.subjects, subjects, DIMENSIONS) < rounding.k
    return Task(subjects, config.policy.cube_dimensions, rounding, before, early=early)


def rounding_of(policy: CubePolicy) -> Rounding:
    """The rule of a cube."""
    return Rounding(policy.k, policy.public_k, policy.round_to, zeros_told=policy.zeros_told)


def release_of(cube: CountCube, subjects: tuple[Subject, ...]) -> Release | None:
    """What a cube told; None where it told nothing."""
    told = told_of(cube)
    return Release(subjects, told, rounding_of(cube.policy)) if told else None


def told_of(cube: CountCube) -> Told:
    """Cell -> number, with the total."""
    total: Told = {} if cube.subjects is None else {(): cube.subjects}
    return total | {tuple(_said(each) for each in cell.at): cell.count for cell in cube.cells}


def _said(condition: CellFilter) -> tuple[str, str]:
    return condition.dimension, condition.value
