"""What the round loop needs of an engine; Flower's side is `grid_engine.py`, a test's side is a few lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import Instruction, TaskMetrics


@dataclass(frozen=True)
class Task:
    """One message to one site.

    Attributes:
        instruction: What to do.
        packed: Global weights, a safetensors file.
        timeout_s: After this long the engine answers for the site.
        file: Where the same bytes lie on the run's disk, if they do.
    """

    instruction: Instruction
    packed: bytes
    timeout_s: float
    file: Path | None = None


@dataclass(frozen=True)
class Reply:
    """What came back for one ticket.

    Attributes:
        ticket: From `send`.
        code: `OK`, or why there is no result.
        packed: The site's weights, a safetensors file in the manifest's dtypes (an encoding is undone by the engine); empty
            for an error or an evaluation.
        metrics: None for an error.
        file: Where exactly these weights lie on the run's disk already, if they do; whoever accepts them may take it.
        sha256: Of these weights, where it was checked.
    """

    ticket: str
    code: str
    packed: bytes | memoryview = b""
    metrics: TaskMetrics | None = None
    file: Path | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class EngineNode:
    """A node that is registered at the engine.

    Attributes:
        node_id: The engine's number.
        key_sha256: SHA-256 of its key's PEM SubjectPublicKeyInfo.
    """

    node_id: int
    key_sha256: str


class NodeRefusedError(MyofedError):
    """The engine will not take this node's key, now or later; the other nodes are not touched."""

    def __init__(self, site: str) -> None:
        super().__init__(
            "ENGINE_NODE_REFUSED",
            f"expected the engine to take the Flower key of {site}, found that it was used before",
            hint="revoke the site, invite it again, and let it join with --new-keys",
        )


class Engine(Protocol):
    """Carries tasks to nodes and brings replies back."""

    def online(self) -> Mapping[str, int]:
        """SHA-256 of the node key (PEM SubjectPublicKeyInfo) -> the engine's number, of all nodes that are connected."""

    def send(self, tasks: Sequence[tuple[int, Task]]) -> list[str]:
        """Each task is on its way to its node; tickets in the same order."""

    def replies(self, tickets: Sequence[str]) -> Iterator[Reply]:
        """Those that have come by now, each once; does not wait."""
