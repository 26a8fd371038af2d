"""How far weights really move in honest runs, in units of the guard's bound: what its thresholds are set by.

OMP_NUM_THREADS=1 python bench/weights_guard.py [--rounds 8] [--steps 30]
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load, save

sys.path.insert(0, str(Path(__file__).parent.parent / "tests/unit/node"))

from learning_factories import architecture, manifest, stripes

from myofed_node.federation.weights_guard import STATISTICS, check_change
from myofed_node.learning.models import initial_weights, state_dict_spec
from myofed_node.learning.schedule import steps_of_round
from myofed_node.learning.train import TrainingData, train
from myofed_schemas.step_bound import reach_of_round
from myofed_schemas.study import StudyManifest

Arrays = Mapping[str, NDArray[Any]]
SETTINGS: dict[str, dict[str, object]] = {
    "instance, lr .01": {"norm": "instance", "learning_rate": 0.01, "weight_decay": 1e-4},
    "instance-affine, lr .003": {"norm": "instance-affine", "learning_rate": 0.003, "weight_decay": 1e-4},
    "batch, lr .01, decay .01": {"norm": "batch", "learning_rate": 0.01, "weight_decay": 0.01},
    "instance, lr .0003": {"norm": "instance", "learning_rate": 0.0003, "weight_decay": 0.0},
}


def study(norm: object, rates: dict[str, object], *, rounds: int, steps: int) -> StudyManifest:
    """A U-Net of three levels."""
    network = architecture(norm=norm, channels=(8, 16, 32), strides=(2, 2))
    training = {**rates, "learning_rate_end": 0.0001, "local_steps": steps, "batch_size": 8}
    return manifest(
        architecture=network,
        state_dict=state_dict_spec(network),
        initial_weights_sha256=hashlib.sha256(initial_weights(network, seed=1)).hexdigest(),
        rounds=rounds,
        training=training,
    )


def shares(before: Arrays, after: Arrays, asked: StudyManifest, number: int) -> tuple[float, float, float]:
    """Largest change, largest root mean square of a tensor, both in units of the bound; share of tensors that changed."""
    reach = reach_of_round(asked, round_number=number)
    largest, rms, changed = 0.0, 0.0, []
    for name in (t.name for t in asked.state_dict if t.dtype == "float32" and not t.name.endswith(STATISTICS)):
        change = np.abs(after[name].astype(np.float64) - before[name])
        allowed = reach.decay * np.abs(before[name]) + reach.travel
        largest = max(largest, float((change / allowed).max()))
        changed.append(bool((change > 0).any()))
        if change.size >= 32:
            rms = max(rms, float(np.sqrt(np.mean(change**2)) / np.sqrt(np.mean(allowed**2))))
    return largest, rms, float(np.mean(changed))


def main() -> None:
    """One line a setting: the worst over its rounds, at a single site (which moves farthest) and for the mean of three."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for title, rates in SETTINGS.items():
        norm = rates.pop("norm")
        asked = study(norm, rates, rounds=options.rounds, steps=options.steps)
        packed = initial_weights(asked.architecture, seed=1)
        found: list[tuple[float, float, float]] = []
        for number in range(1, options.rounds + 1):
            updates = []
            for site in range(3):
                data = TrainingData(train=[stripes(seed=10 * site + k) for k in range(4)])
                steps = steps_of_round(asked, round_number=number)
                weights, _ = train(packed, data, manifest=asked, steps=steps, device=torch.device("cpu"))
                updates.append(load(weights))
                found.append(shares(load(packed), updates[-1], asked, number))
            mean = {n: np.asarray(np.mean([u[n] for u in updates], axis=0), updates[0][n].dtype) for n in updates[0]}
            check_change(load(packed), mean, reach=reach_of_round(asked, round_number=number), manifest=asked)
            packed = save(mean)
        worst = np.array(found)
        print(f"{title}: largest {worst[:, 0].max():.3f}, rms {worst[:, 1].max():.3f}, changed {worst[:, 2].min():.2f}")


if __name__ == "__main__":
    main()
