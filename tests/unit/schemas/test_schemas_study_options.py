"""Options of a study: each bounded, none silently unused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from wire_examples import manifest

from myofed_schemas.study_options import (
    NEEDS,
    USES,
    MixedLabels,
    Privacy,
    Schedule,
    SiteLabels,
    StrategyOptions,
    Transport,
    muscle_ids,
)

PRIVACY: dict[str, Any] = {"level": "update", "clip_norm": 1.0, "noise_multiplier": 1.0, "delta": 1e-5, "epsilon": 8.0}
OUT_OF_BOUNDS: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (StrategyOptions, {"proximal_mu": 0}),
    (StrategyOptions, {"proximal_mu": float("nan")}),
    (StrategyOptions, {"server_rate": 11}),
    (StrategyOptions, {"beta_1": 1.0}),
    (StrategyOptions, {"beta_2": -0.1}),
    (StrategyOptions, {"tau": 0}),
    (StrategyOptions, {"trim_percent": 50}),
    (StrategyOptions, {"release": "raw"}),
    (StrategyOptions, {"momentum": 0.9}),
    (Schedule, {"sites_per_round": 0}),
    (Schedule, {"warmup_rounds": -1}),
    (Schedule, {"keep": "worst"}),
    (Schedule, {"patience_rounds": 0}),
    (Schedule, {"learning_rate": "linear"}),
    (Privacy, PRIVACY | {"noise_multiplier": 0}),
    (Privacy, PRIVACY | {"delta": 0.1}),
    (Privacy, PRIVACY | {"epsilon": 0}),
    (Privacy, {"level": "update"}),
    (Transport, {"by": "post"}),
    (Transport, {"encoding": "int4"}),
    (MixedLabels, {"sites": ()}),
    (MixedLabels, {"sites": ({"site": "hospital-a", "structures": ("VL",)},), "step_percent": 0}),
]


@pytest.mark.parametrize(("kind", "document"), OUT_OF_BOUNDS, ids=range(len(OUT_OF_BOUNDS)))
def test_option_out_of_bounds_is_refused(kind: type[BaseModel], document: dict[str, Any]) -> None:
    """What a site could not run, or should not."""
    with pytest.raises(ValidationError):
        kind.model_validate(document)


@pytest.mark.parametrize(
    ("structures", "says"),
    [
        (("VL", "biceps"), "neither a muscle nor a muscle set: biceps"),
        (("VL", "quadriceps"), "a muscle stands in two of its structures"),
        ((), "at least 1"),
    ],
)
def test_labels_of_a_site_are_known_and_disjoint(structures: tuple[str, ...], says: str) -> None:
    """A set and its member at once would say two things about the same voxel."""
    with pytest.raises(ValidationError, match=says):
        SiteLabels(site="hospital-a", structures=structures)


def test_set_covers_all_its_members() -> None:
    """And nothing else; a muscle of its own covers itself."""
    labels = SiteLabels(site="hospital-a", structures=("quadriceps", "SA"))
    assert labels.muscles() == {"VL", "VI", "VM", "RF", "SA"}


def test_every_option_a_strategy_needs_it_may_have() -> None:
    """And both lists know the same strategies and only options that exist."""
    assert USES.keys() == NEEDS.keys()
    for strategy, needed in NEEDS.items():
        assert needed <= USES[strategy] <= set(StrategyOptions.model_fields)
        manifest_of(strategy)


def test_given_names_what_has_a_value() -> None:
    """A zero is a value."""
    assert StrategyOptions(beta_1=0.0, tau=0.1).given() == {"beta_1", "tau"}
    assert StrategyOptions().given() == frozenset()


def test_all_muscles_have_their_ids() -> None:
    """Those of muscles.tsv."""
    assert {"VL", "GR"} < muscle_ids()


VALUES: dict[str, Any] = {
    "proximal_mu": 0.01,
    "server_rate": 0.03,
    "beta_1": 0.9,
    "beta_2": 0.99,
    "tau": 0.001,
    "trim_percent": 20,
    "release": "aggregated",
}


def manifest_of(strategy: str, **changes: object) -> object:
    """A manifest of this strategy with exactly what it needs."""
    needed = {name: VALUES[name] for name in NEEDS[strategy]}  # type: ignore[index]
    options = {"strategy_options": needed} if needed else {}
    local = {"state_dict": TWO, "local_tensors": ("norm.weight",)} if strategy == "fedbn" else {}
    return manifest(strategy=strategy, **(options | local | changes))


TWO = (
    {"name": "conv.weight", "shape": (8, 1, 3, 3), "dtype": "float32"},
    {"name": "norm.weight", "shape": (8,), "dtype": "float32"},
)
GROUPED = {"sites": ({"site": "hospital-a", "structures": ("quadriceps",)},)}
NOT_TOGETHER: list[tuple[str, dict[str, Any], str]] = [
    ("fedavg", {"strategy_options": {"proximal_mu": 0.1}}, "fedavg does not use proximal_mu"),
    ("fedprox", {"strategy_options": None}, "fedprox needs proximal_mu"),
    ("fedadam", {"strategy_options": {"server_rate": 0.1}}, "fedadam needs beta_1, beta_2, tau"),
    ("fedprox", {"strategy_options": {"proximal_mu": 0.1, "tau": 0.1}}, "fedprox does not use tau"),
    ("fedbn", {"local_tensors": None}, "local_tensors belong to strategy fedbn"),
    ("fedavg", {"local_tensors": ("conv.weight",), "state_dict": TWO}, "local_tensors belong to strategy fedbn"),
    ("fedbn", {"local_tensors": ("conv.weight", "norm.weight")}, "some, not all"),
    ("fedbn", {"local_tensors": ("other.weight",)}, "some, not all"),
    ("fedbn", {"local_tensors": ()}, "at least 1"),
    ("fedavg", {"schedule": {"sites_per_round": 1}}, r"sites_per_round is below min_sites \(2\)"),
    ("fedavg", {"max_update_norm": 0}, "greater than 0"),
    ("fedavg", {"mixed_labels": {"sites": GROUPED["sites"] * 2}}, "each once"),
    ("fedavg", {"mixed_labels": {"sites": ({"site": "hospital-z", "structures": ("VL",)},)}}, "sites of the study"),
    ("fedavg", {"mixed_labels": {"sites": ({"site": "hospital-a", "structures": ("GR",)},)}}, "labels none of"),
]


@pytest.mark.parametrize(("strategy", "change", "says"), NOT_TOGETHER, ids=range(len(NOT_TOGETHER)))
def test_options_that_do_not_fit_together_are_refused(strategy: str, change: dict[str, Any], says: str) -> None:
    """Of a manifest that could not be run as written."""
    with pytest.raises(ValidationError, match=says):
        manifest_of(strategy, **change)


def test_options_not_used_leave_no_trace_in_the_digest() -> None:
    """A manifest of the first release keeps its digest; one used changes it."""
    plain = manifest()
    document = plain.model_dump(mode="json")
    options = (
        "strategy_options",
        "local_tensors",
        "max_update_norm",
        "schedule",
        "mixed_labels",
        "privacy",
        "transport",
    )
    assert not set(options) & set(document)
    assert plain.digest() == manifest(**dict.fromkeys(options)).digest()
    used = [
        manifest(schedule={"sites_per_round": 2, "keep": "best"}),
        manifest(schedule={}),
        manifest(mixed_labels=GROUPED),
        manifest(privacy=PRIVACY),
        manifest(transport={"by": "reference", "encoding": "delta-int8"}),
        manifest(max_update_norm=10.0),
    ]
    assert len({plain.digest(), *(m.digest() for m in used)}) == len(used) + 1


def noisy(limit: float, **changes: object) -> object:
    """72 shared weights under noise of deviation 2: a norm of 2 (sqrt(72) + 4) = 24.97, with the update's own 1: 24.99."""
    privacy = {**PRIVACY, "level": "update", "clip_norm": 1.0, "noise_multiplier": 2.0}
    return manifest_of("fedavg", **{"max_update_norm": limit, "privacy": privacy} | changes)


def test_norm_bound_that_the_studys_own_noise_breaks_is_refused() -> None:
    """Every honest update would be an error of its site; the message says what to set."""
    noisy(25.0)
    with pytest.raises(ValidationError, match=r"max_update_norm is 24\.9, but the study's own noise") as caught:
        noisy(24.9)
    assert "norm up to 24.9906" in str(caught.value)
    assert "72 weights" in str(caught.value)


def test_noise_counts_only_where_the_bound_does() -> None:
    """Not in counters, not in tensors that stay at the sites, not in gradients."""
    counter = {"name": "norm.num_batches_tracked", "shape": (10**6,), "dtype": "int64"}
    noisy(25.0, state_dict=(TWO[0], counter))
    with pytest.raises(ValidationError, match="80 weights"):
        noisy(25.0, state_dict=TWO)
    privacy = {**PRIVACY, "level": "update", "clip_norm": 1.0, "noise_multiplier": 2.0}
    manifest_of("fedbn", max_update_norm=25.0, privacy=privacy)
    noisy(0.1, privacy={**privacy, "level": "example"})
