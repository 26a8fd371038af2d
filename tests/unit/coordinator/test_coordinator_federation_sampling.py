"""Which sites train in a round."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from myofed_coordinator.federation.sampling import Turn, turn_of
from myofed_schemas.study_options import Schedule

SITES = [f"site-{letter}" for letter in "abcdefgh"]


def test_without_a_sample_every_site_is_asked() -> None:
    """Those that are offline are named."""
    assert turn_of(None, 1).choose(SITES, SITES[1:]) == (SITES[1:], SITES[:1])
    assert turn_of(Schedule(), 1) == Turn()


@given(seed=st.integers(0, 2**31 - 1), number=st.integers(1, 1000), arrived=st.permutations(SITES))
def test_same_seed_and_round_choose_the_same_sites(seed: int, number: int, arrived: list[str]) -> None:
    """In whatever order the sites are listed."""
    turn = turn_of(Schedule(sites_per_round=3, sampling_seed=seed), number)
    chosen, absent = turn.choose(arrived, set(arrived))
    assert (chosen, absent) == turn.choose(SITES, SITES)
    assert len(chosen) == 3
    assert absent == []


@given(number=st.integers(1, 1000), gone=st.sampled_from(SITES))
def test_site_that_goes_changes_no_other_sites_rank(number: int, gone: str) -> None:
    """Revoking a site that was not drawn leaves the sample as it is."""
    turn = Turn(3, 1, number)
    ranked = turn.ranked(SITES)
    assert turn.ranked(set(SITES) - {gone}) == [site for site in ranked if site != gone]


def test_next_in_rank_takes_the_place_of_one_that_is_offline() -> None:
    """The sample stays as large as the study wants it, and the absent one is named; others offline are not."""
    turn = Turn(3, 1, 1)
    ranked = turn.ranked(SITES)
    online = set(SITES) - {ranked[1], ranked[7]}
    assert turn.choose(SITES, online) == (sorted([ranked[0], ranked[2], ranked[3]]), [ranked[1]])


def test_over_many_rounds_every_site_has_its_turn() -> None:
    """800 places in 200 rounds of four: each of eight sites about 100 times (standard deviation 7)."""
    turns = [site for number in range(1, 201) for site in Turn(4, 7, number).choose(SITES, SITES)[0]]
    assert all(70 < turns.count(site) < 130 for site in SITES)
