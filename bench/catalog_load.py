"""Users of the benchmark: each asks once a second whatever came of the last question, over HTTP/1.1 and TLS.

A latency counts from the moment at which a user meant to ask, so that waiting behind a slow answer is seen (open loop). It ends
with the last byte of the answer. One event loop, no HTTP library: the asker takes little of the machine that is measured.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

STEP_S = 1.0


@dataclass(frozen=True)
class Question:
    """One request.

    Attributes:
        kind: Under which its latency is counted.
        path: With its query.
        body: JSON; empty for GET.
    """

    kind: str
    path: str
    body: bytes = b""


@dataclass(frozen=True)
class Door:
    """Where the questions go, and with which token."""

    host: str
    port: int
    trust: ssl.SSLContext
    token: str


@dataclass
class Heard:
    """What came of all questions: latencies in milliseconds by kind, and answers that were not 200."""

    latencies_ms: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def percentile(self, kind: str, percent: float) -> float:
        """Of the latencies of this kind, milliseconds; the nearest rank."""
        values = sorted(self.latencies_ms[kind])
        return values[min(len(values) - 1, int(len(values) * percent / 100))]


@dataclass
class _Lines:
    """Connections that are open and idle."""

    door: Door
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def ask(self, question: Question) -> int:
        """The answer's status, once it was read to its end; a connection that the port closed while idle is opened again."""
        while self.idle:
            try:
                return await self._ask(question, *self.idle.pop())
            except (asyncio.IncompleteReadError, ConnectionError):
                continue
        return await self._ask(question, *await self._open())

    async def _ask(self, question: Question, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        verb = "POST" if question.body else "GET"
        writer.write(
            f"{verb} {question.path} HTTP/1.1\r\nhost: {self.door.host}\r\nauthorization: Bearer {self.door.token}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(question.body)}\r\n\r\n".encode()
            + question.body
        )
        status, length = await _head(reader)
        await reader.readexactly(length)
        self.idle.append((reader, writer))
        return status

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.door.host, self.door.port, ssl=self.door.trust, limit=1 << 22)


async def _head(reader: asyncio.StreamReader) -> tuple[int, int]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    lengths = [line.partition(":")[2] for line in lines if line.startswith("content-length:")]
    return int(lines[0].split()[1]), int(lengths[0])


def listen(door: Door, users: int, seconds: int, next_question: Callable[[random.Random], Question]) -> Heard:
    """All users have asked for so long, and every answer has come.

    Args:
        door: The people's port.
        users: Each asks once a second, spread over the second.
        seconds: So long; the first answers of a connection count like all others.
        next_question: Draws what a user asks next.
    """
    return asyncio.run(_listen(door, users, seconds, next_question))


async def _listen(door: Door, users: int, seconds: int, next_question: Callable[[random.Random], Question]) -> Heard:
    heard, lines, loop = Heard(), _Lines(door), asyncio.get_running_loop()
    begin = loop.time() + 0.5
    asked: list[asyncio.Task[None]] = []

    async def one(question: Question, meant: float) -> None:
        status = await lines.ask(question)
        heard.latencies_ms.setdefault(question.kind, []).append((loop.time() - meant) * 1000)
        if status != 200:
            heard.wrong.append(f"{status} {question.path}")

    rng = random.Random(7)
    for number in range(users * seconds):
        meant = begin + number * STEP_S / users
        await asyncio.sleep(max(0.0, meant - loop.time()))
        asked.append(asyncio.create_task(one(next_question(rng), meant)))
    await asyncio.gather(*asked)
    for _, writer in lines.idle:
        writer.close()
    return heard
