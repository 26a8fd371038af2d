"""Fetches and uploads a run's weights over `/site/weights` in pieces, through the egress; a cut line is gone on with.

The bytes lie in files that the egress fills and reads; only their names pass between the two processes.

Pieces are short at first and longer while they arrive fast, so that a slow line loses little to a cut, and a fast one little
to the number of requests. The next transfer in the same direction begins with the length that the last one came to. Each piece is one request, with one entry in the egress ledger.
"""

from __future__ import annotations

import hashlib
import mmap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from myofed_node.federation.egress_client import EgressClient, EgressSession, Response
from myofed_node.federation.egress_request import BODY_HEADER
from myofed_schemas.errors import MyofedError
from myofed_schemas.weights_transfer import PIECE_BYTES, UploadState

FIRST_PIECE_BYTES = 2 << 20
SMALLEST_PIECE_BYTES = 64 << 10
FAST_S = 2.0
"""A piece that took less may be followed by one of twice the length; one that took four times as long, by a shorter."""
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Between tries; the last one again and again, until the task's time is over."""
PARTIAL_CONTENT = 206
BY_FILE = {BODY_HEADER: "file"}
OK = 200
PASSING = frozenset({408, 409, 429, 502, 503, 504})
"""Statuses after which the same upload or fetch is tried again."""
PASSING_CODES = frozenset({"COORDINATOR_UNREACHABLE", "COORDINATOR_ANSWER_CUT", "NODE_NOT_RUNNING"})


