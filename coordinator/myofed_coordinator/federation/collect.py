"""One question to the sites of a run, and the wait for their answers: each site ends in a result or in one code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from myofed_coordinator.federation.engine import Engine, Reply, Task
from myofed_coordinator.federation.sampling import Turn
from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import SiteError

GRACE_S = 5.0
"""The engine answers for a site after the task's timeout; this much later we do."""
MOST_TIMES = 4
"""A node answers the same question six times: two are left for a coordinator that resumes."""
SENT_AGAIN = "MESSAGE_LOST"
"""The node is there and waits for work: it is sent the same question again at once."""


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
    """What a question brought.

    Attributes:
        errors: Site -> code.
        good: Sites whose reply was accepted.
        asked: Site -> the key of the node that was asked.
        tickets: Ticket -> site, of all that was sent.
    """

    errors: dict[str, str] = field(default_factory=dict)
    good: set[str] = field(default_factory=set)
    asked: dict[str, str] = field(default_factory=dict)
    tickets: dict[str, str] = field(default_factory=dict)

    def times(self, site: str) -> int:
        """How often this site was sent the question."""
        return list(self.tickets.values()).count(site)

    def site_errors(self) -> tuple[SiteError, ...]:
        """The errors in the order of the sites' names."""
        return tuple(SiteError(site=site, code=code) for site, code in sorted(self.errors.items()))

    def revoked(self, folder: RunFolder) -> set[str]:
        """Sites that were asked and are not in the run any more, or only with another key."""
        current = folder.sites().node_keys
        return {site for site, key in self.asked.items() if current.get(site) != key}


Accept = Callable[[str, Reply], None]
"""Takes a site's reply; raises MyofedError where it is not acceptable."""


@dataclass(frozen=True)
class Question:
    """What is asked of the sites of a run.

    Attributes:
        task: The same for every site.
        accept: Called once for each good reply, in the order of arrival.
        quorum: So many good replies are enough to end the patience with the others.
        straggler_wait_s: How long the others have after that; None: until the task's timeout.
        turn: Whose turn it is.
        only: Asked again of these sites; None: of all whose turn it is.
        earlier: Tickets of the same question -> site: a good answer to one of them is one as well.
        told: Called with site and code for each site that is sent the question again.
    """

    task: Task
    accept: Accept
    quorum: int
    straggler_wait_s: float | None = None
    turn: Turn = field(default_factory=Turn)
    only: frozenset[str] | None = None
    earlier: Mapping[str, str] = field(default_factory=dict)
    told: Callable[[str, str], None] = lambda _site, _code: None


def gather(folder: RunFolder, engine: Engine, pace: Pace, *, quorum: int, among: frozenset[str] | None = None) -> None:
    """All sites of the run (or all `among` them) are connected, or a quorum is and the others had their time.

    Raises:
        MyofedError: QUORUM_ABSENT after `absent_s` without a quorum.
        StopRequestedError: Asked to stop.
    """
    start = pace.clock.monotonic()
    while True:
        sites = _members(folder, among)
        present = len(set(sites.values()) & set(engine.online()))
        waited = pace.clock.monotonic() - start
        if present == len(sites) >= quorum or (present >= quorum and waited > pace.gather_s):
            return
        if waited > pace.absent_s:
            raise MyofedError("QUORUM_ABSENT", f"expected {quorum} sites connected, found {present}")
        check_stop(folder)
        pace.clock.sleep(pace.poll_s)


def ask(folder: RunFolder, engine: Engine, pace: Pace, question: Question) -> Answers:
    """Every site that was asked has answered acceptably or has a code in the answers' errors.

    Args:
        folder: The run; its sites are read again at every poll, so that a revoked one is out at once.
        engine: Carries the task.
        pace: How often and how long.
        question: What is asked.

    Raises:
        StopRequestedError: Asked to stop; replies under way are left to the engine.
    """
    answers = Answers(tickets=dict(question.earlier))
    pending = _send(folder, engine, question, answers)
    patience = _Patience(question, pace.clock.monotonic())
    while pending:
        _drop_removed(folder, pending, answers)
        waiting = set(pending.values())
        tickets = [ticket for ticket, site in answers.tickets.items() if site in waiting]
        came = _take(folder, engine.replies(tickets), pending, question.accept, answers)
        _send_again(engine, question, pending, answers)
        if not pending:
            break
        code = patience.ended(pace.clock.monotonic(), good=len(answers.good - answers.revoked(folder)))
        if code is not None:
            answers.errors.update(dict.fromkeys(pending.values(), code))
            break
        check_stop(folder)
        if not came:
            pace.doze()
    return answers


