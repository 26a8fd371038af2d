"""A site that never trained fits the local tensors to its own images, and nothing else."""

from __future__ import annotations

import pytest
import torch
from learning_factories import architecture, manifest, stripes
from safetensors.torch import load

from myofed_node.learning import recalibrate
from myofed_node.learning.models import build, initial_weights, state_dict_spec
from myofed_node.learning.recalibrate import recalibrated
from myofed_node.learning.weights import load_weights
from myofed_schemas.errors import MyofedError
from myofed_schemas.study import StudyManifest

AFFINE = architecture(norm="instance-affine")
LOCAL = tuple(t.name for t in state_dict_spec(AFFINE) if ".adn.N." in t.name)
WEIGHTS = initial_weights(AFFINE, seed=7)
CPU = torch.device("cpu")


def study() -> StudyManifest:
    return manifest(
        architecture=AFFINE,
        state_dict=state_dict_spec(AFFINE),
        strategy="fedbn",
        strategy_options={"release": "recalibrated"},
        local_tensors=LOCAL,
    )


def entropy(weights: bytes) -> float:
    network = build(AFFINE).eval()
    load_weights(network, weights, spec=study().state_dict)
    with torch.no_grad():
        likely = network(stripes().images).softmax(dim=1)
    return float(-(likely * likely.log()).sum(dim=1).mean())


def code_of(**changes: object) -> str:
    arguments: dict[str, object] = {"manifest": study(), "device": CPU, "images": [stripes().images]}
    weights = changes.pop("weights", WEIGHTS)
    with pytest.raises(MyofedError) as refusal:
        recalibrated(weights, **(arguments | changes))  # type: ignore[arg-type]
    return refusal.value.code


def test_nothing_to_move_and_nothing_to_look_at_are_refused() -> None:
    """And weights that do not fit, and a caller that is gone."""
    assert code_of(manifest=manifest()) == "NO_LOCAL_TENSORS"
    assert code_of(images=[]) == "NO_IMAGES"
    assert code_of(weights=b"x" * 20) == "WEIGHTS_FORMAT"
    assert code_of(stop=lambda: True) == "TASK_ABANDONED"


def test_only_local_tensors_move_and_the_network_is_surer() -> None:
    """Every other tensor is the released one, to the bit; the same call gives the same bytes."""
    torch.set_num_threads(1)
    found = recalibrated(WEIGHTS, [stripes().images], manifest=study(), device=CPU)
    before, after = load(WEIGHTS), load(found)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert changed <= set(LOCAL)
    assert entropy(found) < entropy(WEIGHTS)
    assert recalibrated(WEIGHTS, [stripes().images], manifest=study(), device=CPU) == found


def test_steps_are_few() -> None:
    """Entropy followed far ends in one class everywhere."""
    assert recalibrate.STEPS * recalibrate.RATE <= 0.05
