"""Which nodes asked for work and found none: word from the sites' port to the ServerApp that a message is lost.

Flower 1.41.0 gives a message out once and takes it for delivered, whatever became of the answer that held it; and a reply of
which the ServerApp saw the first request cannot be begun again by its sender. Either way the engine waits for the message's
whole time. But a SuperNode answers one message before it asks for the next: one that asks after a message was sent, and is told
that there is nothing, neither has the message nor works on it. If its reply is not there either, it is lost.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class IdleNodes:
    """An empty file a node, named by the SHA-256 of its key; its time says when. A lost or late note costs time only.

    Attributes:
        root: Folder of the files; made when it is needed.
    """

    root: Path

    def found_nothing(self, node: str, *, asked_ns: int) -> None:
        """The engine had no message for this node.

        Args:
            node: SHA-256 of its key.
            asked_ns: When the engine was asked, nanoseconds since 1970.
        """
        self.root.mkdir(mode=0o700, exist_ok=True)
        path = self.root / node
        path.touch(mode=0o600)
        os.utime(path, ns=(asked_ns, asked_ns))

    def last_ns(self, node: str) -> int:
        """When the engine was last asked for it in vain; 0: never."""
        try:
            return (self.root / node).stat().st_mtime_ns
        except FileNotFoundError:
            return 0
