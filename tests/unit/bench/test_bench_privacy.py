"""The attacks measure what they say: similarity inside the body, the gain over a prior, members told from outsiders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from bench.privacy import figures, measure
from bench.privacy.crafted import CRAFTED
from bench.privacy.first_step import after_one_step, gradient_of_step
from bench.privacy.inversion import Effort, Target, distance, invert, matched, priors_of
from bench.privacy.kinks import attackable
from bench.privacy.membership import Trial, auc, calibrated, true_positives
from bench.privacy.phantoms import ARCHITECTURE, TRAINING
from bench.privacy.priors import Population, mean_images, painted
from bench.privacy.similarity import body, ssim
from bench.privacy.updates import interval

from myofed_node.learning.loss import dice_cross_entropy
from myofed_node.learning.models import build
from myofed_schemas.study import Training


def discs(count: int, seed: int) -> Population:
    """Bright discs in air, textured; class 1 is the disc."""
    rng = np.random.default_rng(seed)
    i, j = np.meshgrid(np.arange(32), np.arange(32), indexing="ij")
    inside = [np.hypot(i - 16 - a, j - 16 - b) < 10 for a, b in rng.uniform(-2, 2, (count, 2))]
    images = [np.where(m, 1 + rng.normal(0, 0.2, m.shape), -3 + rng.normal(0, 0.05, m.shape)) for m in inside]
    stacked = torch.tensor(np.array(images)[:, None], dtype=torch.float32)
    return Population(stacked, torch.tensor(np.array(inside), dtype=torch.int64))


def test_similarity_is_one_with_itself_and_ignores_the_air() -> None:
    """What is outside the body, however different, changes nothing far from the edge."""
    truth = discs(3, seed=1).images
    assert ssim(truth, truth).tolist() == pytest.approx([1.0] * 3, abs=1e-4)
    changed = truth.clone()
    changed[..., :1, :1] = 2.0
    assert ssim(changed, truth).tolist() == pytest.approx([1.0] * 3, abs=1e-4)
    assert float(ssim(torch.randn(truth.shape), truth).max()) < 0.3
    assert 0.2 < float(body(truth).float().mean()) < 0.45


def test_priors_know_the_population_and_the_label_maps_only() -> None:
    """The painted one has each muscle's mean intensity where the map has the muscle."""
    known, other = discs(20, seed=2), discs(2, seed=3)
    assert mean_images(known).shape == (5, 1, 32, 32)
    inside = painted(known, other.classes)[:, 0][other.classes == 1]
    assert float(inside.std()) < 1e-5
    assert float(inside.mean()) == pytest.approx(1.0, abs=0.05)


def test_inversion_scores_attack_and_prior_of_each_slice() -> None:
    """A gain is the one minus the other; the prior is the best of all guesses."""
    known, other = discs(8, seed=4), discs(2, seed=5)
    network = build(ARCHITECTURE)
    before = {n: t.detach().clone() for n, t in network.state_dict().items()}
    dice_cross_entropy(network(other.images), other.classes).backward()
    direction = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    for after in (None, {n: t - 0.01 for n, t in before.items()}):
        target = Target(ARCHITECTURE, before, direction, other.images, other.classes, after=after)
        scores = invert(target, known, effort=Effort(each=2, best=3), seed=1)
        best = torch.stack([ssim(g, other.images) for g in priors_of(target, known)]).amax(0)
        assert torch.equal(scores.prior, best)
        assert scores.gain.shape == (2,)


def test_attacker_differentiates_the_studys_own_network() -> None:
    """Logits and gradients are the original's; only the gradient's derivative sees the kinks."""
    other = discs(2, seed=5)
    network = build(ARCHITECTURE)
    copied = attackable(ARCHITECTURE)
    copied.load_state_dict(network.state_dict())
    logits = [n(other.images) for n in (network, copied)]
    assert torch.equal(*logits)
    for made in logits:
        dice_cross_entropy(made, other.classes).backward()
    pairs = zip(network.named_parameters(), copied.named_parameters(), strict=True)
    for (name, one), (same, another) in pairs:
        assert name == same
        torch.testing.assert_close(one.grad, another.grad, rtol=1e-4, atol=1e-7)


def one_disc(*, sized: bool) -> tuple[Target, Population]:
    """The bare gradient of one slice."""
    other, network = discs(1, seed=5), build(ARCHITECTURE)
    dice_cross_entropy(network(other.images), other.classes).backward()
    direction = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    before = {n: t.detach().clone() for n, t in network.state_dict().items()}
    return Target(ARCHITECTURE, before, direction, other.images, other.classes, sized=sized), other


