"""`/site/weights/RUN/SHA256`: a run's weights by reference, in ranges (RFC 9110, 14) that a cut line can go on from.

A site of a running run fetches what the run sends, and uploads its own update; it reads nobody's update, not its own
either. Pieces go to and from the disk as they come.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from myofed_coordinator.api.refusals import answer
from myofed_coordinator.federation.weights_transit import CHUNK_BYTES, WeightsTransit, append
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.runs.folder import FINAL_STATES, RunFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import RunId, Sha256
from myofed_schemas.weights_transfer import UploadState, largest_weights

RANGE = re.compile(r"bytes=(\d{1,15})-(\d{1,15})?")
CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")
SENT_BYTES = 256 << 10
"""Of a fetch at once: what is encrypted then is still in the processor's cache."""
SILENCE_S = 60.0
"""A sender that says nothing for so long is gone; what came of its piece is kept."""
STATUS = {
    "WEIGHTS_UNKNOWN": 404,
    "UPLOAD_OFFSET": 409,
    "UPLOAD_SUPERSEDED": 409,
    "UPLOAD_CUT": 408,
    "WEIGHTS_SIZE": 413,
    "RANGE_INVALID": 416,
}


@dataclass
class Uploads:
    """Which request writes for which site; a later one ends the earlier, whose line may be dead without anybody knowing.

    One entry a site and run, whatever digests it names: a site cannot make this grow.
    """

    latest: dict[Path, int] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def enter(self, place: Path) -> Callable[[], bool]:
        """From now on only the caller writes in this site's place; the function says whether that still holds."""
        mine = self.latest[place] = next(self.numbers)
        return lambda: self.latest.get(place) == mine

    def leave(self, place: Path) -> None:
        """Nobody writes there any more."""
        self.latest.pop(place, None)


def add_weights(router: APIRouter, home: HomeFolder, site_of: Callable[[Request], str]) -> None:
    """The router answers the three requests.

    Args:
        router: With prefix `/site`.
        home: Where the runs lie.
        site_of: The site whose certificate the gateway verified.
    """
    uploads = Uploads()

    @router.get("/weights/{run_id}/{sha256}")
    def fetch(run_id: RunId, sha256: Sha256, request: Request) -> Response:
        return _send(transit_of(home, run_id, site=site_of(request)).offered(sha256), request.headers.get("range"))

    @router.get("/weights/{run_id}/{sha256}/offset")
    def offset(run_id: RunId, sha256: Sha256, request: Request) -> UploadState:
        site = site_of(request)
        transit = transit_of(home, run_id, site=site)
        complete = transit.uploaded(site, sha256).exists()
        return UploadState(offset=transit.arrived(site, sha256), complete=complete)

    @router.put("/weights/{run_id}/{sha256}", response_model=UploadState)
    async def upload(run_id: RunId, sha256: Sha256, request: Request) -> object:
        site = site_of(request)
        try:
            transit = await asyncio.to_thread(transit_of, home, run_id, site=site)
            return await _take_in(transit, uploads, request, site=site, sha256=sha256)
        except MyofedError as error:
            if error.code in STATUS:
                return answer(error.code, status=STATUS[error.code])
            raise
        except FileNotFoundError:  # the next question went out meanwhile
            return answer("WEIGHTS_UNKNOWN", status=404)


def transit_of(home: HomeFolder, run_id: str, *, site: str) -> WeightsTransit:
    """The transit of a running run by reference that this site takes part in; to all others it does not exist.

    Raises:
        MyofedError: RUN_UNKNOWN.
    """
    folder = RunFolder(home.run_folder(run_id))
    if folder.root.is_dir() and site in folder.sites().node_keys and folder.status().state not in FINAL_STATES:
        transport = folder.manifest().manifest.transport
        if transport is not None and transport.by == "reference":
            return WeightsTransit(folder)
    raise MyofedError(
        "RUN_UNKNOWN", "expected a running run of this site by reference, found none", exit_code=ExitCode.BAD_INPUT
    )


