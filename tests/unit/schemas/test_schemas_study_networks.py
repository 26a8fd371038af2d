"""The allow-list of networks: tight bounds, and a size that is known before anything is built."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from myofed_schemas.study_networks import (
    FLOAT_BYTES,
    KEPT_PER_CONVOLUTION,
    MODEL_COPIES,
    DynUnet,
    Network,
    SegResNet,
    Unet2d,
    Unet3d,
    parameters,
    training_bytes,
)

NETWORK: TypeAdapter[Network] = TypeAdapter(Network)
COMMON = {"in_channels": 1, "out_channels": 3}
UNET = {**COMMON, "channels": (8, 16), "strides": (2,), "num_res_units": 0, "norm": "instance"}
UNET_2D = {"name": "monai-unet-2d", **UNET}
UNET_3D = {"name": "monai-unet-3d", **UNET}
SEGRESNET = {
    "name": "monai-segresnet",
    **COMMON,
    "spatial_dims": 3,
    "init_filters": 8,
    "blocks_down": (1, 2),
    "blocks_up": (1,),
    "norm": "group",
}
DYNUNET = {
    "name": "monai-dynunet",
    **COMMON,
    "spatial_dims": 2,
    "kernel_sizes": ((3, 3), (3, 3), (1, 3)),
    "strides": ((1, 1), (2, 2), (1, 2)),
    "filters": (8, 16, 32),
    "norm": "batch",
    "res_block": False,
}

REFUSED = [
    (UNET_2D, {"name": "torchvision-resnet"}, "does not match any of the expected tags"),
    (UNET_2D, {"kernel_size": 31}, "Extra inputs"),
    (UNET_2D, {"channels": (8, 2048)}, "less than or equal to 1024"),
    (UNET_2D, {"channels": (8,)}, "at least 2"),
    (UNET_2D, {"strides": (64,)}, "less than or equal to 4"),
    (UNET_3D, {"channels": (8, 16, 32)}, "2 strides belong to 3 channels, found 1"),
    (UNET_3D, {"channels": (8, 1024)}, "less than or equal to 512"),
    (UNET_3D, {"num_res_units": 3}, "less than or equal to 2"),
    (SEGRESNET, {"spatial_dims": 4}, "2 or 3"),
    (SEGRESNET, {"init_filters": 12}, "init_filters"),
    (SEGRESNET, {"blocks_up": (1, 1)}, "blocks_up has 2 levels, expected 1"),
    (SEGRESNET, {"blocks_down": (1, 9)}, "less than or equal to 4"),
    (SEGRESNET, {"norm": "layer"}, "norm"),
    (DYNUNET, {"filters": (8, 16)}, "at least 3"),
    (DYNUNET, {"filters": (8, 16, 32, 64)}, "one entry a level"),
    (DYNUNET, {"spatial_dims": 3}, "3 numbers a level"),
    (DYNUNET, {"kernel_sizes": ((3, 3), (3, 3), (31, 3))}, "kernel_sizes"),
    (DYNUNET, {"strides": ((2, 2), (2, 2), (2, 2))}, "first level has stride 1"),
    (DYNUNET, {"kernel_sizes": ((3, 3), (1, 3), (3, 3))}, "larger than its kernel"),
    (DYNUNET, {"deep_supervision": True}, "Extra inputs"),
]


@pytest.mark.parametrize(("base", "change", "says"), REFUSED, ids=range(len(REFUSED)))
def test_network_outside_its_bounds_is_refused(base: dict[str, object], change: dict[str, object], says: str) -> None:
    """No manifest can ask for anything else, or for something absurd."""
    NETWORK.validate_python(base)
    with pytest.raises(ValidationError, match=says):
        NETWORK.validate_python(base | change)


def test_name_decides_the_kind() -> None:
    """Each of the list, and each says its dimensions and what sizes it takes."""
    kinds = {
        Unet2d: (UNET_2D, (2, 2)),
        Unet3d: (UNET_3D, (2, 2, 2)),
        SegResNet: (SEGRESNET, (2, 2, 2)),
        DynUnet: (DYNUNET, (2, 4)),
    }
    for kind, (document, divisor) in kinds.items():
        network = NETWORK.validate_python(document)
        assert type(network) is kind
        assert network.divisor() == divisor
        assert network.spatial_dims == len(divisor)


@pytest.mark.parametrize("document", [UNET_2D, UNET_3D, SEGRESNET, DYNUNET], ids=lambda d: d["name"])
def test_memory_grows_with_batch_and_size(document: dict[str, object]) -> None:
    """Weights count once, activations for every voxel of a batch."""
    network = NETWORK.validate_python(document)
    size = (32,) * network.spatial_dims
    weights = FLOAT_BYTES * MODEL_COPIES * parameters(network)
    one, two = (training_bytes(network, batch=batch, size=size) - weights for batch in (1, 2))
    assert two == pytest.approx(2 * one, abs=FLOAT_BYTES)
    assert training_bytes(network, batch=1, size=(64, *size[1:])) - weights == pytest.approx(2 * one, abs=FLOAT_BYTES)


def test_estimate_of_a_network_that_can_be_counted_by_hand() -> None:
    """Two levels without residual units: 1 -> 8 -> 16 at half size, 24 -> 3; 3 x 3 taps; 5 numbers a channel and 2 beside."""
    network = NETWORK.validate_python(UNET_2D)
    taps = 9 * (1 * 8 + 8 * 16 + (8 + 16) * 3)
    assert parameters(network) == taps + 5 * (8 + 16 + 3) + 3 * 2
    activations = KEPT_PER_CONVOLUTION * (8 / 4 + 16 / 4 + 3)
    voxels = 4 * 96 * 96
    assert training_bytes(network, batch=4, size=(96, 96)) == 4 * (7 * parameters(network) + int(activations * voxels))


def test_residual_blocks_cost_more() -> None:
    """Of both kinds that have them."""
    for document, change in ((UNET_2D, {"num_res_units": 2}), (DYNUNET, {"res_block": True})):
        more, less = (NETWORK.validate_python(d) for d in ({**document, **change}, document))
        assert parameters(more) > parameters(less)


def test_strides_too_many_are_counted_and_not_followed() -> None:
    """What cannot be built has an estimate all the same; building refuses it."""
    assert parameters(NETWORK.validate_python(UNET_2D | {"strides": (2, 2, 2)})) > 0
