"""Whose subjects a virtual site has: refused where too few, dealt by a key, digested with every byte."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulation_factories import NAMES, quiet, study, write_sites, write_subject

from myofed_schemas.errors import MyofedError
from myofed_simulation.plan import Dealt, Folders, FolderSite, Phantoms, Plan, VirtualSite
from myofed_simulation.sites import data_of, dealt, names_of, virtual_sites


def refusal(plan: Plan, data: Path) -> MyofedError:
    with pytest.raises(MyofedError) as error:
        virtual_sites(plan, plan.study, data=data, told=quiet())
    return error.value


def test_folder_without_label_maps_is_no_site_and_its_path_is_not_told(tmp_path: Path) -> None:
    """A path may hold a name: the message says which site, not where."""
    source = Folders(sites=(FolderSite(name="hospital-a", dataset=str(tmp_path / "Doe^Jane")),))
    found = refusal(Plan(study=study(tmp_path), source=source, seed=1), tmp_path)
    assert found.code == "SIMULATION_DATA"
    assert "Doe" not in str(found)


def test_site_with_fewer_subjects_than_the_study_asks_for_is_refused(tmp_path: Path, folders: Folders) -> None:
    """min_subjects holds for virtual sites too."""
    plan = Plan(study=study(tmp_path, min_subjects=4), source=folders, seed=1)
    assert refusal(plan, tmp_path).code == "SIMULATION_SUBJECTS"


def test_deal_of_too_few_subjects_is_refused() -> None:
    """Every site needs its least number."""
    with pytest.raises(MyofedError) as error:
        dealt("abcde", sites=2, skew=0.0, seed=1, least=3)
    assert error.value.code == "SIMULATION_SUBJECTS"


@given(
    labels=st.sets(st.text("abcdefgh0123", min_size=1, max_size=6), min_size=12, max_size=40),
    sites=st.integers(1, 4),
    skew=st.floats(0, 3),
    seed=st.integers(0, 99),
)
def test_deal_gives_every_subject_to_one_site_whatever_the_order(
    labels: set[str], sites: int, skew: float, seed: int
) -> None:
    """A partition, with the least number each, the same for the labels sorted or not."""
    hands = dealt(labels, sites=sites, skew=skew, seed=seed, least=3)
    assert Counter(label for hand in hands for label in hand) == Counter(labels)
    assert all(len(hand) >= 3 for hand in hands)
    assert hands == dealt(sorted(labels, reverse=True), sites=sites, skew=skew, seed=seed, least=3)


def test_skew_gives_sites_shares_in_proportion_to_its_power_of_their_number() -> None:
    """60 subjects to three sites with skew 1: 1, 1/2, 1/3 of the whole 11/6."""
    labels = [f"p{n}" for n in range(66)]
    assert [len(hand) for hand in dealt(labels, sites=3, skew=1.0, seed=1, least=0)] == [36, 18, 12]
    assert [len(hand) for hand in dealt(labels, sites=3, skew=0.0, seed=1, least=0)] == [22, 22, 22]


def test_another_seed_deals_otherwise() -> None:
    """The deal is keyed."""
    labels = [f"p{n}" for n in range(20)]
    assert dealt(labels, sites=2, skew=0, seed=1) != dealt(labels, sites=2, skew=0, seed=2)


def test_dealt_sites_share_one_data_set_and_no_subject(tmp_path: Path) -> None:
    """One folder in two hands."""
    for index in range(6):
        write_subject(tmp_path / "one", f"s{index}", seed=index)
    manifest = study(tmp_path, sites=list(NAMES[:2]))
    plan = Plan(study=manifest, source=Dealt(dataset=str(tmp_path / "one"), sites=2, skew=0.0), seed=1)
    first, second = virtual_sites(plan, manifest, data=tmp_path / "data", told=quiet())
    assert first.dataset == second.dataset
    assert not set(first.subjects) & set(second.subjects)
    assert len(first.subjects) == len(second.subjects) == 3


def test_digest_of_a_sites_data_sees_one_changed_byte_and_no_other_subject(tmp_path: Path) -> None:
    """Label maps count, subjects of another site do not."""
    write_sites(tmp_path, NAMES[:1])
    site = VirtualSite(name="hospital-a", dataset=str(tmp_path / "hospital-a"), subjects=("s00", "s01"))
    before = data_of(site)
    write_subject(tmp_path / "hospital-a", "s02", seed=77)
    assert data_of(site) == before
    label_map = next((tmp_path / "hospital-a" / "derivatives").rglob("sub-s01*"), None)
    file = next(path for path in (label_map or tmp_path).rglob("*.nii.gz"))
    file.write_bytes(file.read_bytes() + b"x")
    assert data_of(site).data_sha256 != before.data_sha256


def test_phantom_sites_are_named_after_the_study_and_then_by_number(tmp_path: Path) -> None:
    """The study's own names first, so that what it says of a site holds."""
    plan = Plan(study=study(tmp_path, sites=list(NAMES[:2])), source=Phantoms(sites=3, subjects=3), seed=1)
    assert names_of(plan) == ("hospital-a", "hospital-b", "virtual-0003")
