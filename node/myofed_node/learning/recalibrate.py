"""A federated model fitted to the images of a site that never trained, without labels: `release: recalibrated`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import log_softmax

from myofed_node.learning.models import network_of
from myofed_node.learning.train import never
from myofed_node.learning.weights import load_weights, packed
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import StudyManifest

STEPS = 20
RATE = 1e-3
"""Few and small: entropy alone, followed far, ends in one class everywhere."""


def recalibrated(
    weights: bytes,
    images: Sequence[torch.Tensor],
    *,
    manifest: StudyManifest,
    device: torch.device,
    stop: Callable[[], bool] = never,
) -> bytes:
    """The weights with local tensors that make the network surer of its answers on these images (Wang 2021, Tent).

    Only the tensors of `local_tensors` move, by AdamW on the mean entropy of the predictions; the mean of the sites' last
    ones is where they begin. The same arguments give the same bytes on one CPU thread.

    Args:
        weights: The released model, safetensors.
        images: Slices of the site's subjects, (n, 1, h, w) each; no label is read.
        manifest: The study; strategy `fedbn`.
        device: Where to compute.
        stop: Asked before each step.

    Raises:
        MyofedError: NO_LOCAL_TENSORS, NO_IMAGES, WEIGHTS_*, TASK_ABANDONED.
    """
    if not manifest.local_tensors:
        raise _refused("NO_LOCAL_TENSORS", "a study with local tensors", "one without")
    if not images:
        raise _refused("NO_IMAGES", "an image to recalibrate on", "none")
    network = network_of(manifest)
    load_weights(network, weights, spec=manifest.state_dict)
    network.to(device).eval()
    network.requires_grad_(requires_grad=False)
    moving = [p for name, p in network.named_parameters() if name in manifest.local_tensors]
    for parameter in moving:
        parameter.requires_grad_()
    optimiser = torch.optim.AdamW(moving, lr=RATE, weight_decay=0.0)
    generator, pool = torch.Generator().manual_seed(manifest.training.seed), torch.cat(list(images))
    for step in range(STEPS):
        if stop():
            raise MyofedError("TASK_ABANDONED", f"expected {STEPS} steps, stopped after {step}")
        chosen = torch.randint(len(pool), (manifest.training.batch_size,), generator=generator)
        optimiser.zero_grad(set_to_none=True)
        _entropy(network(pool[chosen].to(device))).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return packed(network.state_dict())


def _entropy(logits: torch.Tensor) -> torch.Tensor:
    """Mean over pixels, nats."""
    logs = log_softmax(logits, dim=1)
    return -(logs.exp() * logs).sum(dim=1).mean()


def _refused(code: str, expected: str, found: str) -> MyofedError:
    return MyofedError(code, f"expected {expected}, found {found}", exit_code=ExitCode.BAD_INPUT)
