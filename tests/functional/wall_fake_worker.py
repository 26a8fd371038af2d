"""A worker without torch, for tests of the wall: adds one to every weight, as slowly as `pace.json` in its folder says."""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from myofed_node.learning.handover import mapped, written
from myofed_node.learning.protocol import (
    EvaluateRequest,
    PingRequest,
    Reply,
    TrainRequest,
    WorkerState,
    parse_request,
    read_frame,
    write_frame,
)
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import MuscleScore, TaskMetrics, bucket


def pause(folder: Path) -> None:
    """Waits as long as `pace.json` says now, looking again and again, so that a test can let it go on."""
    started = time.monotonic()
    while True:
        path = folder / "pace.json"
        wanted = json.loads(path.read_text())["seconds"] if path.exists() else 0
        if time.monotonic() - started >= wanted:
            return
        time.sleep(0.05)


def answer(request: object, blob: bytes, folder: Path) -> tuple[Reply, bytes]:
    if isinstance(request, PingRequest):
        return Reply(code="OK", state=WorkerState(busy=False, network="none", device="cpu")), b""
    assert isinstance(request, TrainRequest | EvaluateRequest)
    (folder / "seen.jsonl").open("a").write(json.dumps({"kind": request.kind, "at": time.time()}) + "\n")
    pause(folder)
    scores = (MuscleScore(muscle=request.manifest.muscles[0], dice_sum=1.0, subjects=2),)
    if isinstance(request, EvaluateRequest):
        return Reply(code="OK", scores=scores), b""
    if request.weights_file:
        blob = bytes(mapped(Path(request.weights_file)))
    weights = {name: value + np.ones_like(value) for name, value in load(blob).items()}
    examples = bucket(len(request.subjects.train))
    metrics = TaskMetrics(examples=examples, steps=request.manifest.training.local_steps, loss=0.5, scores=scores)
    reply = Reply(code="OK", metrics=metrics)
    if request.trained_file:
        written(Path(request.trained_file), [save(weights)])
        return reply, b""
    return reply, save(weights)


def main(path: Path) -> None:
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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
