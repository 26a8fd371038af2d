"""Networks from the allow-list, built from a study's manifest; code never travels."""

from __future__ import annotations

from typing import Any, cast

import torch
from monai.networks.nets.dynunet import DynUNet
from monai.networks.nets.segresnet import SegResNet as MonaiSegResNet
from monai.networks.nets.unet import UNet

from myofed_node.learning.weights import packed
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import StudyManifest, TensorSpec
from myofed_schemas.study_networks import DynUnet, Network, SegResNet, Unet2d, Unet3d, parameters

MAX_PARAMETERS = 128 << 20
"""Numbers in a state dict: 512 MiB in float32. Known from the arguments, before anything is built."""
NORMS: dict[str, str | tuple[str, dict[str, Any]]] = {
    "instance": "instance",
    "instance-affine": ("instance", {"affine": True}),
    "batch": "batch",
    "group": ("group", {"num_groups": 8}),
}
"""The manifest's word -> MONAI's argument; all widths of SegResNet are multiples of 8."""
ALIASES = "skip_layers."
"""DynUNet holds each of its layers a second time under this name."""


def build(architecture: Network) -> torch.nn.Module:
    """A network of this architecture with arbitrary weights: (n, in, h, w) or (n, in, d, h, w) float32 -> logits (n, out, ...).

    The image's size must be a multiple of `architecture.divisor()`.

    Raises:
        MyofedError: ARCHITECTURE_TOO_LARGE, or ARCHITECTURE_INVALID where the arguments do not make a network.
    """
    numbers = parameters(architecture)
    if numbers > MAX_PARAMETERS:
        raise _refusal("ARCHITECTURE_TOO_LARGE", f"at most {MAX_PARAMETERS} weights", f"about {numbers}")
    if isinstance(architecture, SegResNet):
        return _segresnet(architecture)
    if isinstance(architecture, DynUnet):
        return _dynunet(architecture)
    return _unet(architecture)


def network_of(manifest: StudyManifest) -> torch.nn.Module:
    """The manifest's network, whose state dict is exactly the one that the manifest lists.

    Raises:
        MyofedError: ARCHITECTURE_MISMATCH, or as `build`.
    """
    network = build(manifest.architecture)
    if spec_of(network) != tuple(sorted(manifest.state_dict, key=lambda tensor: tensor.name)):
        raise MyofedError(
            "ARCHITECTURE_MISMATCH",
            "expected the tensors of the manifest's own network, found a list of others",
            hint="the coordinator made the study for other weights; a new version is needed",
            exit_code=ExitCode.NOT_APPROVED,
        )
    return network


def check_architecture(manifest: StudyManifest) -> None:
    """The manifest's network can be built, and its tensors are those that the manifest lists; no memory is taken for them.

    Raises:
        MyofedError: As `network_of`.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        network_of(manifest)


def state_dict_spec(architecture: Network) -> tuple[TensorSpec, ...]:
    """Names, shapes and dtypes of the architecture's state dict, sorted by name: what a manifest lists.

    Raises:
        MyofedError: As `build`.
    """
    return spec_of(build(architecture))


def spec_of(network: torch.nn.Module) -> tuple[TensorSpec, ...]:
    """Names, shapes and dtypes of the network's state dict, sorted by name."""
    return tuple(
        TensorSpec.model_validate(
            {"name": name, "shape": tuple(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch.")}
        )
        for name, tensor in sorted(network.state_dict().items())
    )


def initial_weights(architecture: Network, *, seed: int) -> bytes:
    """Safetensors bytes of freshly drawn weights; the same bytes for the same seed, and no other draw is disturbed.

    Raises:
        MyofedError: As `build`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return packed(build(architecture).state_dict())


def _unet(architecture: Unet2d | Unet3d) -> torch.nn.Module:
    """Ronneberger 2015; with residual units, Kerfoot 2019."""
    if len(architecture.strides) != len(architecture.channels) - 1:
        raise _refusal(
            "ARCHITECTURE_INVALID", f"{len(architecture.channels) - 1} strides", str(len(architecture.strides))
        )
    network: torch.nn.Module = UNet(
        spatial_dims=architecture.spatial_dims,
        in_channels=architecture.in_channels,
        out_channels=architecture.out_channels,
        channels=architecture.channels,
        strides=architecture.strides,
        num_res_units=architecture.num_res_units,
        norm=NORMS[architecture.norm],
    )
    return network


def _segresnet(architecture: SegResNet) -> torch.nn.Module:
    """Myronenko 2018. Upsampling is learnt: interpolation's gradient is not the same twice on a GPU."""
    network: torch.nn.Module = MonaiSegResNet(
        spatial_dims=architecture.spatial_dims,
        in_channels=architecture.in_channels,
        out_channels=architecture.out_channels,
        init_filters=architecture.init_filters,
        blocks_down=architecture.blocks_down,
        blocks_up=architecture.blocks_up,
        norm=NORMS[architecture.norm],
        upsample_mode="deconv",
    )
    return network


def _dynunet(architecture: DynUnet) -> torch.nn.Module:
    """Isensee 2021. Its state dict names each tensor once: safetensors hold no tensor under two names."""
    network = DynUNet(
        spatial_dims=architecture.spatial_dims,
        in_channels=architecture.in_channels,
        out_channels=architecture.out_channels,
        kernel_size=architecture.kernel_sizes,
        strides=architecture.strides,
        upsample_kernel_size=architecture.strides[1:],
        filters=architecture.filters,
        norm_name=NORMS[architecture.norm],
        res_block=architecture.res_block,
        deep_supervision=False,
    )
    network.register_state_dict_post_hook(_drop_aliases)  # type: ignore[no-untyped-call]
    network.register_load_state_dict_post_hook(_miss_no_aliases)  # type: ignore[no-untyped-call]
    return cast("torch.nn.Module", network)


def _drop_aliases(_module: torch.nn.Module, state_dict: dict[str, Any], _prefix: str, _metadata: object) -> None:
    for name in [name for name in state_dict if name.startswith(ALIASES)]:
        del state_dict[name]


def _miss_no_aliases(_module: torch.nn.Module, keys: Any) -> None:
    """Each was loaded by its first name."""
    keys.missing_keys[:] = [name for name in keys.missing_keys if not name.startswith(ALIASES)]


def _refusal(code: str, expected: str, found: str) -> MyofedError:
    return MyofedError(
        code,
        f"expected {expected}, found {found}",
        hint="docs/study.md lists the networks of the allow-list and their bounds",
        exit_code=ExitCode.BAD_INPUT,
    )
