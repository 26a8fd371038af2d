"""The network of a MONAI bundle, both ways; what is not of the allow-list is refused, and nothing of it is run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser
from site_factories import refusal_code

from myofed_node.bundle_network import definition, network_of, network_of_bundle
from myofed_node.initial_model import NAMES, architecture_for
from myofed_node.learning.models import build
from myofed_schemas.study_networks import Network


@pytest.mark.parametrize("name", NAMES)
def test_network_is_the_same_when_monai_makes_it_and_when_we_do(name: str) -> None:
    """MONAI's own parser builds from our definition what the allow-list builds: the same tensors, and the same outputs."""
    ours = build(architecture_for("VL,RF", name=name)).eval()
    theirs = ConfigParser({"net": definition(architecture_for("VL,RF", name=name))}).get_parsed_content("net").eval()
    theirs.load_state_dict(ours.state_dict(), strict=name != "monai-dynunet")
    shape = (1, 1, 32, 32, 32) if name == "monai-unet-3d" else (2, 1, 32, 32)
    image = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    assert torch.equal(ours(image), theirs(image))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("norm", ["instance", "instance-affine", "batch"])
def test_definition_is_read_back(name: str, norm: str) -> None:
    """Through JSON, with every norm."""
    network: Network = architecture_for("VL,RF", name=name).model_copy(update={"norm": norm})
    assert network_of(json.loads(json.dumps(definition(network)))) == network


def test_argument_that_is_left_out_is_monais_default_and_not_ours() -> None:
    """A SegResNet of MONAI interpolates where nothing is said, and ours does not: it is another network."""
    found = definition(architecture_for("VL,RF", name="monai-segresnet"))
    del found["upsample_mode"]
    assert refusal_code(lambda: network_of(found)) == "BUNDLE_NETWORK"
    plain = definition(architecture_for("VL,RF"))
    del plain["norm"], plain["num_res_units"]
    assert network_of(plain | {"norm": "INSTANCE", "act": "PRELU", "dropout": 0.0}) == architecture_for("VL,RF")


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        {},
        {"_target_": "os.system", "command": "true"},
        {"_target_": "monai.networks.nets.VNet"},
        {"_target_": "UNet", "spatial_dims": 2, "in_channels": "$__import__('os').system('true')", "out_channels": 3},
        {
            "_target_": "UNet",
            "spatial_dims": 4,
            "in_channels": 1,
            "out_channels": 3,
            "channels": [4, 8],
            "strides": [2],
        },
        {
            "_target_": "UNet",
            "spatial_dims": 2,
            "in_channels": 1,
            "out_channels": 3,
            "channels": [4, 9999],
            "strides": [2],
        },
    ],
)
def test_network_off_the_list_is_refused(found: object) -> None:
    """Another class, an expression, an argument outside the bounds: data that does not fit."""
    assert refusal_code(lambda: network_of(found)) == "BUNDLE_NETWORK"


@pytest.mark.parametrize("extra", [{"act": "RELU"}, {"dropout": 0.5}, {"kernel_size": 5}, {"unknown": 1}])
def test_argument_that_changes_the_network_is_refused(extra: dict[str, object]) -> None:
    """What the allow-list cannot say is not left out in silence."""
    assert refusal_code(lambda: network_of(definition(architecture_for("VL")) | extra)) == "BUNDLE_NETWORK"


def test_bundle_is_read_as_data(tmp_path: Path) -> None:
    """No configuration, none in JSON, and none with parts are refused; imports in it are never followed."""
    assert refusal_code(lambda: network_of_bundle(tmp_path)) == "BUNDLE_INVALID"
    path = tmp_path / "configs" / "inference.json"
    path.parent.mkdir()
    for text in ("{", "[]"):
        path.write_text(text)
        assert refusal_code(lambda: network_of_bundle(tmp_path)) == "BUNDLE_INVALID"
    document = {"imports": ["$import os"], "network_def": definition(architecture_for("VL,RF"))}
    path.write_text(json.dumps(document))
    assert network_of_bundle(tmp_path) == architecture_for("VL,RF")
