"""A client of the NVFlare job: lives as long as the job, works on what comes, notes when each round reached it.

`python round_nvflare_client.py FOLDER REPOSITORY STEPS PACKAGES PACE`
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import nvflare.client as flare


def main(folder: str, repository: str, steps: str, packages: str, pace_s: str) -> None:
    """Every task of the job is answered."""
    sys.path += [repository, packages]  # behind the environment's own
    from bench.round_work import small_weights, work

    flare.init()
    site = flare.get_site_name()
    trained = small_weights() if int(steps) else b""
    while flare.is_running():
        task = flare.receive()
        if task is None:
            return
        with Path(folder, f"{site}.jsonl").open("a") as stream:
            stream.write(json.dumps({"round": task.current_round, "at": time.time()}) + "\n")
        time.sleep(float(pace_s))
        if trained:  # the same steps on the same network; its numbers stay at the site, as many travel all the same
            trained = work(trained, steps=int(steps))
        params = {name: values + np.float32(1e-3) for name, values in task.params.items()}
        flare.send(flare.FLModel(params=params, metrics={"accuracy": 0.5}, meta={"NUM_STEPS_CURRENT_ROUND": 1}))


if __name__ == "__main__":
    main(*sys.argv[1:])
