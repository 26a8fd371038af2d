"""A question that lacks its quorum because processes were lost is asked again of those sites, and of nobody else.

A site that is asked again gives the answer it would have given (the node's round log knows the question). What a site's
people, files or checks refuse is an answer, and is not asked for again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from myofed_coordinator.federation.collect import MOST_TIMES, Answers, Pace, Question, ask, gather
from myofed_coordinator.federation.engine import Engine
from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.errors import MyofedError

LOST = frozenset(
    {
        "EXECUTOR_LOST",
        "MESSAGE_LOST",
        "REPLY_LOST",
        "ROUND_OVER",
        "SITE_OFFLINE",
        "SITE_TIMEOUT",
        "SITE_UNAVAILABLE",
        "WEIGHTS_NOT_UPLOADED",
        "WEIGHTS_TRANSFER_TIMEOUT",
        "WORKER_LOST",
    }
)
"""What is said of a site that did not come to an answer of its own."""
LONGEST = 2.0
"""Nobody is asked again once the question is older than so many times its timeout."""


@dataclass(frozen=True)
class Persistence:
    """How a question is asked again.

    Attributes:
        folder: The run.
        engine: Carries the task.
        pace: How often and how long.
        told: Called with site and code for each site that is asked again.
    """

    folder: RunFolder
    engine: Engine
    pace: Pace
    told: Callable[[str, str], None]

    def ask(self, question: Question) -> Answers:
        """The answers to the question, asked again while sites that were lost could still make up the quorum.

        Raises:
            StopRequestedError: Asked to stop.
        """
        asking = _Asking(self, question, deadline=self.pace.clock.monotonic() + LONGEST * question.task.timeout_s)
        answers = asking.once(question)
        while lost := asking.worth_asking(answers):
            for site in sorted(lost):
                self.told(site, answers.errors[site])
            missing = question.quorum - asking.good(answers)
            if not asking.connected(lost, quorum=missing):
                break
            earlier = {ticket: site for ticket, site in answers.tickets.items() if site in lost}
            later = asking.once(replace(question, only=frozenset(lost), quorum=missing, earlier=earlier))
            answers.tickets |= later.tickets
            answers.good |= later.good
            answers.asked |= later.asked
            answers.errors = {s: c for s, c in answers.errors.items() if s not in lost} | later.errors
        return answers


@dataclass
class _Asking:
    """One question and how often each site was asked it."""

    means: Persistence
    question: Question
    deadline: float

    def once(self, question: Question) -> Answers:
        told = replace(question, told=self.means.told)
        return ask(self.means.folder, self.means.engine, self.means.pace, told)

    def good(self, answers: Answers) -> int:
        """Good answers of sites that are still in the run."""
        return len(answers.good - answers.revoked(self.means.folder))

    def worth_asking(self, answers: Answers) -> set[str]:
        """The lost sites, where the quorum is lacking and they could make it up; else nobody."""
        good = self.good(answers)
        if good >= self.question.quorum or self.means.pace.clock.monotonic() > self.deadline:
            return set()
        members = self.means.folder.sites().node_keys
        lost = {
            site
            for site, code in answers.errors.items()
            if code in LOST and site in members and answers.times(site) < MOST_TIMES
        }
        if self.question.turn.size is not None:  # others took the place of those that were offline
            lost &= answers.asked.keys()
        return lost if good + len(lost) >= self.question.quorum else set()

    def connected(self, sites: set[str], *, quorum: int) -> bool:
        """So many of these sites are there to be asked; False where they stay away."""
        try:
            gather(self.means.folder, self.means.engine, self.means.pace, quorum=quorum, among=frozenset(sites))
        except MyofedError:  # QUORUM_ABSENT: the round says which site is missing, and why
            return False
        return True
