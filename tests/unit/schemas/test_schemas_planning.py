"""A fingerprint tells nothing about few; a plan follows from what the sites tell, in any order."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_schemas.catalog import DisclosurePolicy, SuppressedCount
from myofed_schemas.errors import MyofedError
from myofed_schemas.planning import Fingerprint, Percentile, percentiles, propose

POLICY = DisclosurePolicy(k=10, round_to=5, demo=False)


def told(*pairs: tuple[int, float]) -> tuple[Percentile, ...]:
    return tuple(Percentile(percent=percent, value=value) for percent, value in pairs)


def site(name: str, *, spacing: float = 1.0, thigh: float = 180.0, **changes: object) -> Fingerprint:
    return Fingerprint.model_validate(
        {
            "site": name,
            "policy": POLICY,
            "subjects": SuppressedCount(value=20, rounded_to=5),
            "spacing_mm": told((50, spacing)),
            "thigh_mm": told((50, thigh - 20), (90, thigh)),
            "channels": ("in-phase",),
            "structures": ("VL", "GR"),
            **changes,
        }
    )


def test_plan_without_a_site_that_tells_is_refused() -> None:
    """Small sites withhold: no plan is made of nothing."""
    small = site("site-a", spacing_mm=(), thigh_mm=())
    for fingerprints in ([], [small], [site("site-a", spacing_mm=told((90, 1.0)))], [site("site-a", thigh_mm=())]):
        with pytest.raises(MyofedError) as refusal:
            propose(fingerprints, muscle_ids=("VL",))
        assert refusal.value.code == "PLAN_TOO_FEW"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 100), max_size=60), st.integers(1, 12))
def test_no_percentile_is_told_that_few_subjects_share(values: list[float], k: int) -> None:
    """At least k at or below and k at or above, after rounding; below 2 k - 1 subjects nothing, unless they agree."""
    found = percentiles(values, step=5.0, k=k)
    for item in found:
        assert sum(round(v / 5) * 5 <= item.value for v in values) >= k
        assert sum(round(v / 5) * 5 >= item.value for v in values) >= k
    if len(values) < k:
        assert found == ()


def test_percentiles_are_those_of_the_rounded_values() -> None:
    """100 subjects from 0 to 99: 10, 50 and 90."""
    assert percentiles([float(v) for v in range(100)], step=1.0, k=10) == told((10, 10.0), (50, 50.0), (90, 90.0))
    assert percentiles([1.26] * 10, step=0.1, k=10) == told((10, 1.3), (50, 1.3), (90, 1.3))
    assert percentiles([float(v) for v in range(30)], step=1.0, k=10) == told((50, 15.0))


def test_plan_holds_every_sites_thighs_at_the_median_spacing() -> None:
    """Three sites of 0.8, 1.3 and 2 mm: 1.25 mm; 230 mm of the widest are 184 pixels, on six levels 192."""
    sites = [site("site-a", spacing=0.8), site("site-b", spacing=1.3, thigh=230.0), site("site-c", spacing=2.0)]
    plans = {propose(order, muscle_ids=("GR", "VL")).model_dump_json() for order in itertools.permutations(sites)}
    assert len(plans) == 1
    plan = propose(sites, muscle_ids=("GR", "VL"))
    assert (plan.spacing_mm, plan.size_px) == (1.25, (192, 192))
    assert plan.network_channels == (16, 32, 64, 128, 256, 256)
    assert plan.strides == (2, 2, 2, 2, 2)
    assert (plan.normalisation, plan.levels) == ("z-score", 6)


def test_plan_names_what_some_and_what_all_draw() -> None:
    """A set is no muscle; a site that withholds its spacing does not vote."""
    sites = [
        site("site-a"),
        site("site-b", structures=("VL", "quadriceps"), channels=("t1w",)),
        site("site-c", spacing_mm=(), structures=("ST",)),
    ]
    plan = propose(sites, muscle_ids=("GR", "ST", "VL"))
    assert plan.sites == ("site-a", "site-b")
    assert plan.muscles == ("GR", "VL")
    assert plan.muscles_everywhere == ("VL",)
    assert plan.channels == ("in-phase", "t1w")
    assert plan.channels_everywhere == ()


@pytest.mark.parametrize(("spacing", "thigh"), [(0.1, 9000.0), (40.0, 10.0)])
def test_plan_stays_within_what_a_manifest_allows(spacing: float, thigh: float) -> None:
    """Absurd images give the nearest allowed input."""
    plan = propose([site("site-a", spacing=spacing, thigh=thigh)], muscle_ids=())
    assert 0.5 <= plan.spacing_mm <= 5.0
    assert 16 <= plan.size_px[0] <= 1024
    assert plan.size_px[0] % 2 ** len(plan.strides) == 0
