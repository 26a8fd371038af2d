"""The update of a site clipped and noised before it leaves the worker; noise from the system's own random source.

The release is (McMahan 2018, Alg. 1, with the noise on the site): incoming + clip(trained - incoming) + noise.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch

from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import TaskMetrics
from myofed_schemas.study_options import Privacy

RandomBytes = Callable[[int], bytes]
DRAWS_PER_NUMBER = 4
"""Each number is half the sum of four: what the rounding of one draw tells is hidden (Holohan and Braghin 2021)."""
CHUNK = 1 << 18
VARIANCE = ".running_var"


def gaussian(count: int, *, deviation: float, random_bytes: RandomBytes = os.urandom) -> npt.NDArray[np.float64]:
    """(count,) independent normal numbers with mean 0 and this standard deviation.

    Box and Muller 1958 on the system's cryptographic random source: no seed exists that could be guessed or asked for.
    """
    numbers = np.empty(count)
    for first in range(0, count, CHUNK):
        some = min(CHUNK, count - first)
        drawn = _normal(some * DRAWS_PER_NUMBER, random_bytes).reshape(DRAWS_PER_NUMBER, some)
        numbers[first : first + some] = drawn.sum(0) / math.sqrt(DRAWS_PER_NUMBER)
    return numbers * deviation


def _normal(count: int, random_bytes: RandomBytes) -> npt.NDArray[np.float64]:
    pairs = count // 2  # DRAWS_PER_NUMBER is even
    uniform = _uniform(2 * pairs, random_bytes)
    radius, angle = np.sqrt(-2 * np.log(uniform[:pairs])), 2 * math.pi * uniform[pairs:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])


def _uniform(count: int, random_bytes: RandomBytes) -> npt.NDArray[np.float64]:
    """In (0, 1], 53 bits each."""
    whole = np.frombuffer(random_bytes(8 * count), dtype=np.uint64) >> np.uint64(11)
    return (whole.astype(np.float64) + 1) * 2.0**-53


def drawn(count: int, *, rate: float, random_bytes: RandomBytes = os.urandom) -> npt.NDArray[np.intp]:
    """Indices of those that a coin of this probability chose, each for itself (Poisson sampling); often none."""
    return np.flatnonzero(_uniform(count, random_bytes) <= rate)


def protected_update(
    incoming: Mapping[str, torch.Tensor],
    trained: Mapping[str, torch.Tensor],
    *,
    privacy: Privacy,
    random_bytes: RandomBytes = os.urandom,
) -> dict[str, torch.Tensor]:
    """The state dict that may leave: the update clipped as one vector over all float tensors, and noise in every number.

    Integer tensors (batch norm's counter) go back as they came: how often a layer was called is the site's own matter.
    Variances of batch norm stay at 0 or above. A zero update stays zero under the noise.

    Args:
        incoming: By name, as the message brought them.
        trained: The same names, shapes and dtypes.
        privacy: The approved study's.
        random_bytes: Source of the noise.

    Raises:
        MyofedError: UPDATE_NOT_FINITE.
    """
    names = [name for name, tensor in sorted(incoming.items()) if tensor.is_floating_point()]
    updates = {n: trained[n].detach().cpu().double() - incoming[n].detach().cpu().double() for n in names}
    norm = math.sqrt(sum(float(u.square().sum()) for u in updates.values()))
    if not math.isfinite(norm):
        raise MyofedError(
            "UPDATE_NOT_FINITE", "expected a finite update, found another", hint="lower the learning rate"
        )
    scale = privacy.clip_norm / norm if norm > privacy.clip_norm else 1.0
    deviation = privacy.noise_multiplier * privacy.clip_norm
    released = {name: tensor.detach().cpu().clone() for name, tensor in incoming.items()}
    for name in names:
        noise = torch.from_numpy(gaussian(updates[name].numel(), deviation=deviation, random_bytes=random_bytes))
        moved = released[name].double() + updates[name] * scale + noise.reshape(updates[name].shape)
        released[name] = (moved.clamp_min(0) if name.endswith(VARIANCE) else moved).to(released[name].dtype)
    return released


def guarded_metrics(metrics: TaskMetrics) -> TaskMetrics:
    """The metrics without the training loss, which no noise covers; Dice is over validation subjects, who do not train."""
    return metrics.model_copy(update={"loss": 0.0})
