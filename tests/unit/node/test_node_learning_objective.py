"""What a site minimises holds exactly the terms that its manifest asks for."""

from __future__ import annotations

import pytest
import torch
from learning_factories import architecture, manifest, set_site, stripes

from myofed_node.learning.loss import dice_cross_entropy
from myofed_node.learning.models import build
from myofed_node.learning.objective import Objective, objective_alone, objective_of_round
from myofed_node.learning.subjects import Slices


@pytest.fixture
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build(architecture())


def both_heads() -> Slices:
    slices = stripes()
    return Slices(slices.images, (slices.classes > 0).long())


def moved(network: torch.nn.Module, distance: float) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(distance)


def test_plain_study_minimises_the_plain_loss(network: torch.nn.Module) -> None:
    """No term, no copy of the network."""
    slices = stripes()
    objective = objective_of_round(network, manifest(), None)
    assert (objective.anchors, objective.teacher) == ((), None)
    expected = dice_cross_entropy(network(slices.images), slices.classes)
    assert float(objective(slices.images, slices.classes).detach()) == float(expected.detach())


def test_fedprox_adds_nothing_at_the_start_and_mu_halves_of_the_way_after(network: torch.nn.Module) -> None:
    """Mu / 2 times the squared distance to where the round began (Li 2020)."""
    slices = stripes()
    study = manifest(strategy="fedprox", strategy_options={"proximal_mu": 0.5})
    objective = objective_of_round(network, study, None)
    numbers = sum(p.numel() for p in network.parameters())
    for distance, expected in ((0.0, 0.0), (0.1, 0.5 / 2 * numbers * 0.01)):
        moved(network, distance)
        plain = float(objective_alone(network, study, None)(slices.images, slices.classes).detach())
        assert float(objective(slices.images, slices.classes).detach()) - plain == pytest.approx(expected, rel=1e-3)


def test_teacher_is_the_incoming_network_and_does_not_move(network: torch.nn.Module) -> None:
    """At the start the split is the teacher's own; later the term grows, and no gradient reaches the teacher."""
    labels, study = set_site(distillation=2.0)
    subject = both_heads()
    with_teacher = objective_of_round(network, study, labels)
    without = objective_of_round(network, set_site()[1], labels)

    def term() -> float:
        values = [float(o(subject.images, subject.classes).detach()) for o in (with_teacher, without)]
        return values[0] - values[1]

    assert without.teacher is None
    assert term() == pytest.approx(0.0, abs=1e-6)
    before = [p.clone() for p in with_teacher.teacher.parameters()]
    with torch.no_grad():
        network.state_dict()["model.2.conv.bias"][1] += 3.0
    assert term() > 0.1
    with_teacher(subject.images, subject.classes).backward()
    assert all(p.grad is None for p in with_teacher.teacher.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, with_teacher.teacher.parameters(), strict=True))


def test_site_that_draws_every_muscle_needs_no_teacher(network: torch.nn.Module) -> None:
    """There is no split that its labels leave open."""
    _, study = set_site(distillation=2.0)
    assert objective_of_round(network, study, None).teacher is None


def test_gradient_of_a_set_without_teacher_is_shared_by_the_members_as_they_are(network: torch.nn.Module) -> None:
    """The marginal term alone moves the likelier member more: the drift that the teacher stops."""
    labels, study = set_site()
    subject = both_heads()
    objective = objective_of_round(network, study, labels)
    assert isinstance(objective, Objective)
    objective(subject.images, subject.classes).backward()
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in network.parameters())
