"""What one site does in a round of `bench round`, the same code for every system: nothing, or a few steps of a small U-Net."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

LARGE_NUMBERS = 25_000_000
"""100 MB of float32."""
LARGE_TENSORS = 25
PIXELS = 96
BATCH = 4
RATE = 1e-3
NUDGE = np.float32(1e-3)


def small_weights() -> bytes:
    """The U-Net's initial weights, about 150 kB, packed."""
    import torch
    from safetensors.torch import save as save_torch

    torch.manual_seed(0)
    return bytes(save_torch({name: tensor.contiguous() for name, tensor in network().state_dict().items()}))


def large_weights() -> bytes:
    """100 MB of seeded numbers in 25 tensors, packed."""
    parts = np.split(large_numbers(), LARGE_TENSORS)
    return bytes(save({f"layer_{number:02d}.weight": part.reshape(1000, -1) for number, part in enumerate(parts)}))


def large_numbers() -> NDArray[np.float32]:
    """(25,000,000) float32, as a network's first weights are spread."""
    draw = np.random.default_rng(0).standard_normal(LARGE_NUMBERS, np.float32)
    return draw * np.float32(0.05)


def work_on_file(source: Path, made: Path) -> None:
    """As `work` without steps, of weights that executor and worker hand to each other as files."""
    from myofed_node.learning.handover import mapped, written
    from myofed_schemas.weights_layout import head, layout

    packed = mapped(source)
    places = layout(packed)
    moved = {n: np.frombuffer(packed, np.float32, p.count, p.offset) + NUDGE for n, p in places.items()}
    beginning, order = head({name: (place.dtype, place.shape) for name, place in places.items()})
    written(made, [beginning, *(moved[name].view(np.uint8).data for name in order)])


def work(packed: bytes, *, steps: int) -> bytes:
    """The weights after so many steps of AdamW on seeded images; for 0 steps all of them a little more.

    An update that is what was sent out, or far from it, would be refused as no training.
    """
    if steps == 0:
        return bytes(save({name: values + NUDGE for name, values in load(packed).items()}))
    import torch
    from safetensors.torch import load as load_torch
    from safetensors.torch import save as save_torch

    torch.set_num_threads(1)
    net = network()
    net.load_state_dict(load_torch(packed))
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE)
    draw = torch.Generator().manual_seed(1)
    for _ in range(steps):
        image = torch.randn((BATCH, 1, PIXELS, PIXELS), generator=draw)
        loss = torch.nn.functional.cross_entropy(net(image), (image[:, 0] > 0).long())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return bytes(save_torch({name: tensor.contiguous() for name, tensor in net.state_dict().items()}))


@cache
def network() -> Any:
    """A two-dimensional MONAI U-Net of some 37,000 numbers."""
    from monai.networks.nets import UNet

    return UNet(2, 1, 14, channels=(12, 24, 36), strides=(2, 2), num_res_units=1, norm="instance")


def mean(updates: Sequence[bytes]) -> bytes:
    """The unweighted mean of packed updates, tensor by tensor in float32."""
    loaded = [load(update) for update in updates]
    return bytes(save({name: sum(update[name] for update in loaded) / np.float32(len(loaded)) for name in loaded[0]}))
