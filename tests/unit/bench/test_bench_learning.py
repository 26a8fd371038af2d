"""The comparison's own arithmetic: server steps, hostile updates, figures and intervals; and that a killed run goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from bench.learning import READ_OUT, READ_OUT_GROUPS, RECOMMENDED, Seed, figures, recommended_details
from bench.learning_hostile import HOSTILE, tampering, with_shuffled_labels
from bench.learning_models import Cache, Model, affine_tensors, fed_adam, mean, recipe, trimmed_mean, with_own
from bench.learning_scores import Scores, details, means_of, read_out_details, with_intervals, with_read_outs
from bench.learning_sites import Patient, Settings, Site, drawn_as, mixed_labels, start, study
from safetensors.numpy import load, save

from myofed_node.learning.subjects import Slices
from myofed_schemas.anatomy import THIGH_11, Side, muscle
from myofed_schemas.muscle_sets import structures


def arrays(*values: float) -> dict[str, np.ndarray]:
    return {"w": np.array(values, np.float32)}


def test_trimmed_mean_leaves_out_at_least_one_at_each_end() -> None:
    """Five sites, one far away: it does not count; of three the middle one stays; of two nothing can be left out."""
    five = [arrays(v) for v in (1.0, 2.0, 3.0, 4.0, 1e9)]
    assert trimmed_mean(20)(arrays(0), five)["w"].tolist() == [3.0]
    assert trimmed_mean(20)(arrays(0), five[2:])["w"].tolist() == [4.0]
    assert trimmed_mean(20)(arrays(0), five[:2])["w"].tolist() == [1.5]


def test_mean_keeps_the_type() -> None:
    """Summed in float64, sent as float32."""
    assert mean(arrays(0), [arrays(1), arrays(2)])["w"].dtype == np.float32


def test_fed_adam_is_reddis_first_step() -> None:
    """M = 0.1 d, v = 0.99 tau^2 + 0.01 d^2, then the quotient; moments are kept for the next round."""
    settings = Settings(beta_1=0.9, beta_2=0.99, tau=0.001, server_rate=0.01)
    server = fed_adam(settings)
    first = server(arrays(1.0), [arrays(1.5), arrays(1.7)])["w"][0]
    assert first == pytest.approx(1.0 + 0.01 * 0.06 / (np.sqrt(0.99e-6 + 0.01 * 0.36) + 0.001), rel=1e-5)
    second = server(arrays(1.0), [arrays(1.0), arrays(1.0)])["w"][0]
    assert second > 1.0


def test_own_tensors_replace_those_that_came() -> None:
    """What FedBN leaves at a site."""
    blob = save({"a": np.ones(1, np.float32), "b": np.ones(1, np.float32)})
    assert load(with_own(blob, {"a": np.zeros(1, np.float32)}))["a"].tolist() == [0.0]
    assert with_own(blob, {}) == blob
    assert set(affine_tensors(study(Settings(), seed=1))) < {t.name for t in study(Settings(), seed=1).state_dict}
    assert Model(b"all", {"x": b"own"}).at("x") == b"own"
    assert Model(b"all", {"x": b"own"}).at("y") == b"all"


def test_cache_trains_once_and_a_half_written_model_again(tmp_path: Path) -> None:
    """A killed run goes on where it was."""
    made = []

    def make() -> Model:
        made.append(1)
        return Model(b"released", {"a": b"own"})

    cache = Cache(tmp_path)
    assert cache.get("k", make) == cache.get("k", make) == Model(b"released", {"a": b"own"})
    assert len(made) == 1
    (tmp_path / "k" / "released").unlink()
    cache.get("k", make)
    assert len(made) == 2


def test_recipe_changes_with_what_a_model_is_made_from() -> None:
    """No model is taken for another, and a setting that a strategy does not use trains nothing anew."""
    settings = Settings()
    plain, longer = study(settings, seed=1), study(settings, seed=1, rounds=11)
    assert len({recipe(plain), recipe(plain, "alone"), recipe(longer)}) == 3
    names = {
        recipe(Seed(s, 1).manifest(strategy))
        for s in (settings, Settings(tau=0.02))
        for strategy in ("fedadam", "fedprox")
    }
    assert len(names) == 3
    assert settings.patients_digest() == Settings(tau=0.02).patients_digest() != Settings(size_px=64).patients_digest()


def test_group_only_hospital_draws_no_single_muscle_of_a_group() -> None:
    """Every member's value becomes its set's, on both sides; what is not drawn disappears."""
    labels = mixed_labels(Settings()).sites[0]
    values = np.array([muscle(m).label_value(side) for side in Side for m in THIGH_11])
    drawn = drawn_as(values, labels)
    assert set(drawn) == {structures()[n].label_value(side) for n in labels.structures for side in Side}
    assert drawn_as(np.array([muscle("AL").label_value(Side.LEFT)]), labels).tolist() == [0]


@pytest.mark.parametrize(("attack", "expected"), [("times-100", 101.0), ("sign-flip", 0.0), ("replayed", 2.0)])
def test_hostile_update_is_what_its_name_says(attack: str, expected: float) -> None:
    """From 1 to 2 honestly; the others are left alone."""
    tamper = tampering(attack)
    before, update = save(arrays(1.0)), save(arrays(2.0))
    assert tamper is not None
    assert tamper(1, "hospital-a", before, update) == update
    assert load(tamper(1, HOSTILE, before, update))["w"][0] == expected
    later = load(tamper(2, HOSTILE, save(arrays(5.0)), save(arrays(6.0))))["w"][0]
    assert later == (2.0 if attack == "replayed" else 5.0 + expected - 1.0)
    assert tampering("shuffled-labels") is None


def test_shuffled_labels_keep_background_and_rename_muscles() -> None:
    """The same pixels, another name for each muscle."""
    classes = torch.tensor([[[0, 1, 2, 3]]])
    patient = Patient(Slices(torch.zeros(1, 1, 1, 4), classes), Slices(torch.zeros(1, 1, 1, 4), classes), np.zeros(4))
    site = with_shuffled_labels(Site("s", [patient], [], []), seed=3)
    found = site.train[0].slices.classes.flatten().tolist()
    assert found[0] == 0
    assert sorted(found) == [0, 1, 2, 3]
    assert found != [0, 1, 2, 3]


def seed_scores(**dice: float) -> dict[tuple[str, str], Scores]:
    names = [h.name for h in Settings().hospitals]
    models = ["pooled", "pooled-long", "recommended-long", "fedavg", "fedprox", "fedadam", "fedbn", "trimmed-mean"]
    models += [
        "personalised",
        "recalibrated",
        "mixed",
        "mixed-left-out",
        "mixed@groups",
        "mixed-left-out@groups",
        *(f"single-{n}" for n in names),
    ]
    table = np.full((4, 2), 0.8)
    fat = np.array([[10.0, 40.0]] * 4)
    return {
        (model, site): Scores(
            table * dice.get(model.replace("-", "_").replace("@", "_"), 1.0), fat, np.full((4, 2), -0.5)
        )
        for model in models
        for site in [*names, Settings().never_trained.name]
    }


def test_figures_are_ratios_gains_and_losses_of_mean_dice() -> None:
    """By hand: everything is 0.8 but for three models."""
    scores = seed_scores(fedavg=0.95, mixed=0.5, mixed_left_out=0.25, mixed_left_out_groups=0.75)
    found = figures(Settings())(means_of([scores]))
    assert found["fedavg_over_pooled_equal_steps"] == pytest.approx(0.95)
    assert found["group_only_site_gain"] == pytest.approx(0.2)
    assert found["fully_labelled_site_loss"] == pytest.approx(-0.2)
    assert found["group_only_site_gain_on_groups"] == pytest.approx(0.2)
    assert found["min_gain_over_single_elsewhere"] == pytest.approx(0.0)
    assert found["pooled_dice"] == pytest.approx(0.8)


def test_intervals_hold_the_value_and_the_seeds() -> None:
    """Subjects are drawn anew, the same ones for every model: a ratio of proportional models has no width."""
    scores = [seed_scores(fedavg=0.9), seed_scores(fedavg=0.9)]
    rng = np.random.default_rng(1)
    for one in scores:
        for key in list(one):
            noise = rng.uniform(0.9, 1.0, (4, 2))
            one[key] = Scores(one[key].dice * noise, one[key].fat_percent, one[key].fat_error)
    found = with_intervals(scores, figures(Settings()))
    ratio = found["fedavg_over_pooled_equal_steps"]
    assert ratio["low"] <= ratio["value"] <= ratio["high"]
    assert ratio["lowest_seed"] <= ratio["value"] <= ratio["highest_seed"]
    assert found["pooled_dice"]["high"] > found["pooled_dice"]["low"]


def test_details_name_worst_and_fatty_muscle_and_the_error_of_the_fat_fraction() -> None:
    """The second muscle has 40 % fat; the error is absolute."""
    found = details([seed_scores()], RECOMMENDED, ["hospital-a"], ("VL", "GR"))
    assert found["fatty_muscle_dice"] == pytest.approx(0.8)
    assert found["mean_ff_error_points"] == pytest.approx(0.5)
    assert found["dice_GR"] == pytest.approx(0.8)
    assert found["ff_error_points_GR"] == pytest.approx(0.5)
    assert found["mean_ff_bias_points"] == pytest.approx(-0.5)


def test_read_outs_are_told_by_muscle_and_by_group_and_the_reader_in_one_number() -> None:
    """Two muscles, then a group; absolute, a muscle that a subject lacks left out, the median beside the mean."""
    table = np.array([[-1.0, 3.0, 0.5], [np.nan, 8.0, -0.7]])
    scores = Scores(table, table, table, read_outs={"mean": table, "reader_mean": table / 2})
    found = read_out_details([{("m", "s"): scores}], "m", ["s"], muscles=2, groups=["hamstrings"])
    assert found == pytest.approx(
        {
            "mean_ff_error_points": 4.0,
            "mean_ff_error_points_typical": 3.0,
            "mean_ff_error_points_hamstrings": 0.6,
            "reader_mean_ff_error_points": 2.0,
        }
    )


def test_the_recommended_model_and_the_longer_one_are_read_out() -> None:
    """The judged key stays the mean over the whole predicted muscle; the longer model is told under a name of its own."""
    scores, names = seed_scores(), [h.name for h in Settings().hospitals]
    muscles, groups = len(THIGH_11), len(READ_OUT_GROUPS)
    for model, off in zip(READ_OUT, (-2.0, 1.0), strict=True):
        read = {name: np.full((4, muscles + groups), off * scale) for name, scale in (("mean", 1.0), ("median", 0.5))}
        for name in names:
            one = np.full((4, muscles), 0.8)
            scores[model, name] = Scores(one, one + 40.0, np.full((4, muscles), off), read)
    found = recommended_details([scores], Settings())
    assert found["mean_ff_error_points"] == pytest.approx(2.0)
    assert found["median_ff_error_points"] == pytest.approx(1.0)
    assert found["mean_ff_error_points_quadriceps"] == pytest.approx(2.0)
    assert found["recommended_long_mean_ff_error_points"] == pytest.approx(1.0)
    assert found["recommended_long_median_ff_error_points"] == pytest.approx(0.5)


def test_every_read_out_of_a_model_is_there_for_muscles_and_groups() -> None:
    """An untrained network on one slice; the reader, who draws nearly the truth, is nearer to it."""
    settings = Settings(size_px=32, channels=(4, 8))
    manifest = study(settings, seed=1)
    classes = torch.zeros(1, 32, 32, dtype=torch.int64)
    classes[0, 4:28, 4:16], classes[0, 4:28, 16:28] = 1, 3
    slices = Slices(torch.zeros(1, 1, 32, 32), classes)
    fat = np.where(classes.numpy() > 0, 10.0, 90.0).astype(np.float32)
    site = Site("s", [], [], [Patient(slices, slices, fat)])
    blank = np.full((1, len(THIGH_11)), np.nan)
    model = Model(start(manifest.architecture, seed=1))
    found = with_read_outs(Scores(blank, blank, blank), model, site, manifest=manifest, groups=["quadriceps"])
    kinds = ("mean", "mean_eroded", "median", "median_eroded")
    assert set(found.read_outs) == {*kinds, *(f"reader_{k}" for k in kinds)}
    assert all(table.shape == (1, len(THIGH_11) + 1) for table in found.read_outs.values())
    assert np.isnan(found.read_outs["mean"][0, manifest.muscles.index("GR")])
    assert found.read_outs["reader_mean_eroded"][0, -1] == pytest.approx(0.0)
