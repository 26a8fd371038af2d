"""Would the node's weights guard let crafted weights in, as the weights of a second round after honest first ones?"""

from __future__ import annotations

from bench.privacy.crafted import CRAFTED
from bench.privacy.phantoms import study
from myofed_node.federation.weights_guard import check_change
from myofed_node.learning.weights import check
from myofed_schemas.errors import MyofedError
from myofed_schemas.step_bound import reach_of_rounds


def run(*, seed: int) -> dict[str, float]:
    """1 for each kind of crafted weights that is refused, 0 for one that passes."""
    manifest, weights = study(seed=seed)
    before = check(weights, manifest.state_dict)
    reach = reach_of_rounds(manifest, first=1, last=1)
    old = {name: tensor.numpy() for name, tensor in before.items()}
    found: dict[str, float] = {}
    for name, craft in CRAFTED.items():
        made = {key: tensor.numpy() for key, tensor in craft(before).items()}
        found[f"{name}.refused"] = 0.0
        try:
            check_change(old, made, reach=reach, manifest=manifest)
        except MyofedError as error:
            found[f"{name}.refused"] = float(error.code == "WEIGHTS_IMPLAUSIBLE")
    return found