class _Patience:
    """When a question ends although a site has not answered."""

    def __init__(self, question: Question, now: float) -> None:
        self._question = question
        self._deadline = now + question.task.timeout_s + GRACE_S
        self._enough_since: float | None = None

    def ended(self, now: float, *, good: int) -> str | None:
        """The code of those that have not answered, or None while they are waited for."""
        if now > self._deadline:
            return "SITE_TIMEOUT"
        wait = self._question.straggler_wait_s
        if wait is None or good < self._question.quorum:
            self._enough_since = None
            return None
        if self._enough_since is None:
            self._enough_since = now
        return "SITE_STRAGGLER" if now - self._enough_since > wait else None


def _send(folder: RunFolder, engine: Engine, question: Question, answers: Answers) -> dict[str, str]:
    """Ticket -> site, of those whose turn it is and that are connected."""
    sites, online = _members(folder, question.only), engine.online()
    turn = question.turn if question.only is None else Turn()
    present, absent = turn.choose(sites, [site for site in sites if sites[site] in online])
    answers.errors.update(dict.fromkeys(absent, "SITE_OFFLINE"))
    answers.asked = {site: sites[site] for site in present}
    tickets = engine.send([(online[sites[site]], question.task) for site in present]) if present else []
    answers.tickets |= dict(zip(tickets, present, strict=True))
    return dict(zip(tickets, present, strict=True))


def _send_again(engine: Engine, question: Question, pending: dict[str, str], answers: Answers) -> None:
    """Sites whose message was lost, and whose nodes are there, have it once more."""
    lost = [s for s, code in answers.errors.items() if code == SENT_AGAIN and answers.times(s) < MOST_TIMES]
    online = engine.online() if lost else {}
    for site in lost:
        node = online.get(answers.asked[site])
        if node is None:
            continue
        question.told(site, answers.errors.pop(site))
        (ticket,) = engine.send([(node, question.task)])
        answers.tickets[ticket] = pending[ticket] = site


def _members(folder: RunFolder, among: frozenset[str] | None) -> dict[str, str]:
    """Site -> key, of the run's sites that are meant."""
    keys = folder.sites().node_keys
    return {site: key for site, key in keys.items() if among is None or site in among}


def _take(
    folder: RunFolder, replies: Iterable[Reply], pending: dict[str, str], accept: Accept, answers: Answers
) -> int:
    came = 0
    for reply in replies:
        site = answers.tickets.get(reply.ticket)
        if site is None or site not in pending.values() or (reply.code != "OK" and reply.ticket not in pending):
            continue  # it answers nothing we wait for; what became of an earlier message says nothing of the later one
        for ticket in [ticket for ticket, of in pending.items() if of == site]:
            del pending[ticket]
        came += 1
        folder.look()
        if reply.code != "OK":
            # The engine says "unavailable" of a site that was taken out of it; why is known here.
            answers.errors[site] = "SITE_REVOKED" if site in answers.revoked(folder) else reply.code
            continue
        try:
            accept(site, reply)
            answers.good.add(site)
        except MyofedError as error:
            answers.errors[site] = error.code
    return came


def _drop_removed(folder: RunFolder, pending: dict[str, str], answers: Answers) -> None:
    revoked = answers.revoked(folder)
    for ticket, site in list(pending.items()):
        if site in revoked:
            del pending[ticket]
            answers.errors[site] = "SITE_REVOKED"


def check_stop(folder: RunFolder) -> None:
    """The run may go on; its supervisor is told that somebody looks.

    Raises:
        StopRequestedError: Its people asked to stop.
    """
    folder.look()
    if folder.stop_request.exists():
        raise StopRequestedError
