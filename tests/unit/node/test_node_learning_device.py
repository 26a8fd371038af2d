"""The first step is made before anybody waits for it."""

from __future__ import annotations

import torch

from myofed_node.learning.device import choose_device, warm_up


def test_warm_up_leaves_global_randomness_alone() -> None:
    """A warmed-up worker and a cold one train alike."""
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    warm_up(torch.device("cpu"))
    assert torch.equal(before, torch.random.get_rng_state())


def test_device_is_cuda_exactly_where_there_is_one() -> None:
    """Nobody has to set it."""
    assert (choose_device().type == "cuda") == torch.cuda.is_available()
