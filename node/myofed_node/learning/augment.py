"""Random changes of a training batch, fast on a CPU; every draw comes from the generator that is passed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn.functional import affine_grid, grid_sample, interpolate


@dataclass(frozen=True)
class Ranges:
    """How far a draw may go; uniform in plus or minus these.

    Attributes:
        rotation_rad: About the middle of the crop.
        log_scale: Natural logarithm of the size, drawn for x and y apart.
        shift: Share of half the crop.
        bias: SD of the logarithm of a smooth multiplicative field (4 x 4 nodes).
        log_gamma: Natural logarithm of the exponent of the intensities.
        noise: Largest SD of added noise, in SD of the tissue.
    """

    rotation_rad: float = 0.35
    log_scale: float = 0.2
    shift: float = 0.12
    bias: float = 0.2
    log_gamma: float = 0.3
    noise: float = 0.2


RANGES = Ranges()
BIAS_NODES = 4
AIR_SHARE = 0.1
"""Below this share of a slice's brightest value counts as air when intensities are standardised again."""


def augmented(
    images: torch.Tensor,
    classes: torch.Tensor,
    *,
    kind: Literal["none", "geometric", "geometric-intensity"],
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """A changed copy of the batch; images and classes move together.

    Args:
        images: (n, c, h, w) float32, z-scored, each channel for itself.
        classes: (n, h, w) int64.
        kind: As in the manifest.
        generator: Source of all draws, on the CPU.

    Returns:
        Images and classes, shapes and types as given.
    """
    if kind == "none":
        return images, classes
    images, classes = _moved(images, classes, generator)
    return (_recoloured(images, generator) if kind == "geometric-intensity" else images), classes


def _uniform(count: int, limit: float, generator: torch.Generator) -> torch.Tensor:
    return (torch.rand(count, generator=generator) * 2 - 1) * limit


def _moved(
    images: torch.Tensor, classes: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotation, scale and shift; air beyond the edge is the slice's own lowest value, the class there is background."""
    grid = affine_grid(_matrices(len(images), generator), list(images.shape), align_corners=False).to(images.device)
    air = images.amin(dim=(2, 3), keepdim=True)
    moved = grid_sample(images - air, grid, mode="bilinear", padding_mode="zeros", align_corners=False) + air
    labels = grid_sample(classes[:, None].float(), grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return moved, labels[:, 0].long()


def _matrices(count: int, generator: torch.Generator) -> torch.Tensor:
    angle = _uniform(count, RANGES.rotation_rad, generator)
    scale_x = torch.exp(_uniform(count, RANGES.log_scale, generator))
    scale_y = torch.exp(_uniform(count, RANGES.log_scale, generator))
    shift_x, shift_y = (_uniform(count, RANGES.shift, generator) for _ in range(2))
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = torch.stack([scale_x * cos, -scale_y * sin, shift_x, scale_x * sin, scale_y * cos, shift_y], dim=1)
    return rows.reshape(count, 2, 3)


def _recoloured(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Bias field, gamma and noise on intensities above air; then zero mean and unit variance over tissue again."""
    count = len(images)
    positive = images - images.amin(dim=(2, 3), keepdim=True)
    brightest = positive.amax(dim=(2, 3), keepdim=True).clamp_min(1e-6)
    nodes = torch.randn((count, 1, BIAS_NODES, BIAS_NODES), generator=generator) * RANGES.bias
    field = interpolate(nodes, size=images.shape[2:], mode="bicubic", align_corners=True).to(images.device)
    gamma = torch.exp(_uniform(count, RANGES.log_gamma, generator)).reshape(-1, 1, 1, 1).to(images.device)
    tissue = positive > AIR_SHARE * brightest
    changed = (positive / brightest) ** gamma * torch.exp(field)
    strength = torch.rand((count, 1, 1, 1), generator=generator) * RANGES.noise
    noise = (torch.randn(images.shape, generator=generator) * strength).to(images.device)
    return _standardised(changed, tissue) + noise


def _standardised(images: torch.Tensor, tissue: torch.Tensor) -> torch.Tensor:
    count = tissue.sum(dim=(2, 3), keepdim=True).clamp_min(1)
    mean = (images * tissue).sum(dim=(2, 3), keepdim=True) / count
    variance = ((images - mean) ** 2 * tissue).sum(dim=(2, 3), keepdim=True) / count
    return (images - mean) / variance.sqrt().clamp_min(1e-6)
