"""`myofed-node up` with the benchmark's work in place of the training: `python -m bench.round_node DIR`."""

from __future__ import annotations

import dataclasses
import json
import socket
import sys
import time
from pathlib import Path

from bench.round_work import work, work_on_file
from myofed_node import up
from myofed_node.config import SiteConfig, load_config
from myofed_node.learning.protocol import (
    PingRequest,
    Reply,
    TrainRequest,
    WorkerState,
    parse_request,
    read_frame,
    write_frame,
)
from myofed_node.site_folder import SiteFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import MuscleScore, TaskMetrics, bucket
from myofed_schemas.supervise import ChildSpec

real_children = up.children
REPOSITORY = Path(__file__).parents[1]


def children(folder: SiteFolder, config: SiteConfig, ports: up.Ports) -> list[list[ChildSpec]]:
    """The children of `up`; the worker's command is this file's `serve`."""
    (worker,), *others = real_children(folder, config, ports)
    argv = [sys.executable, str(Path(__file__)), str(folder.worker_socket), "serve"]
    environment = {**worker.environment, "PYTHONPATH": str(REPOSITORY)}
    return [[dataclasses.replace(worker, argv=argv, environment=environment)], *others]


def serve(path: Path) -> None:
    """Answers as the worker does; the first steps are done before the first question, as the worker warms up too."""
    from bench.round_work import small_weights

    work(small_weights(), steps=1)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(4)
        while True:
            peer, _ = listener.accept()
            with peer:
                try:
                    text, blob = read_frame(peer)
                    write_frame(peer, *answer(parse_request(text), blob, path.parent))
                except (MyofedError, OSError):
                    continue


def answer(request: object, blob: bytes, folder: Path) -> tuple[Reply, bytes]:
    """One local step is no work at all; more are so many steps of the U-Net. `pace.json` asks for a pause before."""
    if isinstance(request, PingRequest):
        return Reply(code="OK", state=WorkerState(busy=False, network="none", device="cpu")), b""
    if not isinstance(request, TrainRequest):
        return Reply(code="OK"), b""
    (folder / "seen.jsonl").open("a").write(json.dumps({"at": time.time()}) + "\n")
    pace = folder / "pace.json"
    time.sleep(json.loads(pace.read_text())["seconds"] if pace.exists() else 0)
    steps = request.manifest.training.local_steps
    scores = (MuscleScore(muscle=request.manifest.muscles[0], dice_sum=1.0, subjects=2),)
    metrics = TaskMetrics(examples=bucket(len(request.subjects.train)), steps=steps, loss=0.5, scores=scores)
    reply = Reply(code="OK", metrics=metrics)
    if request.weights_file and request.trained_file:
        work_on_file(Path(request.weights_file), Path(request.trained_file))
        return reply, b""
    return reply, work(blob, steps=steps if steps > 1 else 0)


if __name__ == "__main__":
    if sys.argv[2:] == ["serve"]:
        serve(Path(sys.argv[1]))
    else:
        up.children = children
        folder_ = SiteFolder(Path(sys.argv[1]))
        sys.exit(up.run(folder_, load_config(folder_.config)))
