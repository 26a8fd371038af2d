"""What passes on a line while a run goes on over it, and a cut that falls while weights are under way."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from myofed_coordinator.federation.weights_transit import WeightsTransit
from myofed_coordinator.runs.folder import FINAL_STATES, RunFolder
from myofed_coordinator.services import open_runs
from proofs.federation_plant import wall
from proofs.links import MIDDLE, Fault, Line

SAMPLE_S = 0.25
WINDOW = 8
"""Samples of a window in which the peak is taken: two seconds, far more than a burst."""
CUT_FROM, CUT_UNTIL = 0.25, 0.95
"""A cut falls when so much of the weights has passed, and before so much; else it proves nothing."""
PROGRESS_BYTES = 256 << 10
"""More than anything but weights moves on a line in a minute."""
HEALED_WITHIN_S = 300
RUN_S = 1800


@dataclass(frozen=True)
class Cut:
    """A cut while weights were under way.

    Attributes:
        way: `download` or `upload`.
        moved: Bytes of these weights that had passed when the line went down.
        size: Of them.
        passed: Bytes on the line while it was cut.
        seconds: From the cut to the healing.
        progress_s: From the healing until weights moved again.
    """

    way: str
    moved: int
    size: int
    passed: int
    seconds: float
    progress_s: float


@dataclass(frozen=True)
class Seen:
    """A run over a line with a fault.

    Attributes:
        run: Its folder.
        site: Whose line it was.
        fault: What was wrong.
        seconds: From its order to its end.
        handshake_s: What a TLS connection from the site took at the beginning.
        passed: Bytes on the line from the coordinator, and to it.
        peak_mbit: Most that passed in two seconds, each way, in Mbit/s.
        lost: Share of the packets dropped, each way.
        cuts: All that fell.
    """

    run: RunFolder
    site: str
    fault: Fault
    seconds: float
    handshake_s: float
    passed: tuple[int, int]
    peak_mbit: tuple[float, float]
    lost: tuple[float, float]
    cuts: tuple[Cut, ...]


@dataclass
class Meter:
    """Counts what passes while its block runs."""

    line: Line
    samples: list[tuple[float, int, int]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._sample()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        assert self._thread is not None
        self._over.set()
        self._thread.join()
        self._sample()

    @property
    def passed(self) -> tuple[int, int]:
        """Bytes from the first sample to the last, each way."""
        (_, *first), (_, *last) = self.samples[0], self.samples[-1]
        return last[0] - first[0], last[1] - first[1]

    def peak_mbit(self) -> tuple[float, float]:
        """Most that passed in a window, each way, in Mbit/s."""
        pairs = list(zip(self.samples, self.samples[WINDOW:], strict=False)) or [(self.samples[0], self.samples[-1])]
        there, back = (
            max((late[way] - early[way]) * 8e-6 / max(late[0] - early[0], SAMPLE_S) for early, late in pairs)
            for way in (1, 2)
        )
        return there, back

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        self.samples.append((time.monotonic(), *self.line.passed()))


def follow(it: wall.Federation, line: Line, fault: Fault, *, study: str, site: str, size: int) -> Seen:
    """The study's run over the line with this fault has ended; where the fault is a cut, one falls in each direction.

    Args:
        it: The federation.
        line: Of this site.
        fault: The line has it until the run has ended.
        study: Approved by every site.
        site: Its name.
        size: Bytes of the weights.

    Raises:
        NoLinksError: The host does not allow it.
    """
    line.spoil(fault)
    try:
        handshake_s = line.far.inside(lambda: _handshake(it.home.ca, line.port))
        runs, began = open_runs(it.services), time.monotonic()
        with Meter(line) as meter:
            run = runs.folder(runs.start(study, actor="proof", now=wall.now()).run_id)
            cuts = _cut_each_way(line, run, site=site, size=size, seconds=fault.cut_s) if fault.cut_s else ()
            it.finish(run, seconds=RUN_S)
            seconds = time.monotonic() - began
        return Seen(run, site, fault, seconds, handshake_s, meter.passed, meter.peak_mbit(), line.lost(), cuts)
    finally:
        line.mend()


def _cut_each_way(line: Line, run: RunFolder, *, site: str, size: int, seconds: float) -> tuple[Cut, ...]:
    """One cut in the first round's download and one in its upload."""
    before = line.passed()[0]
    download = _cut(line, run, "download", lambda: line.passed()[0] - before, size=size, seconds=seconds)
    incoming = WeightsTransit(run).root / "in" / site

    def uploaded() -> int:
        return sum(path.stat().st_size for path in incoming.glob("*.part"))

    return download, _cut(line, run, "upload", uploaded, size=size, seconds=seconds)


def _cut(line: Line, run: RunFolder, way: str, moved: Callable[[], int], *, size: int, seconds: float) -> Cut:
    wall.until(lambda: moved() > CUT_FROM * size or _over(run), seconds=RUN_S, what=f"{way} under way")
    line.cut()
    began, at = time.monotonic(), moved()
    still = sum(line.passed())
    time.sleep(seconds)
    passed = sum(line.passed()) - still
    line.heal()
    healed = time.monotonic()
    wall.until(lambda: moved() > at + PROGRESS_BYTES or _over(run), seconds=HEALED_WITHIN_S, what=f"{way} goes on")
    return Cut(way, at, size, passed, healed - began, time.monotonic() - healed)


def _over(run: RunFolder) -> bool:
    return run.status().state in FINAL_STATES


def _handshake(ca: Path, port: int) -> float:
    """Seconds of a TLS 1.3 handshake, one way there and one back; the TCP connection before it does not count."""
    context = ssl.create_default_context(cafile=str(ca))
    with socket.create_connection((MIDDLE, port), timeout=60) as plain:
        began = time.monotonic()
        with context.wrap_socket(plain, server_hostname=MIDDLE):
            return time.monotonic() - began
