"""What privacy costs in Dice on one synthetic site: DP-SGD by subject, and noise on whole updates, beside none."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench.privacy.phantoms import CPU, study, subjects
from myofed_node.learning.accountant import epsilon, round_cost
from myofed_node.learning.evaluate import evaluate
from myofed_node.learning.models import build
from myofed_node.learning.schedule import steps_of_round
from myofed_node.learning.subjects import Slices
from myofed_node.learning.train import TrainingData, train
from myofed_node.learning.weights import load_weights
from myofed_schemas.federation import mean_dice
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_options import Privacy

TRAIN, TEST = 20, 8
ROUNDS, STEPS = 10, 10
DELTA = 1e-5
EXAMPLE = {"almost_none": 1e-3, "noise_4": 4.0}
EXAMPLE_NORM = 1.0
UPDATE = {"noise_0.001": 1e-3, "noise_1": 1.0}
UPDATE_NORM = 5.0


def run(*, seed: int) -> dict[str, float]:
    """Dice of subjects that did not train, epsilon and CPU seconds, without privacy and at each noise."""
    plain, weights = study(seed=seed, rounds=ROUNDS, local_steps=STEPS)
    everyone = subjects(TRAIN + TEST, site=0, seed=9000 + seed, manifest=plain)
    found: dict[str, float] = {"subjects": TRAIN, "steps": ROUNDS * STEPS}
    found["none.dice"], found["none.cpu_s"] = _dice(plain, weights, everyone)
    levels = (("example", EXAMPLE, EXAMPLE_NORM), ("update", UPDATE, UPDATE_NORM))
    for level, noises, norm in levels:
        for name, noise in noises.items():
            asked = {"level": level, "clip_norm": norm, "noise_multiplier": noise, "delta": DELTA, "epsilon": 1e6}
            manifest = plain.model_copy(update={"privacy": Privacy.model_validate(asked)})
            key = f"{level}.{name}"
            found[f"{key}.dice"], found[f"{key}.cpu_s"] = _dice(manifest, weights, everyone)
            found[f"{key}.epsilon"] = epsilon([round_cost(manifest, subjects=TRAIN)] * ROUNDS, delta=DELTA)
    return found


def _dice(manifest: StudyManifest, weights: bytes, everyone: Sequence[Slices]) -> tuple[float, float]:
    began = time.process_time()
    data = TrainingData(everyone[:TRAIN])
    for number in range(1, manifest.rounds + 1):
        steps = steps_of_round(manifest, round_number=number)
        weights, _ = train(weights, data, manifest=manifest, steps=steps, device=CPU)
    seconds = time.process_time() - began
    network = build(manifest.architecture)
    load_weights(network, weights, spec=manifest.state_dict)
    return mean_dice(evaluate(network, everyone[TRAIN:], muscles=manifest.muscles)) or 0.0, round(seconds, 1)
