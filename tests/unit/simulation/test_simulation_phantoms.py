"""Synthetic patients as a data set that training can read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from simulation_factories import study

from myofed_demo.presets import PRESETS
from myofed_node.learning.data import labelled_subjects, read_subject
from myofed_node.mids.dataset import Dataset
from myofed_schemas.anatomy import Side
from myofed_schemas.muscle_sets import structures
from myofed_schemas.study_options import SiteLabels
from myofed_simulation import phantoms
from myofed_simulation.phantoms import drawn_as, make_phantom_site


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def small_scanner(monkeypatch: pytest.MonkeyPatch) -> None:
    """The coarsest scanner for every site."""
    monkeypatch.setattr(phantoms, "preset_of_site", lambda _: PRESETS["ge-3t"])


def test_same_seed_same_bytes_and_training_reads_them(tmp_path: Path) -> None:
    """The whole data set, label maps included; another seed gives other patients."""
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_phantom_site(tmp_path / name / "site", number=0, subjects=1, seed=seed)
    same, again, other = (files(tmp_path / name / "site") for name in "abc")
    assert same == again
    assert same != other
    assert labelled_subjects(tmp_path / "a" / "site") == ("p0000",)
    slices = read_subject(tmp_path / "a" / "site", "p0000", manifest=study(tmp_path))
    assert set(np.unique(slices.classes)) == {0, 1, 2}


def test_site_that_draws_sets_has_no_single_member_in_its_label_maps(tmp_path: Path) -> None:
    """Its reader knows the quadriceps only."""
    labels = SiteLabels(site="hospital-a", structures=("quadriceps",))
    make_phantom_site(tmp_path / "site", number=0, subjects=1, seed=1, labels=labels)
    values = Dataset(tmp_path / "site").label_maps()[0].on_image_grid()
    assert set(np.unique(values)) == {0, *(structures()["quadriceps"].label_value(side) for side in Side)}


def test_complete_site_is_not_made_again_and_a_cut_one_is(tmp_path: Path) -> None:
    """A draft that a kill left behind is thrown away."""
    (tmp_path / ".site.draft" / "sub-old").mkdir(parents=True)
    make_phantom_site(tmp_path / "site", number=0, subjects=1, seed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    make_phantom_site(tmp_path / "site", number=0, subjects=2, seed=1)
    assert labelled_subjects(tmp_path / "site") == ("p0000",)


def test_muscle_outside_every_structure_is_not_drawn() -> None:
    """Its voxels are background in the reader's map."""
    vl, sartorius = (structures()[name].label_value(Side.LEFT) for name in ("VL", "sartorius"))
    drawn = drawn_as(np.array([0, vl, sartorius]), SiteLabels(site="hospital-a", structures=("VL",)))
    assert drawn.tolist() == [0, vl, 0]
