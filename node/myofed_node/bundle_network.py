"""A network of the allow-list as MONAI writes it in a bundle, both ways; a bundle's configuration is read as data, never run."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from monai.networks.nets.dynunet import DynUNet
from monai.networks.nets.segresnet import SegResNet as MonaiSegResNet
from monai.networks.nets.unet import UNet
from pydantic import TypeAdapter, ValidationError

from myofed_node.learning.models import NORMS
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study_networks import DynUnet, Network, SegResNet

NETWORK: TypeAdapter[Network] = TypeAdapter(Network)
CLASSES: dict[str, type[torch.nn.Module]] = {"UNet": UNet, "SegResNet": MonaiSegResNet, "DynUNet": DynUNet}
UNET, SEGRESNET, DYNUNET = (f"monai.networks.nets.{name}" for name in CLASSES)
NETWORK_DEF = "network_def"
LARGEST_CONFIG_BYTES = 1 << 20


def definition(network: Network) -> dict[str, Any]:
    """`network_def` of a bundle: the class and the arguments with which `learning.models.build` makes the network."""
    norm = _norm(network.norm)
    common = {"in_channels": network.in_channels, "out_channels": network.out_channels}
    if isinstance(network, SegResNet):
        return {
            "_target_": SEGRESNET,
            "spatial_dims": network.spatial_dims,
            **common,
            "init_filters": network.init_filters,
            "blocks_down": list(network.blocks_down),
            "blocks_up": list(network.blocks_up),
            "norm": norm,
            "upsample_mode": "deconv",
        }
    if isinstance(network, DynUnet):
        return {
            "_target_": DYNUNET,
            "spatial_dims": network.spatial_dims,
            **common,
            "kernel_size": [list(edges) for edges in network.kernel_sizes],
            "strides": [list(edges) for edges in network.strides],
            "upsample_kernel_size": [list(edges) for edges in network.strides[1:]],
            "filters": list(network.filters),
            "norm_name": norm,
            "res_block": network.res_block,
            "deep_supervision": False,
        }
    return {
        "_target_": UNET,
        "spatial_dims": network.spatial_dims,
        **common,
        "channels": list(network.channels),
        "strides": list(network.strides),
        "num_res_units": network.num_res_units,
        "norm": norm,
    }


def network_of_bundle(bundle: Path) -> Network:
    """The network that the bundle's inference configuration defines, if it is one of the allow-list.

    Raises:
        MyofedError: BUNDLE_INVALID, BUNDLE_NETWORK.
    """
    for name in ("inference.json", "train.json"):
        path = bundle / "configs" / name
        if path.is_file() and path.stat().st_size <= LARGEST_CONFIG_BYTES:
            return network_of(_document(path).get(NETWORK_DEF))
    raise _refused("BUNDLE_INVALID", "configs/inference.json in the bundle, found none")


def network_of(found: object) -> Network:
    """The network of the allow-list that this `network_def` makes, argument by argument.

    Raises:
        MyofedError: BUNDLE_NETWORK, also where an argument is an expression, or one that the allow-list does not know.
    """
    if not isinstance(found, Mapping):
        raise _refused("BUNDLE_NETWORK", "a network_def with its class and arguments, found none")
    name = str(found.get("_target_", "")).rpartition(".")[2]
    if name not in CLASSES:
        raise _refused("BUNDLE_NETWORK", f"one of {', '.join(CLASSES)}, found another class")
    whole = _whole(name, found)
    network = _parsed(name, whole)
    if network is None or whole != _whole(name, definition(network)):
        raise _refused("BUNDLE_NETWORK", "a network of the allow-list with its arguments, found others")
    return network


def _whole(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of the class, MONAI's defaults where none is given, in one form."""
    parameters = inspect.signature(CLASSES[name]).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    given = {argument: value for argument, value in found.items() if argument != "_target_"}
    return {argument: _listed(value) for argument, value in {**defaults, **given}.items()}


def _parsed(name: str, found: Mapping[str, Any]) -> Network | None:
    said = found.get("norm_name" if name == "DynUNet" else "norm")
    norm = next((ours for ours in NORMS if _norm(ours) == said), None)
    dims = found.get("spatial_dims")
    fields: dict[str, Any] = {
        "in_channels": found.get("in_channels"),
        "out_channels": found.get("out_channels"),
        "norm": norm,
    }
    taken: tuple[str, ...]
    if name == "UNet":
        taken, fields["name"] = ("channels", "strides", "num_res_units"), f"monai-unet-{dims}d"
    elif name == "SegResNet":
        taken, fields["name"] = ("spatial_dims", "init_filters", "blocks_down", "blocks_up"), "monai-segresnet"
    else:
        taken, fields["name"] = ("spatial_dims", "strides", "filters", "res_block"), "monai-dynunet"
        fields["kernel_sizes"] = found.get("kernel_size")
    try:
        return NETWORK.validate_python(fields | {argument: found.get(argument) for argument in taken})
    except ValidationError:
        return None


def _norm(ours: str) -> object:
    known = NORMS[ours]
    return _listed(known)


def _listed(value: object) -> object:
    """Tuples as lists, words in small letters (MONAI's names are the same in both): as JSON has them."""
    if isinstance(value, list | tuple):
        return [_listed(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _listed(item) for name, item in value.items()}
    return value.lower() if isinstance(value, str) else value


def _document(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise _refused("BUNDLE_INVALID", "a configuration in JSON, found another") from None
    if not isinstance(document, Mapping):
        raise _refused("BUNDLE_INVALID", "a configuration with named parts, found another")
    return document


def _refused(code: str, expected: str) -> MyofedError:
    return MyofedError(
        code,
        f"expected {expected}",
        hint="docs/models.md lists what is read; name the network with --study or --architecture",
        exit_code=ExitCode.BAD_INPUT,
    )
