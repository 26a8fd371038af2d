"""`python -m proofs.delaying_proxy PORT HOST TARGET SECONDS`: a TCP relay in which every byte waits, each way.

It says `ready` and ends when its standard input does. Bytes pass unchanged, so TLS goes through it from end to end. What
waits is bounded by WAITING pieces a direction, far above what the lines of the proof deliver in the delay.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

PIECE = 64 << 10
WAITING = 256


async def relay(port: int, host: str, target: int, *, seconds: float) -> None:
    """Serves on every address of this machine until standard input ends."""
    loop = asyncio.get_running_loop()

    async def serve(near: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        try:
            far, ask = await asyncio.open_connection(host, target)
        except OSError:
            answer.transport.abort()
            return
        try:
            with suppress(OSError):  # one end is gone: the other learns it at once
                await asyncio.gather(_delayed(near, ask, seconds), _delayed(far, answer, seconds))
        finally:
            answer.transport.abort()
            ask.transport.abort()

    async with await asyncio.start_server(serve, "0.0.0.0", port):
        print("ready", flush=True)
        await loop.run_in_executor(None, sys.stdin.buffer.read)


async def _delayed(source: asyncio.StreamReader, sink: asyncio.StreamWriter, seconds: float) -> None:
    """What comes goes on so much later; so does the end of it."""
    clock = asyncio.get_running_loop().time
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING)

    async def take() -> None:
        with suppress(OSError):  # a reset ends it as well
            while data := await source.read(PIECE):
                await waiting.put((clock() + seconds, data))
        await waiting.put((clock() + seconds, b""))

    taking = asyncio.create_task(take())
    try:
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(due - clock())
            if not data:
                break
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
    finally:
        taking.cancel()
        with suppress(asyncio.CancelledError):
            await taking


if __name__ == "__main__":
    _port, _host, _target, _seconds = sys.argv[1:]
    asyncio.run(relay(int(_port), _host, int(_target), seconds=float(_seconds)))
