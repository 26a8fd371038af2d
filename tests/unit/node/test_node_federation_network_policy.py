"""What a policy says about a network, before anything of it is built."""

from __future__ import annotations

import pytest
from learning_factories import architecture, manifest
from pydantic import TypeAdapter

from myofed_node.config import DEMO_POLICY, SitePolicy
from myofed_node.federation.network_policy import check_network, check_roles
from myofed_node.learning.protocol import Roles
from myofed_schemas.errors import MyofedError
from myofed_schemas.study import InputChannels, StudyManifest, TensorSpec
from myofed_schemas.study_networks import Network

VOLUMES: list[dict[str, object]] = [
    {"name": "monai-unet-3d", "channels": (4, 8), "strides": (2,), "num_res_units": 0, "norm": "instance"},
    {
        "name": "monai-segresnet",
        "spatial_dims": 3,
        "init_filters": 8,
        "blocks_down": (1, 1),
        "blocks_up": (1,),
        "norm": "group",
    },
    {
        "name": "monai-dynunet",
        "spatial_dims": 3,
        "kernel_sizes": ((3, 3, 3),) * 3,
        "strides": ((1, 1, 1), (2, 2, 2), (2, 2, 2)),
        "filters": (8, 16, 32),
        "norm": "batch",
        "res_block": False,
    },
]
NETWORK: TypeAdapter[Network] = TypeAdapter(Network)


def refusal(study: StudyManifest, policy: SitePolicy = DEMO_POLICY) -> str:
    with pytest.raises(MyofedError) as caught:
        check_network(study, policy)
    return caught.value.code


@pytest.mark.parametrize("network", VOLUMES, ids=lambda n: n["name"])
def test_network_for_volumes_is_refused_while_images_are_slices(network: dict[str, object]) -> None:
    """It can be built and stands in the allow-list; a site has no input for it."""
    built = NETWORK.validate_python({"in_channels": 1, "out_channels": 3, **network})
    assert refusal(manifest(architecture=built)) == "NETWORK_DIMENSIONS"


def test_network_that_does_not_fit_the_image_is_refused() -> None:
    """Two channels where a site has one; a size that the strides do not divide; a single voxel left at the bottom."""
    assert refusal(manifest(architecture=architecture(in_channels=2))) == "NETWORK_INPUT"
    deep = architecture(channels=(4, 8, 8, 8, 8), strides=(2, 2, 2, 2))
    for size, network in (((32, 33), architecture()), ((16, 16), deep)):
        image = {"kind": "in-phase-magnitude", "spacing_mm": 5.0, "size_px": size}
        assert refusal(manifest(image=image, architecture=network)) == "NETWORK_INPUT"


def test_large_list_and_large_network_are_both_refused() -> None:
    """Neither hides behind the other."""
    huge = (TensorSpec(name="huge", shape=(2**15, 2**15), dtype="float32"),)
    assert refusal(manifest(state_dict=huge)) == "POLICY_MODEL_SIZE"
    wide = architecture(channels=(1024,) * 7, strides=(2,) * 6, num_res_units=4)
    assert refusal(manifest(architecture=wide)) == "POLICY_MODEL_SIZE"


def test_step_that_needs_more_memory_than_the_policy_gives_is_refused() -> None:
    """By batch and image size; the same study fits where the policy gives more."""
    image = {"kind": "in-phase-magnitude", "spacing_mm": 1.0, "size_px": (512, 512)}
    study = manifest(image=image, training={"batch_size": 32}, architecture=architecture(channels=(32, 64)))
    assert refusal(study, DEMO_POLICY.model_copy(update={"max_memory_mb": 512})) == "POLICY_MEMORY"
    check_network(study, DEMO_POLICY.model_copy(update={"max_memory_mb": 16_384}))


def test_privacy_by_subject_needs_the_memory_of_a_subjects_slices() -> None:
    """Four at once, also where the batch is one."""
    image = {"kind": "in-phase-magnitude", "spacing_mm": 1.0, "size_px": (512, 512)}
    private = {"level": "example", "clip_norm": 1.0, "noise_multiplier": 2.0, "delta": 1e-5, "epsilon": 8.0}
    changes = {"image": image, "training": {"batch_size": 1}, "architecture": architecture(channels=(32, 64))}
    policy = DEMO_POLICY.model_copy(update={"max_memory_mb": 512})
    check_network(manifest(**changes), policy)
    assert refusal(manifest(**changes, privacy=private), policy) == "POLICY_MEMORY"


def test_loss_over_too_few_subjects_cannot_come_about() -> None:
    """The split must leave enough who train: the loss of a round is a mean over them."""
    few = Roles(train=("a", "b", "c", "d"), validation=("e",), test=("f",))
    with pytest.raises(MyofedError) as caught:
        check_roles(few, SitePolicy())
    assert caught.value.code == "POLICY_TOO_FEW_TRAINING"
    check_roles(few.model_copy(update={"train": ("a", "b", "c", "d", "g")}), SitePolicy())
    check_roles(few, DEMO_POLICY)


def test_network_has_one_input_for_each_channel_that_the_study_names() -> None:
    """Two channels and a network of one, or the other way round, would fail at the first step."""
    image = InputChannels(kind="channels", channels=("in-phase", "t1w"), dropout=0.3, spacing_mm=5.0, size_px=(32, 32))
    assert refusal(manifest(image=image)) == "NETWORK_INPUT"
    check_network(manifest(image=image, architecture=architecture(in_channels=2)), SitePolicy())
