"""One question to the sites of a run, and the wait for their answers: each site ends in a result or in one code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from myofed_coordinator.federation.engine import Engine, Reply, Task
from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import SiteError

GRACE_S = 5.0
"""The engine answers for a site after the task's timeout; this much later we do."""


class Clock(Protocol):
    """Time as the caller hands it down; a test's clock does not sleep."""

    def monotonic(self) -> float:
        """Seconds, never going back."""

    def sleep(self, seconds: float) -> None:
        """This much later."""

    def now(self) -> datetime:
        """UTC, aware."""


@dataclass(frozen=True)
class Pace:
    """How often and how long to wait.

    Attributes:
        clock: Time.
        doze: Waits between two looks for replies; each look costs the engine 20 ms.
        poll_s: Between two looks for who is connected.
        gather_s: How long to wait for the last sites once enough are connected.
        absent_s: How long to wait for a quorum to connect.
    """

    clock: Clock
    doze: Callable[[], None]
    poll_s: float = 0.5
    gather_s: float = 20.0
    absent_s: float = 300.0


class StopRequestedError(Exception):
    """A person asked to stop the run."""


@dataclass
class Answers:
    """What a question brought."""

    errors: dict[str, str] = field(default_factory=dict)
    """Site -> code."""

    def site_errors(self) -> tuple[SiteError, ...]:
        """The errors in the order of the sites' names."""
        return tuple(SiteError(site=site, code=code) for site, code in sorted(self.errors.items()))


Accept = Callable[[str, Reply], None]
"""Takes a site's reply; raises MyofedError where it is not acceptable."""


def gather(folder: RunFolder, engine: Engine, pace: Pace, *, quorum: int) -> None:
    """All sites of the run are connected, or a quorum is and the others had their time.

    Raises:
        MyofedError: QUORUM_ABSENT after `absent_s` without a quorum.
        StopRequestedError: Asked to stop.
    """
    start = pace.clock.monotonic()
    while True:
        sites = folder.sites().node_keys
        present = len(set(sites.values()) & set(engine.online()))
        waited = pace.clock.monotonic() - start
        if present == len(sites) >= quorum or (present >= quorum and waited > pace.gather_s):
            return
        if waited > pace.absent_s:
            raise MyofedError("QUORUM_ABSENT", f"expected {quorum} sites connected, found {present}")
        check_stop(folder)
        pace.clock.sleep(pace.poll_s)


def ask(folder: RunFolder, engine: Engine, pace: Pace, *, task: Task, accept: Accept) -> Answers:
    """Every site of the run has answered acceptably or has a code in the answers' errors.

    Args:
        folder: The run; its sites are read again at every poll, so that a revoked one is out at once.
        engine: Carries the task.
        pace: How often and how long.
        task: The same for every site.
        accept: Called once for each good reply, in the order of arrival.

    Raises:
        StopRequestedError: Asked to stop; replies under way are left to the engine.
    """
    answers = Answers()
    pending = _send(folder, engine, task, answers)
    deadline = pace.clock.monotonic() + task.timeout_s + GRACE_S
    while pending:
        _drop_removed(folder, pending, answers)
        came = _take(folder, engine.replies(list(pending)), pending, accept, answers)
        if not pending:
            break
        if pace.clock.monotonic() > deadline:
            answers.errors.update(dict.fromkeys(pending.values(), "SITE_TIMEOUT"))
            break
        check_stop(folder)
        if not came:
            pace.doze()
    return answers


def _send(folder: RunFolder, engine: Engine, task: Task, answers: Answers) -> dict[str, str]:
    """Ticket -> site, of those that are connected."""
    sites, online = folder.sites().node_keys, engine.online()
    present = [site for site in sorted(sites) if sites[site] in online]
    answers.errors.update({site: "SITE_OFFLINE" for site in sites if site not in present})
    tickets = engine.send([(online[sites[site]], task) for site in present]) if present else []
    return dict(zip(tickets, present, strict=True))


def _take(
    folder: RunFolder, replies: Iterable[Reply], pending: dict[str, str], accept: Accept, answers: Answers
) -> int:
    came = 0
    for reply in replies:
        site = pending.pop(reply.ticket, None)
        if site is None:
            continue  # a message that answers nothing we asked
        came += 1
        if reply.code != "OK":
            # The engine says "unavailable" of a site that was taken out of it; why is known here.
            answers.errors[site] = reply.code if site in folder.sites().node_keys else "SITE_REVOKED"
            continue
        try:
            accept(site, reply)
        except MyofedError as error:
            answers.errors[site] = error.code
    return came


def _drop_removed(folder: RunFolder, pending: dict[str, str], answers: Answers) -> None:
    current: Mapping[str, str] = folder.sites().node_keys
    for ticket, site in list(pending.items()):
        if site not in current:
            del pending[ticket]
            answers.errors[site] = "SITE_REVOKED"


def check_stop(folder: RunFolder) -> None:
    """The run may go on.

    Raises:
        StopRequestedError: Its people asked to stop.
    """
    if folder.stop_request.exists():
        raise StopRequestedError
