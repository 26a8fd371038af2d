"""How alike two slices are inside the body: SSIM (Wang 2004: Gaussian window, sigma 1.5), mean over the body mask."""

from __future__ import annotations

import torch
from torch.nn.functional import avg_pool2d, conv2d

SIGMA_PX = 1.5
WINDOW_PX = 11
K1, K2 = 0.01, 0.03
AIR_SHARE = 0.3
"""Of the slice's range; air is at the bottom, tissue around the top (z-scored over tissue)."""


def body(images: torch.Tensor) -> torch.Tensor:
    """(n, 1, h, w) -> bool of the same shape: tissue, smoothed over 3 x 3 pixels so that dark muscle stays in."""
    low, high = images.amin(dim=(1, 2, 3), keepdim=True), images.amax(dim=(1, 2, 3), keepdim=True)
    return avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False) > low + AIR_SHARE * (high - low)


def ssim(found: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """(n, 1, h, w) twice -> (n,): mean SSIM over the body of each true slice; the range is that of the true slice."""
    span = (truth.amax(dim=(1, 2, 3), keepdim=True) - truth.amin(dim=(1, 2, 3), keepdim=True)).clamp_min(1e-6)
    mean_f, mean_t = _blurred(found), _blurred(truth)
    var_f = _blurred(found**2) - mean_f**2
    var_t = _blurred(truth**2) - mean_t**2
    both = _blurred(found * truth) - mean_f * mean_t
    c1, c2 = (K1 * span) ** 2, (K2 * span) ** 2
    values = (2 * mean_f * mean_t + c1) * (2 * both + c2) / ((mean_f**2 + mean_t**2 + c1) * (var_f + var_t + c2))
    mask = body(truth)
    return (values * mask).sum(dim=(1, 2, 3)) / mask.sum(dim=(1, 2, 3)).clamp_min(1)


def _blurred(images: torch.Tensor) -> torch.Tensor:
    at = torch.arange(WINDOW_PX, dtype=images.dtype) - WINDOW_PX // 2
    line = torch.exp(-(at**2) / (2 * SIGMA_PX**2))
    line = line / line.sum()
    kernel = (line[:, None] * line[None, :])[None, None]
    return conv2d(images, kernel, padding=WINDOW_PX // 2)
