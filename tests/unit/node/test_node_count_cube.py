"""The cube in the form that leaves: it tells what was protected, no more, and is read back without loss."""

from __future__ import annotations

import pytest

from myofed_node.config import DEMO_POLICY, DatasetSettings, SiteConfig
from myofed_node.count_cube import build_cube, cube_of, release_of, rounding_of, task_of, told_of
from myofed_node.disclosure.base_table import Subject
from myofed_node.disclosure.protect import protect
from myofed_node.disclosure.versions import Release
from myofed_schemas.cube import CountCube
from myofed_schemas.cube_vocabulary import DIMENSIONS, VALUES

POLICY = DEMO_POLICY.model_copy(update={"cube_dimensions": ("diagnosis", "sex", "vendor")})
CONFIG = SiteConfig(site="alpha", policy=POLICY, dataset=DatasetSettings(title="Thigh MRI"))
K = CONFIG.policy.cube_k


def subject(**values: str) -> Subject:
    said = {"diagnosis": "ORPHA:269", "sex": "female", "vendor": "Siemens"} | values
    return {name: (said.get(name) or VALUES[name][-1],) for name in DIMENSIONS}


def cohort(women: int, men: int) -> tuple[Subject, ...]:
    return (*[subject()] * women, *[subject(sex="male")] * men)


def cube(subjects: tuple[Subject, ...], before: Release | None = None, *, version: int = 1) -> CountCube:
    return build_cube(task_of(subjects, before, config=CONFIG), config=CONFIG, version=version)


def test_fewer_than_k_subjects_tell_nothing() -> None:
    """No total, no cell, and nothing that a later version must be proven beside."""
    told = cube(cohort(K - 1, 0))
    assert (told.subjects, told.cells) == (None, ())
    assert told_of(told) == {}
    assert release_of(told, cohort(K - 1, 0)) is None


def test_small_cell_leaves_in_no_form() -> None:
    """One man among many women: no cell of men, and no number below k."""
    told = told_of(cube(cohort(4 * K, 1)))
    assert told.get(()) is not None, "nothing was told: the test proves nothing"
    assert not [cell for cell in told if ("sex", "male") in cell]
    assert min(told.values()) >= K


def test_cube_is_site_data_set_policy_and_the_protected_numbers() -> None:
    """In one order, whatever the order of the subjects."""
    many = cohort(4 * K, 3 * K)
    found = cube(many, version=7)
    assert (found.site, found.dataset, found.version) == ("alpha", CONFIG.dataset.name, 7)
    assert found.policy == CONFIG.policy.cube()
    assert found == cube(tuple(reversed(many)), version=7)
    assert [cell.at for cell in found.cells] == sorted((cell.at for cell in found.cells), key=repr_of)


def repr_of(at: tuple[object, ...]) -> list[tuple[str, str]]:
    return [(each.dimension, each.value) for each in at]  # type: ignore[attr-defined]


def test_cube_is_read_back_as_it_was_protected() -> None:
    """Cells, total and rule: what the next version is proven beside is exactly what was told."""
    many = cohort(4 * K, 3 * K)
    protected = protect(task_of(many, None, config=CONFIG))
    found = cube_of(protected, config=CONFIG, version=1)
    assert told_of(CountCube.model_validate_json(found.model_dump_json())) == protected.told
    assert protected.told, "nothing was told: the test proves nothing"
    release = release_of(found, many)
    assert release == Release(many, protected.told, rounding_of(found.policy))


@pytest.mark.parametrize(("more", "early"), [(1, True), (K - 1, True), (K, False)])
def test_version_with_fewer_than_k_changes_is_early(more: int, early: bool) -> None:
    """Without a version before there is nothing that a change could be read off."""
    first = cohort(4 * K, 3 * K)
    before = release_of(cube(first), first)
    assert before is not None
    assert task_of(first, None, config=CONFIG).early is False
    assert task_of((*first, *cohort(more, 0)), before, config=CONFIG).early is early
