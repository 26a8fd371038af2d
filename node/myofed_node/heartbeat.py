"""The node's sign of life: versions and a code, nothing else."""

from __future__ import annotations

import importlib.metadata
from datetime import datetime

from myofed_schemas.clock import utc_moment, utc_text
from myofed_schemas.federation import Heartbeat, HeartbeatReply


def heartbeat(state: str, *, now: datetime) -> Heartbeat:
    """A sign of life of this node in this state."""
    return Heartbeat(
        myofed_version=importlib.metadata.version("myofed"),
        flwr_version=importlib.metadata.version("flwr"),
        state=state,
        sent_at=utc_text(now),
    )


def clock_skew_s(reply: HeartbeatReply, *, now: datetime) -> int:
    """This machine's clock minus the coordinator's, whole seconds; the way there and back is part of it."""
    return round((now - utc_moment(reply.received_at)).total_seconds())
