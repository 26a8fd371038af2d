"""Networks from the allow-list, built from a study's manifest; code never travels."""

from __future__ import annotations

import torch
from monai.networks.nets.unet import UNet

from myofed_node.learning.weights import packed
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import Architecture, TensorSpec


def build(architecture: Architecture) -> torch.nn.Module:
    """A network of this architecture with arbitrary weights: (n, in, h, w) float32 -> logits (n, out, h, w).

    `monai-unet-2d` is MONAI's UNet (Ronneberger 2015; with residual units, Kerfoot 2019); h and w are multiples of the
    product of the strides.

    Raises:
        MyofedError: ARCHITECTURE_INVALID where the arguments do not make a network.
    """
    if len(architecture.strides) != len(architecture.channels) - 1:
        raise MyofedError(
            "ARCHITECTURE_INVALID",
            f"expected {len(architecture.channels) - 1} strides, found {len(architecture.strides)}",
            hint="one stride fewer than channels",
            exit_code=ExitCode.BAD_INPUT,
        )
    network: torch.nn.Module = UNet(
        spatial_dims=2,
        in_channels=architecture.in_channels,
        out_channels=architecture.out_channels,
        channels=architecture.channels,
        strides=architecture.strides,
        num_res_units=architecture.num_res_units,
        norm=architecture.norm,
    )
    return network


def state_dict_spec(architecture: Architecture) -> tuple[TensorSpec, ...]:
    """Names, shapes and dtypes of the architecture's state dict, sorted by name: what a manifest lists.

    Raises:
        MyofedError: ARCHITECTURE_INVALID.
    """
    return tuple(
        TensorSpec.model_validate(
            {"name": name, "shape": tuple(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch.")}
        )
        for name, tensor in sorted(build(architecture).state_dict().items())
    )


def initial_weights(architecture: Architecture, *, seed: int) -> bytes:
    """Safetensors bytes of freshly drawn weights; the same bytes for the same seed, and no other draw is disturbed.

    Raises:
        MyofedError: ARCHITECTURE_INVALID.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return packed(build(architecture).state_dict())