@pytest.mark.parametrize("sized", [True, False])
def test_truth_is_where_the_matched_gradient_wants_to_be(sized: bool) -> None:
    """At the true slice nothing is left to match, and nothing leads away from it."""
    target, other = one_disc(sized=sized)
    pictures = other.images.clone().requires_grad_(True)
    left = distance(target)(pictures, torch.zeros(()))
    left.backward()
    assert float(left.detach()) == pytest.approx(0, abs=1e-5)
    assert float(pictures.grad.norm()) < 1e-3


def test_bare_gradient_of_one_slice_is_inverted() -> None:
    """From the population's mean the attack comes nearer to the truth: it finds what is there to be found."""
    torch.manual_seed(1)
    target, other = one_disc(sized=True)
    start = discs(20, seed=2).images.mean(0, keepdim=True)
    found, _ = matched(target, start, 200)
    assert float(ssim(found, other.images)) > float(ssim(start, other.images)) + 0.1


def test_one_step_of_adamw_gives_its_gradient_away() -> None:
    """Size and all, although the update is its sign: where it is trusted it is right, and most of it is trusted."""
    other, network = discs(2, seed=5), build(ARCHITECTURE)
    training = Training.model_validate({**TRAINING, "seed": 1})
    before = {n: t.detach().clone() for n, t in network.state_dict().items()}
    after = after_one_step(before, other.images, other.classes, training=training)
    found, trust = gradient_of_step(before, after, training=training)
    dice_cross_entropy(network(other.images), other.classes).backward()
    deep = "model.1.submodule.1.submodule.1.submodule.conv.weight"
    truth = network.get_parameter(deep).grad
    assert torch.nn.functional.cosine_similarity(found[deep].flatten(), truth.flatten(), dim=0) > 0.99
    apart = ((found[deep] - truth).abs() / truth.abs().clamp_min(1e-12))[trust[deep] > 0.9]
    assert float(apart.median()) < 0.05
    assert float((trust[deep] > 0.9).float().mean()) > 0.5


@pytest.mark.parametrize("name", sorted(CRAFTED))
def test_crafted_weights_have_the_approved_names_and_shapes(name: str) -> None:
    """Only numbers change; the weights they were made from stay."""
    weights = build(ARCHITECTURE).state_dict()
    kept = {n: t.clone() for n, t in weights.items()}
    made = CRAFTED[name](weights)
    assert {n: t.shape for n, t in made.items()} == {n: t.shape for n, t in weights.items()}
    assert any(not torch.equal(made[n], t) for n, t in weights.items())
    assert all(torch.equal(kept[n], t) for n, t in weights.items())


def test_members_are_told_from_outsiders_by_rank() -> None:
    """Perfect, none, and ties."""
    high, low = np.arange(100.0) + 1000, np.arange(100.0)
    assert auc(high, low) == 1.0
    assert auc(low, low) == 0.5
    assert true_positives(high, low) == 1.0
    assert true_positives(low, low) == 0.01


def test_calibration_takes_away_what_makes_a_subject_hard() -> None:
    """Subjects differ by far more than membership does: the plain loss is blind, the calibrated one is not."""
    rng = np.random.default_rng(1)
    member = np.array([[True] * 20 + [False] * 20, [False] * 20 + [True] * 20] * 2)
    hard = rng.normal(0, 10, 40)
    losses = hard - 0.5 * member + rng.normal(0, 0.1, member.shape)
    scores = calibrated(Trial(losses, member))
    assert auc(scores[member], scores[~member]) > 0.95
    assert auc(-losses[member], -losses[~member]) < 0.6


def test_interval_covers_the_mean() -> None:
    """And is the same each time."""
    values = np.random.default_rng(2).normal(1.0, 0.1, 50)
    low, high = interval(values)
    assert low < values.mean() < high
    assert interval(values) == (low, high)


def test_result_holds_every_part_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that lies there is not measured again."""
    monkeypatch.setattr(measure, "PARTS", tmp_path)
    for name in measure.names():
        (tmp_path / f"{name}.json").write_text(json.dumps({"gain": 0.01}))
    found = measure.measure()
    assert set(found["figures"]) == {f"{name}.gain" for name in measure.names()}


def test_packaged_figures_are_those_of_the_last_result() -> None:
    """A model card cites what the bench wrote, number for number."""
    made = figures.cited(json.loads(figures.RESULT.read_text()))
    assert json.loads(figures.PACKAGED.read_text()) == made
    assert {f["setting"] for f in made["figures"]} == {*figures.INVERSIONS.values(), *figures.MEMBERSHIPS.values()}
