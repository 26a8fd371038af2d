"""What a site's policy says about a study's network and its memory, from the manifest's numbers and before anything is built."""

from __future__ import annotations

from myofed_node.config import SitePolicy
from myofed_node.learning.memory import MIB, step_bytes
from myofed_node.learning.protocol import Roles
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_networks import FLOAT_BYTES, parameters
from myofed_schemas.weights_transfer import numbers_bytes

MAX_MODEL_BYTES = 512 << 20
"""A larger model would not fit a hospital's workstation four times over (weights, gradients, AdamW's two moments)."""
IMAGE_DIMENSIONS = {"in-phase-magnitude": 2, "channels": 2}
"""What a site can form of its images: slices. A network for volumes has no input here."""


def check_network(manifest: StudyManifest, policy: SitePolicy) -> None:
    """The study's network fits this site's images and memory.

    The list of tensors is what travels, the arguments are what is built: neither may be large, whatever the other says.

    Raises:
        MyofedError: POLICY_MODEL_SIZE, NETWORK_DIMENSIONS, NETWORK_INPUT, POLICY_MEMORY; the first that applies.
    """
    listed = numbers_bytes(manifest.state_dict)
    largest = max(listed, parameters(manifest.architecture) * FLOAT_BYTES)
    if largest > MAX_MODEL_BYTES:
        raise _refused("POLICY_MODEL_SIZE", f"a model of at most {MAX_MODEL_BYTES} bytes", f"about {largest}")
    _check_input(manifest)
    needed = step_bytes(manifest) // MIB
    if needed > policy.max_memory_mb:
        raise _refused("POLICY_MEMORY", f"a step of at most {policy.max_memory_mb} MiB", f"about {needed} MiB")


def check_roles(roles: Roles, policy: SitePolicy) -> None:
    """The split gives training so many subjects that the loss, which leaves, is a mean over enough of them.

    Raises:
        MyofedError: POLICY_TOO_FEW_TRAINING.
    """
    if len(roles.train) < policy.min_scored_subjects:
        expected = f"at least {policy.min_scored_subjects} subjects that train"
        raise MyofedError(
            "POLICY_TOO_FEW_TRAINING",
            f"expected {expected}, found {len(roles.train)}",
            hint="label more subjects here, or ask who wrote the study for smaller shares of test and validation",
            exit_code=ExitCode.NOT_APPROVED,
        )


def _check_input(manifest: StudyManifest) -> None:
    network, image = manifest.architecture, manifest.image
    dimensions, channels = IMAGE_DIMENSIONS[image.kind], len(image.channel_names)
    if network.spatial_dims != dimensions:
        raise _refused("NETWORK_DIMENSIONS", f"a network of {dimensions} dimensions", str(network.spatial_dims))
    if network.in_channels != channels:
        raise _refused("NETWORK_INPUT", f"a network of {channels} input channel(s)", str(network.in_channels))
    divisor = network.divisor()
    if any(edge % part for edge, part in zip(image.size_px, divisor, strict=True)):
        raise _refused("NETWORK_INPUT", f"an image of multiples of {divisor}", str(image.size_px))
    if image.size_px == divisor:  # a norm over one voxel has nothing to compare it with
        raise _refused("NETWORK_INPUT", f"an image larger than {divisor}", "that size")


def _refused(code: str, expected: str, found: str) -> MyofedError:
    return MyofedError(
        code,
        f"expected {expected}, found {found}",
        hint="a site forms slices of the channels that the study names; its limits are in config.yaml, and the coordinator cannot change them",
        exit_code=ExitCode.NOT_APPROVED,
    )
