"""Networks come from the allow-list and are the same on every machine."""

from __future__ import annotations

import math

import pytest
import torch
from learning_factories import architecture, manifest
from pydantic import TypeAdapter, ValidationError

from myofed_node.learning.models import build, check_architecture, initial_weights, network_of, spec_of, state_dict_spec
from myofed_node.learning.weights import load_weights, packed
from myofed_schemas.errors import MyofedError
from myofed_schemas.study import TensorSpec
from myofed_schemas.study_networks import Network, Unet2d, parameters

NETWORK: TypeAdapter[Network] = TypeAdapter(Network)
UNET = {"channels": (8, 16, 32), "strides": (2, 2), "norm": "instance"}
FLAT = {"kernel_sizes": ((1, 3, 3), (3, 3, 3), (3, 3, 3)), "strides": ((1, 1, 1), (1, 2, 2), (2, 2, 2))}
ALLOWED: dict[str, dict[str, object]] = {
    "unet-2d": {"name": "monai-unet-2d", "num_res_units": 0, **UNET},
    "unet-2d-res": {"name": "monai-unet-2d", "num_res_units": 2, **UNET, "norm": "instance-affine"},
    "unet-3d": {"name": "monai-unet-3d", "num_res_units": 1, **UNET, "norm": "batch"},
    **{
        f"segresnet-{dims}d-{norm}": {
            "name": "monai-segresnet",
            "spatial_dims": dims,
            "init_filters": 8,
            "blocks_down": (1, 2, 2),
            "blocks_up": (1, 1),
            "norm": norm,
        }
        for dims, norm in ((2, "group"), (3, "instance"))
    },
    "dynunet-3d": {"name": "monai-dynunet", "spatial_dims": 3, **FLAT, "filters": (8, 16, 32), "norm": "instance-affine", "res_block": False},
    "dynunet-2d-res": {
        "name": "monai-dynunet",
        "spatial_dims": 2,
        "kernel_sizes": ((3, 3), (3, 3), (3, 3), (3, 3)),
        "strides": ((1, 1), (2, 2), (2, 2), (2, 2)),
        "filters": (8, 16, 32, 32),
        "norm": "batch",
        "res_block": True,
    },
}  # fmt: skip


def allowed(name: str, **changes: object) -> Network:
    return NETWORK.validate_python({"in_channels": 1, "out_channels": 3, **ALLOWED[name], **changes})


def test_network_off_the_allow_list_is_refused() -> None:
    """A manifest cannot name any other network."""
    with pytest.raises(ValidationError):
        architecture(name="os.system")


def test_strides_that_do_not_fit_the_channels_are_refused() -> None:
    """A network that cannot be built has a code."""
    with pytest.raises(MyofedError) as refusal:
        build(architecture(strides=(2, 2)))
    assert refusal.value.code == "ARCHITECTURE_INVALID"


def test_absurd_network_is_refused_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size is known from its arguments."""
    monkeypatch.setattr("myofed_node.learning.models.UNet", None)
    with pytest.raises(MyofedError) as refusal:
        build(architecture(channels=(1024,) * 7, strides=(2,) * 6, num_res_units=4))
    assert refusal.value.code == "ARCHITECTURE_TOO_LARGE"


@pytest.mark.parametrize(
    "listed",
    [
        state_dict_spec(architecture())[1:],
        (*state_dict_spec(architecture()), TensorSpec(name="zz", shape=(1,), dtype="float32")),
        tuple(t.model_copy(update={"shape": (*t.shape, 1)}) for t in state_dict_spec(architecture())),
    ],
    ids=["one missing", "one more", "other shapes"],
)
def test_list_of_tensors_that_is_not_the_networks_is_refused(listed: tuple[TensorSpec, ...]) -> None:
    """At approval without memory for it, and again where it is built."""
    for check in (check_architecture, network_of):
        with pytest.raises(MyofedError) as refusal:
            check(manifest(state_dict=listed))
        assert refusal.value.code == "ARCHITECTURE_MISMATCH"


def test_check_at_approval_leaves_global_randomness_alone() -> None:
    """And passes what fits, in whatever order the manifest lists it."""
    asked = manifest(state_dict=state_dict_spec(architecture())[::-1])
    before = torch.random.get_rng_state()
    check_architecture(asked)
    assert torch.equal(before, torch.random.get_rng_state())


def test_same_seed_gives_the_same_bytes_and_leaves_global_randomness_alone() -> None:
    """Initial weights depend on architecture and seed only, and no other draw of the process changes."""
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    first, second = initial_weights(architecture(), seed=5), initial_weights(architecture(), seed=5)
    assert first == second != initial_weights(architecture(), seed=6)
    assert torch.equal(torch.rand(3), expected)


def test_spec_lists_each_tensor_with_its_own_shape_and_dtype() -> None:
    """The manifest's list is the state dict: also the integers of batch norm."""
    for norm in ("instance", "batch"):
        state = build(architecture(norm=norm)).state_dict()
        listed = {t.name: (t.shape, t.dtype) for t in state_dict_spec(architecture(norm=norm))}
        assert listed == {n: (tuple(v.shape), str(v.dtype).removeprefix("torch.")) for n, v in state.items()}


@pytest.mark.parametrize("name", ALLOWED)
def test_network_gives_one_logit_per_class_and_voxel(name: str) -> None:
    """(n, 1, ...) becomes (n, classes, ...) at the smallest size, and every weight has a gradient."""
    architecture = allowed(name)
    network, size = build(architecture), tuple(2 * edge for edge in architecture.divisor())
    logits = network(torch.rand(2, 1, *size))
    assert logits.shape == (2, 3, *size)
    logits.square().mean().backward()
    assert all(weight.grad is not None for weight in network.parameters())


@pytest.mark.parametrize("name", ALLOWED)
def test_weights_travel_and_come_back_the_same(name: str) -> None:
    """Packed, checked against the spec and loaded into another network of the same architecture: the same logits."""
    architecture = allowed(name)
    first, second = build(architecture).eval(), build(architecture).eval()
    images = torch.rand(1, 1, *(2 * edge for edge in architecture.divisor()))
    load_weights(second, packed(first.state_dict()), spec=state_dict_spec(architecture))
    assert torch.equal(first(images), second(images))


@pytest.mark.parametrize("name", ALLOWED)
def test_size_is_known_before_building(name: str) -> None:
    """The bound is above the real number of weights and within a half of it: a shortcut is taken for a full convolution."""
    architecture = allowed(name)
    numbers = sum(math.prod(tensor.shape) for tensor in spec_of(build(architecture)))
    assert numbers <= parameters(architecture) <= 1.5 * numbers


def test_first_network_is_the_one_it_was() -> None:
    """The same class behind the name that manifests of the first release have."""
    assert isinstance(allowed("unet-2d"), Unet2d)
