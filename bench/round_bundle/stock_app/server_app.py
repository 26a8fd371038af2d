"""Rounds of plain averaging; asks for replies twice a second, one at a time, which is kinder to the engine than its default."""

import json
import time
from pathlib import Path

import numpy as np
from bench.round_work import mean
from flwr.app import Array, ArrayRecord, Context, Message, MessageType, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """As many rounds as asked for; each leaves a line with its end."""
    config = context.run_config
    packed = Path(str(config["weights"])).read_bytes()
    while len(list(grid.get_node_ids())) < int(config["sites"]):
        time.sleep(0.5)
    for number in range(1, int(config["rounds"]) + 1):
        packed = one_round(grid, packed)
        Path(f"{config['weights']}.out").write_bytes(packed)
        with Path(str(config["timeline"])).open("a") as stream:
            stream.write(json.dumps({"round": number, "at": time.time()}) + "\n")


def one_round(grid: Grid, packed: bytes) -> bytes:
    """The mean of what the sites sent back."""
    record = ArrayRecord({"packed": Array(np.frombuffer(packed, np.uint8))})
    messages = [
        Message(RecordDict({"weights": record}), dst_node_id=node, message_type=MessageType.TRAIN)
        for node in grid.get_node_ids()
    ]
    waiting = set(grid.push_messages(messages))
    updates = []
    while waiting:
        time.sleep(0.5)
        for ticket in sorted(waiting):
            for reply in grid.pull_messages([ticket]):
                updates.append(reply.content["weights"]["packed"].numpy().tobytes())
                waiting.discard(ticket)
    return mean(updates)
