"""The study's file, completed as the coordinator does, for as many sites as are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulation_factories import NAMES, initial, study, write_study

from myofed_schemas.errors import MyofedError
from myofed_simulation.study import for_sites, read_study, site_names


def test_missing_file_is_refused_without_its_path(tmp_path: Path) -> None:
    """A path may hold a name."""
    with pytest.raises(MyofedError) as error:
        read_study(tmp_path / "Jane" / "study.yaml", weights=initial())
    assert error.value.code == "SIMULATION_FILE"
    assert "Jane" not in str(error.value)


def test_fewer_sites_than_the_quorum_are_refused(tmp_path: Path) -> None:
    """A run that could not finish a round does not begin."""
    with pytest.raises(MyofedError) as error:
        for_sites(study(tmp_path), ["hospital-a"])
    assert error.value.code == "SIMULATION_SITES"
    assert "min_sites" in str(error.value)


def test_the_studys_own_sites_give_the_studys_own_digest(tmp_path: Path) -> None:
    """What runs in simulation is then the manifest that sites approve, to the byte."""
    manifest = study(tmp_path)
    assert for_sites(manifest, site_names(manifest, len(NAMES))).digest() == manifest.digest()


def test_a_hundred_sites_are_the_studys_and_made_up_ones(tmp_path: Path) -> None:
    """All valid site ids, each once."""
    manifest = study(tmp_path)
    names = for_sites(manifest, site_names(manifest, 100)).sites
    assert names[:5] == NAMES
    assert len(set(names)) == 100


def test_study_that_does_not_hold_is_refused_with_the_field_at_fault(tmp_path: Path) -> None:
    """As `study create` says it."""
    path, _ = write_study(tmp_path, rounds=0)
    with pytest.raises(MyofedError) as error:
        read_study(path, weights=initial())
    assert error.value.code == "STUDY_INVALID"
    assert "rounds" in str(error.value)