@dataclass
class _Pace:
    """How long the next piece is, and whether there is time for another try."""

    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    deadline: float
    piece: int
    failures: int = 0

    def went_well(self, seconds: float) -> None:
        self.failures = 0
        if seconds < FAST_S:
            self.piece = min(PIECE_BYTES, self.piece * 2)
        elif seconds > 4 * FAST_S:
            self.piece = max(SMALLEST_PIECE_BYTES, self.piece // 2)

    def check(self) -> None:
        """There is time for another piece; without this a coordinator that always answers could hold the node for ever.

        Raises:
            MyofedError: WEIGHTS_TRANSFER_TIMEOUT.
        """
        if self.monotonic() > self.deadline:
            raise _no_time()

    def failed(self) -> None:
        """Waits for the next try.

        Raises:
            MyofedError: WEIGHTS_TRANSFER_TIMEOUT.
        """
        pause = PAUSES_S[min(self.failures, len(PAUSES_S) - 1)]
        self.failures += 1
        self.piece = max(SMALLEST_PIECE_BYTES, self.piece // 2)
        if self.monotonic() + pause > self.deadline:
            raise _no_time()
        self.sleep(pause)


@dataclass(frozen=True)
class WeightsLink:
    """The way to a run's weights.

    Attributes:
        egress: The node's only way out.
        folder: `run/weights`, shared with it.
        monotonic: Seconds, never going back.
        sleep: Waits.
    """

    egress: EgressClient
    folder: Path
    monotonic: Callable[[], float] = field(default=time.monotonic)
    sleep: Callable[[float], None] = field(default=time.sleep)
    _lengths: dict[str, int] = field(default_factory=dict)

    def fetch(self, path: str, *, sha256: str, total: int, study: str, timeout_s: float) -> Path:
        """A file of all bytes under this path, which have this digest; it stays until others are fetched.

        What came before a kill or a cut is gone on with.

        Args:
            path: `/site/weights/RUN/SHA256`.
            sha256: Expected of all bytes.
            total: How many there are; the caller has bounded it.
            study: For the ledger.
            timeout_s: For everything.

        Raises:
            MyofedError: WEIGHTS_DIGEST, WEIGHTS_TRANSFER_TIMEOUT, or the coordinator's refusal.
            OSError: The file cannot be written.
        """
        file = self._place(f"{sha256}.in")
        for other in self.folder.glob("*.in"):
            if other != file:
                other.unlink(missing_ok=True)
        if _size(file) > total:
            file.unlink()
        with self._pace("GET", timeout_s) as pace, self.egress.session(study=study) as session:
            while (came := _size(file)) < total:
                last = min(came + pace.piece, total) - 1
                headers = {"range": f"bytes={came}-{last}", **BY_FILE}
                answer = self._try(session, pace, "GET", path, headers=headers)
                if answer is not None and (answer.status != PARTIAL_CONTENT or _size(file) != last + 1):
                    raise _refused(answer)
        if _sha256(file) != sha256:
            file.unlink()
            raise MyofedError("WEIGHTS_DIGEST", "expected weights with the digest of the message, found others")
        return file

    def upload(
        self,
        path: str,
        content: bytes | memoryview | Path,
        *,
        study: str,
        timeout_s: float,
        going: Callable[[], None] = lambda: None,
    ) -> None:
        """The coordinator has all bytes and has checked their digest.

        Args:
            path: `/site/weights/RUN/SHA256`, the digest of these bytes.
            content: The update, or a file of it that may go; it lies in a file until it is there.
            study: For the ledger.
            timeout_s: For everything.
            going: Called before each piece; raises where nothing more may leave.

        Raises:
            MyofedError: WEIGHTS_TRANSFER_TIMEOUT, the coordinator's refusal, or what `going` raises.
            OSError: The file cannot be written.
        """
        file = self._place(path.rsplit("/", 1)[1] + ".out")
        if isinstance(content, Path):
            content.replace(file)
        else:
            file.write_bytes(content)
        try:
            self._upload(path, file.stat().st_size, study=study, timeout_s=timeout_s, going=going)
        finally:
            file.unlink()

    def _upload(self, path: str, total: int, *, study: str, timeout_s: float, going: Callable[[], None]) -> None:
        state, known = UploadState(offset=0, complete=False), True
        with self._pace("PUT", timeout_s) as pace, self.egress.session(study=study) as session:
            while not state.complete:
                if not known:
                    asked = self._try(session, pace, "GET", f"{path}/offset")
                    if asked is None:
                        continue
                    state, known = _state(asked), True
                    continue
                going()
                last = min(state.offset + pace.piece, total) - 1
                headers = {"content-range": f"bytes {state.offset}-{last}/{total}", **BY_FILE}
                answer = self._try(session, pace, "PUT", path, headers=headers)
                if answer is None:
                    known = False
                else:
                    state = _state(answer)

    def _place(self, name: str) -> Path:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.folder / name

    def _try(
        self,
        session: EgressSession,
        pace: _Pace,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
    ) -> Response | None:
        """The answer, or None after a pause where it may be asked for again."""
        pace.check()
        began = self.monotonic()
        try:
            answer = session.request(method, path, headers=headers)
        except MyofedError as error:
            if error.code not in PASSING_CODES:
                raise
            pace.failed()
            return None
        if answer.status in PASSING:
            pace.failed()
            return None
        pace.went_well(self.monotonic() - began)
        return answer

    @contextmanager
    def _pace(self, method: str, timeout_s: float) -> Iterator[_Pace]:
        """A line may be fast one way and slow the other."""
        length = self._lengths.get(method, FIRST_PIECE_BYTES)
        pace = _Pace(self.monotonic, self.sleep, self.monotonic() + timeout_s, length)
        try:
            yield pace
        finally:
            self._lengths[method] = pace.piece


def _sha256(file: Path) -> str:
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return hashlib.sha256(content).hexdigest()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _no_time() -> MyofedError:
    return MyofedError("WEIGHTS_TRANSFER_TIMEOUT", "expected the weights to pass within the round, found no time")


def _state(answer: Response) -> UploadState:
    if answer.status != OK:
        raise _refused(answer)
    try:
        return UploadState.model_validate_json(answer.body)
    except ValidationError:
        raise MyofedError("REPLY_INVALID", "expected the state of an upload, found something else") from None


def _refused(answer: Response) -> MyofedError:
    return MyofedError(answer.code(), f"expected the weights to pass, found a refusal (HTTP {answer.status})")
