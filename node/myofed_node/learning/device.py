"""Where to compute, and the first step, which is slow everywhere, made before anybody waits for it."""

from __future__ import annotations

import torch

from myofed_node.learning.loss import dice_cross_entropy
from myofed_node.learning.models import build
from myofed_schemas.study import Architecture

_WARM_UP = Architecture(
    name="monai-unet-2d", in_channels=1, out_channels=2, channels=(4, 8), strides=(2,), num_res_units=0, norm="instance"
)


def choose_device() -> torch.device:
    """The first CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def warm_up(device: torch.device) -> None:
    """What torch and MONAI load lazily is loaded: one step of a tiny network was made and thrown away."""
    with torch.random.fork_rng(devices=[]):
        network = build(_WARM_UP).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    loss = dice_cross_entropy(
        network(torch.zeros(2, 1, 16, 16, device=device)), torch.zeros(2, 16, 16, dtype=torch.long, device=device)
    )
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
