"""What one site minimises in one round: its loss, and what keeps it near the weights that came in."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch

from myofed_node.learning.labels import LabelSpace, label_space
from myofed_node.learning.loss import label_set_loss, proximal, split_divergence
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_options import SiteLabels


@dataclass(frozen=True, eq=False)
class Objective:
    """A function of a batch; it remembers the incoming weights where a term needs them.

    Attributes:
        network: The one that learns.
        space: What the site draws.
        anchors: The incoming parameters, for the proximal term; empty without.
        proximal_mu: Weight of that term.
        teacher: The incoming network, frozen, for the split inside sets; None without.
        distillation: Weight of keeping that split.
    """

    network: torch.nn.Module
    space: LabelSpace
    anchors: tuple[torch.Tensor, ...] = ()
    proximal_mu: float = 0.0
    teacher: torch.nn.Module | None = None
    distillation: float = 0.0

    def __call__(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The scalar to minimise.

        Args:
            images: (n, 1, h, w) float32.
            targets: (n, h, w) int64, of `space`.
        """
        logits = self.network(images)
        loss = label_set_loss(logits, targets, space=self.space)
        if self.anchors:
            loss = loss + self.proximal_mu * proximal(self.network.parameters(), self.anchors)
        if self.teacher is not None:
            with torch.no_grad():
                kept = self.teacher(images)
            loss = loss + self.distillation * split_divergence(logits, kept, targets, space=self.space)
        return loss


def objective_of_round(network: torch.nn.Module, manifest: StudyManifest, labels: SiteLabels | None) -> Objective:
    """The manifest's objective for a site that draws these labels, beginning at the network's present weights.

    Args:
        network: Holds the incoming weights.
        manifest: The approved study.
        labels: The site's part of `mixed_labels`; None where it draws every muscle singly.
    """
    space = label_space(manifest.muscles, labels)
    mu = (manifest.strategy_options.proximal_mu if manifest.strategy_options else None) or 0.0
    kept = manifest.mixed_labels.distillation if manifest.mixed_labels else 0.0
    ambiguous = any(len(allowed) > 1 for allowed in space.allowed)
    return Objective(
        network=network,
        space=space,
        anchors=tuple(p.detach().clone() for p in network.parameters()) if mu else (),
        proximal_mu=mu,
        teacher=_frozen(network) if kept and ambiguous else None,
        distillation=kept,
    )


def objective_alone(network: torch.nn.Module, manifest: StudyManifest, labels: SiteLabels | None) -> Objective:
    """The loss alone: a model of one site has no incoming weights to keep to."""
    return Objective(network=network, space=label_space(manifest.muscles, labels))


def _frozen(network: torch.nn.Module) -> torch.nn.Module:
    teacher = copy.deepcopy(network)
    teacher.requires_grad_(requires_grad=False)
    return teacher.eval()
