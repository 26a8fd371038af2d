"""What of an update the box of honest steps does not hold for: a batch norm's statistics and counter, and tensors that stay local.

They are no steps from the weights that went out. Without a bound one site could turn the mean of them, which is released, into
anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myofed_coordinator.federation.weights import Tensors
from myofed_schemas.errors import MyofedError
from myofed_schemas.step_bound import NOISE_SIGMAS, SLACK, STATISTICS, VARIANCE, reach_of_local, rounding
from myofed_schemas.study import StudyManifest

COUNTER = "num_batches_tracked"
"""One more at each training step."""
MEAN = "running_mean"
VARIANCE_FACTOR = 100.0
"""A round may take the variance of a layer's activations to so many times the largest of what went out, or of 1 where that is
larger (a fresh batch norm has 1, and its inputs are normalised by the layer before it). Square of it: ten times the deviation."""

Read = Callable[[str], NDArray[Any]]


def check_unjudged(tensors: Tensors, outgoing: Read, manifest: StudyManifest, *, round_number: int) -> None:
    """Statistics are finite and within VARIANCE_FACTOR, counters counted the round's steps, local tensors made local steps.

    Args:
        tensors: Of the update; names, shapes, types and finiteness are checked.
        outgoing: Reads a tensor of the weights that went out.
        manifest: The study.
        round_number: 1..manifest.rounds.

    Raises:
        MyofedError: UPDATE_IMPLAUSIBLE.
    """
    local = set(manifest.local_tensors or ())
    for tensor in manifest.state_dict:
        name = tensor.name
        if name.endswith(COUNTER):
            _check_counter(name, tensors[name], outgoing(name), manifest, is_local=name in local)
        elif name.endswith(STATISTICS):
            _check_statistic(name, tensors[name], outgoing, manifest)
        elif name in local and tensor.dtype == "float32":
            _check_local(name, tensors[name], outgoing(name), manifest, round_number=round_number)


def _check_counter(name: str, new: NDArray[Any], old: NDArray[Any], manifest: StudyManifest, *, is_local: bool) -> None:
    """A local one goes on from the site's own, which may lag behind the largest of all."""
    steps = manifest.training.local_steps * (manifest.rounds if is_local else 1)
    least = np.zeros_like(old) if is_local else old
    if bool((new < least).any()) or bool((new > old + steps).any()):
        raise _implausible(f"at most {steps} steps more in {name}")


def _check_statistic(name: str, new: NDArray[Any], outgoing: Read, manifest: StudyManifest) -> None:
    """A mean is as far from 0 as the deviation of the activations allows: both are held to the larger of the two."""
    variance = name.removesuffix(MEAN) + VARIANCE if name.endswith(MEAN) else name
    mean = variance.removesuffix(VARIANCE) + MEAN
    known = {tensor.name for tensor in manifest.state_dict}
    before = [np.abs(outgoing(variance).astype(np.float64)).max(initial=0.0)] if variance in known else []
    before += [np.square(outgoing(mean).astype(np.float64)).max(initial=0.0)] if mean in known else []
    limit = VARIANCE_FACTOR * max(1.0, *before)
    noise = _noise(manifest)
    if name.endswith(VARIANCE):
        if bool((new < 0).any()):
            raise _implausible(f"variances of 0 or more in {name}")
        reached = new.astype(np.float64)
    else:
        limit, reached = limit**0.5, np.abs(new.astype(np.float64))
    if not bool((reached <= limit * (1 + rounding(manifest)) + noise).all()):
        raise _implausible(f"statistics within {VARIANCE_FACTOR:g} times the variance that went out in {name}")


def _check_local(
    name: str, new: NDArray[Any], old: NDArray[Any], manifest: StudyManifest, *, round_number: int
) -> None:
    """Both went from the same initial values, each by the steps of the rounds so far, so they are twice that apart at most."""
    reach = reach_of_local(manifest, round_number=round_number)
    if reach.decay >= 1:  # weight decay may have taken everything
        return
    was, now = old.astype(np.float64), new.astype(np.float64)
    initial = (np.abs(was) + reach.travel) / (1 - reach.decay)
    allowed = 2 * SLACK * (reach.decay * initial + reach.travel) + rounding(manifest) * np.abs(now)
    if not bool((np.abs(now - was) <= allowed).all()):
        raise _implausible(f"local steps of the study's learning rate in {name}")


def _noise(manifest: StudyManifest) -> float:
    privacy = manifest.privacy
    if privacy is None or privacy.level != "update":
        return 0.0
    return NOISE_SIGMAS * privacy.noise_multiplier * privacy.clip_norm


def _implausible(expected: str) -> MyofedError:
    return MyofedError("UPDATE_IMPLAUSIBLE", f"expected {expected}, found others")
