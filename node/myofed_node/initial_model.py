"""Initial weights for a study: drawn here, because the coordinator has no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from myofed_node.learning.models import initial_weights, state_dict_spec
from myofed_schemas.anatomy import THIGH_11, muscles
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import Architecture


@dataclass(frozen=True)
class DrawnModel:
    """Safetensors bytes and their size in tensors and numbers."""

    weights: bytes
    tensors: int
    parameters: int


def draft_architecture(path: Path) -> Architecture:
    """The architecture that a study's draft names (the file that `study create` takes).

    Raises:
        MyofedError: DRAFT_INVALID.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Architecture.model_validate(document["architecture"])
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValidationError):
        raise MyofedError(
            "DRAFT_INVALID",
            "expected a study's draft with an allow-listed architecture, found none",
            hint="the draft is YAML with a key architecture; docs/learning.md lists what is allowed",
            exit_code=ExitCode.BAD_INPUT,
        ) from None


def architecture_for(muscle_ids: str) -> Architecture:
    """The default network for these muscles (all 11 of the thigh where none is named).

    Args:
        muscle_ids: Ids of muscles.tsv with commas between.

    Raises:
        MyofedError: MUSCLE_UNKNOWN.
    """
    named = tuple(part.strip() for part in muscle_ids.split(",") if part.strip()) or THIGH_11
    unknown = sorted(set(named) - {muscle.id for muscle in muscles()})
    if unknown:
        raise MyofedError(
            "MUSCLE_UNKNOWN",
            f"expected ids of muscles.tsv, found {len(unknown)} others",
            hint="ids are short, e.g. VL,VI,VM,RF",
            exit_code=ExitCode.USAGE,
        )
    return Architecture(
        name="monai-unet-2d",
        in_channels=1,
        out_channels=len(named) + 1,
        channels=(16, 32, 64, 128),
        strides=(2, 2, 2),
        num_res_units=0,
        norm="instance",
    )


def draw(architecture: Architecture, *, seed: int) -> DrawnModel:
    """Freshly drawn weights; the same bytes for the same seed.

    Raises:
        MyofedError: ARCHITECTURE_INVALID.
    """
    spec = state_dict_spec(architecture)
    parameters = sum(math.prod(tensor.shape) for tensor in spec)
    return DrawnModel(initial_weights(architecture, seed=seed), len(spec), parameters)
