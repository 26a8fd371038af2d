"""The ClientApp that plays virtual sites inside Flower's simulation engine."""

from __future__ import annotations

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from myofed_simulation.flower_engine import ANSWER, ERRAND, TEXT

app = ClientApp()


@app.train()
def play(message: Message, context: Context) -> Message:  # noqa: ARG001  Flower's signature
    """The errand in the message is done; the answer is in the reply."""
    from myofed_simulation.virtual_site import carry_out

    answer = carry_out(str(message.content[ERRAND][TEXT]))
    return Message(RecordDict({ANSWER: ConfigRecord({TEXT: answer})}), reply_to=message)
