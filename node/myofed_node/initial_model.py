"""Initial weights for a study: drawn here, because the coordinator has no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import yaml
from pydantic import TypeAdapter, ValidationError

from myofed_node.learning.models import initial_weights, state_dict_spec
from myofed_schemas.anatomy import THIGH_11, muscles
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study_networks import DynUnet, Network, SegResNet, Unet2d, Unet3d

NETWORK: TypeAdapter[Network] = TypeAdapter(Network)
Name = Literal["monai-unet-2d", "monai-unet-3d", "monai-segresnet", "monai-dynunet"]
NAMES: tuple[Name, ...] = get_args(Name)


@dataclass(frozen=True)
class DrawnModel:
    """Safetensors bytes and their size in tensors and numbers."""

    weights: bytes
    tensors: int
    parameters: int


def draft_architecture(path: Path) -> Network:
    """The architecture that a study's draft names (the file that `study create` takes).

    Raises:
        MyofedError: DRAFT_INVALID.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        return NETWORK.validate_python(document["architecture"])
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValidationError):
        raise MyofedError(
            "DRAFT_INVALID",
            "expected a study's draft with an allow-listed architecture, found none",
            hint="the draft is YAML with a key architecture; docs/study.md lists what is allowed",
            exit_code=ExitCode.BAD_INPUT,
        ) from None


def architecture_for(muscle_ids: str, *, name: str = "monai-unet-2d") -> Network:
    """A network of ordinary size for these muscles (all 11 of the thigh where none is named).

    Args:
        muscle_ids: Ids of muscles.tsv with commas between.
        name: Of the allow-list.

    Raises:
        MyofedError: MUSCLE_UNKNOWN, ARCHITECTURE_UNKNOWN.
    """
    if name not in NAMES:
        raise MyofedError(
            "ARCHITECTURE_UNKNOWN",
            f"expected one of {', '.join(NAMES)}, found another name",
            hint="other arguments than the ordinary ones stand in a draft: --study FILE",
            exit_code=ExitCode.USAGE,
        )
    named = tuple(part.strip() for part in muscle_ids.split(",") if part.strip()) or THIGH_11
    unknown = sorted(set(named) - {muscle.id for muscle in muscles()})
    if unknown:
        raise MyofedError(
            "MUSCLE_UNKNOWN",
            f"expected ids of muscles.tsv, found {len(unknown)} others",
            hint="ids are short, e.g. VL,VI,VM,RF",
            exit_code=ExitCode.USAGE,
        )
    return _ordinary(name, classes=len(named) + 1)


def _ordinary(name: Name, *, classes: int) -> Network:
    """The demonstration's U-Net, and its like of the other kinds."""
    channels, strides = (16, 32, 64, 128), (2, 2, 2)
    if name == "monai-unet-2d":
        return Unet2d(
            name=name,
            in_channels=1,
            out_channels=classes,
            channels=channels,
            strides=strides,
            num_res_units=0,
            norm="instance",
        )
    if name == "monai-unet-3d":
        return Unet3d(
            name=name,
            in_channels=1,
            out_channels=classes,
            channels=channels,
            strides=strides,
            num_res_units=0,
            norm="instance",
        )
    if name == "monai-segresnet":
        return SegResNet(
            name=name,
            spatial_dims=2,
            in_channels=1,
            out_channels=classes,
            init_filters=16,
            blocks_down=(1, 2, 2, 4),
            blocks_up=(1, 1, 1),
            norm="group",
        )
    return DynUnet(
        name=name,
        spatial_dims=2,
        in_channels=1,
        out_channels=classes,
        kernel_sizes=((3, 3),) * 5,
        strides=((1, 1), *((2, 2),) * 4),
        filters=(32, 64, 128, 256, 256),
        norm="instance-affine",
        res_block=False,
    )


def draw(architecture: Network, *, seed: int) -> DrawnModel:
    """Freshly drawn weights; the same bytes for the same seed.

    Raises:
        MyofedError: ARCHITECTURE_INVALID.
    """
    spec = state_dict_spec(architecture)
    parameters = sum(math.prod(tensor.shape) for tensor in spec)
    return DrawnModel(initial_weights(architecture, seed=seed), len(spec), parameters)
