"""Runs in NVFlare's own environment: starts its POC federation, submits one job, waits for its end.

`python round_nvflare_job.py FOLDER KIND SETTINGS`, the last as JSON: rounds, and what the client is given
"""

import json
import sys
from pathlib import Path

import numpy as np
from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe
from nvflare.recipe.poc_env import PocEnv

SMALL_NUMBERS = 37_500
LARGE_NUMBERS = 25_000_000


def main(folder: str, kind: str, settings: str) -> None:
    """The job has ended."""
    said = json.loads(settings)
    draw = np.random.default_rng(0)
    model = draw.standard_normal(LARGE_NUMBERS if kind == "model100mb" else SMALL_NUMBERS, np.float32)
    initial = Path(folder, "initial.npy")
    np.save(initial, model)
    recipe = NumpyFedAvgRecipe(
        name=f"bench-{kind}",
        initial_ckpt=str(initial),
        min_clients=3,
        num_rounds=said["rounds"],
        train_script=str(Path(__file__).with_name("round_nvflare_client.py")),
        train_args=f"{folder} {Path(__file__).parents[1]} {said['client']}",
    )
    run = recipe.execute(PocEnv(num_clients=3))
    run.get_result()


if __name__ == "__main__":
    main(*sys.argv[1:])
