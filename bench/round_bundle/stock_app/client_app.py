"""What a site does with a message: unpack, work, pack; run by Flower's own executor in a process of its own."""

import numpy as np
from bench.round_work import work
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """The worked-on weights, as one array of bytes."""
    packed = message.content["weights"]["packed"].numpy().tobytes()
    done = work(packed, steps=int(context.run_config["steps"]))
    array = Array(np.frombuffer(done, np.uint8))
    content = RecordDict({"weights": ArrayRecord({"packed": array}), "metrics": MetricRecord({"num-examples": 1})})
    return Message(content, reply_to=message)