def _send(path: Path, wanted: str | None) -> Response:
    """The file or a range of it, from the disk as the line takes it."""
    try:
        total = path.stat().st_size
    except FileNotFoundError:
        return answer("WEIGHTS_UNKNOWN", status=404)
    match = RANGE.fullmatch(wanted) if wanted is not None else None
    first = int(match[1]) if match else 0
    last = min(int(match[2]), total - 1) if match and match[2] else total - 1
    if (wanted is not None and match is None) or first > last:
        return answer("RANGE_INVALID", status=416)
    headers = {"content-length": str(last - first + 1), "accept-ranges": "bytes"}
    if match:
        headers["content-range"] = f"bytes {first}-{last}/{total}"
    return StreamingResponse(
        _chunks(path, first, last), 206 if match else 200, headers, media_type="application/octet-stream"
    )


async def _chunks(path: Path, first: int, last: int) -> AsyncIterator[bytes]:
    """A thread waits for the disk where the bytes are not in memory, and only then."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while first <= last:
            wanted = min(SENT_BYTES, last - first + 1)
            chunk = _cached(descriptor, wanted, first) or await asyncio.to_thread(os.pread, descriptor, wanted, first)
            if not chunk:
                return
            first += len(chunk)
            yield chunk
    finally:
        os.close(descriptor)


def _cached(descriptor: int, wanted: int, at: int) -> bytes:
    """What of it is in memory; nothing where that cannot be told."""
    chunk = bytearray(wanted)
    try:
        return bytes(memoryview(chunk)[: os.preadv(descriptor, [chunk], at, os.RWF_NOWAIT)])
    except OSError:  # not in memory, or a file system that cannot say so
        return b""


async def _take_in(
    transit: WeightsTransit, uploads: Uploads, request: Request, *, site: str, sha256: str
) -> UploadState:
    first, length, total = _announced(request)
    if total > largest_weights(transit.folder.manifest().manifest.state_dict):
        raise MyofedError("WEIGHTS_SIZE", "expected an update of the manifest's size, found a larger one")
    if transit.uploaded(site, sha256).exists():
        return UploadState(offset=total, complete=True)
    part = transit.part(site, sha256)
    is_latest = uploads.enter(part.parent)
    if first == 0:
        await asyncio.to_thread(transit.begin, site, sha256)
    elif not part.exists():
        raise MyofedError("WEIGHTS_UNKNOWN", "expected an upload under way, found that its question is over")
    elif transit.arrived(site, sha256) != first:
        raise MyofedError("UPLOAD_OFFSET", "expected the next byte of the upload, found another offset")
    at = first
    async for block in _blocks(request):
        if not is_latest() or at + len(block) > first + length:
            raise MyofedError("UPLOAD_SUPERSEDED", "expected one sender, found a later one")
        await asyncio.to_thread(append, part, block, at=at)
        at += len(block)
    if at < first + length:
        raise MyofedError("UPLOAD_CUT", "expected a whole piece, found its beginning")
    if at == total:
        uploads.leave(part.parent)
        await asyncio.to_thread(transit.finish, site, sha256)
    return UploadState(offset=at, complete=at == total)


def _announced(request: Request) -> tuple[int, int, int]:
    """First byte, length of the piece, length of the whole.

    Raises:
        MyofedError: RANGE_INVALID.
    """
    match = CONTENT_RANGE.fullmatch(request.headers.get("content-range", ""))
    if match:
        first, last, total = (int(number) for number in match.groups())
        if first <= last < total and request.headers.get("content-length") == str(last - first + 1):
            return first, last - first + 1, total
    raise MyofedError("RANGE_INVALID", "expected Content-Range and a body of that length, found something else")


async def _blocks(request: Request) -> AsyncIterator[bytearray]:
    """The body in blocks of about CHUNK_BYTES; it ends early where the sender goes away or falls silent."""
    gathered = bytearray()
    stream = request.stream()
    try:
        while True:
            gathered += await asyncio.wait_for(anext(stream), SILENCE_S)
            if len(gathered) >= CHUNK_BYTES:
                yield gathered
                gathered = bytearray()
    except (StopAsyncIteration, ClientDisconnect, TimeoutError):
        if gathered:
            yield gathered
