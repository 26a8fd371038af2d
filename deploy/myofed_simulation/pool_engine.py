"""The round loop's engine over a pool of processes on this machine: no network, no Flower, nothing to install."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager

from myofed_coordinator.federation.engine import Reply, Task
from myofed_schemas.supervise import die_with_parent
from myofed_simulation.courier import Courier
from myofed_simulation.virtual_site import carry_out

LOOK_S = 0.5
"""So often the round loop sees whether somebody asked to stop."""


class WorkerLostError(Exception):
    """A worker process died. No failure of the run, which can go on later: the round loop must not take it for one."""


@contextmanager
def worker_processes(count: int) -> Iterator[Executor]:
    """So many processes, started afresh (no fork of a process with torch in it); none is left behind."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=die_with_parent)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


class PoolEngine:
    """Plays the virtual sites; whoever is done first answers first.

    Args:
        courier: Makes errands and reads answers.
        executor: Runs them, in one process or many, in any order.
    """

    def __init__(self, courier: Courier, executor: Executor) -> None:
        self._courier = courier
        self._executor = executor
        self._under_way: dict[str, Future[str]] = {}
        self._sent = 0

    def online(self) -> Mapping[str, int]:
        """All virtual sites."""
        return self._courier.online()

    def send(self, tasks: Sequence[tuple[int, Task]]) -> list[str]:
        """All errands wait for a free worker."""
        tickets = []
        for (number, _), errand in zip(tasks, self._courier.errands(tasks), strict=True):
            self._sent += 1
            tickets.append(f"errand-{self._sent}")
            self._courier.sent(number, tickets[-1])
            self._under_way[tickets[-1]] = self._executor.submit(carry_out, errand)
        return tickets

    def replies(self, tickets: Sequence[str]) -> Iterator[Reply]:
        """Those that are done by now; waits up to half a second for the first.

        Raises:
            WorkerLostError: A process died.
        """
        wait([self._under_way[t] for t in tickets], timeout=LOOK_S, return_when=FIRST_COMPLETED)
        for ticket in tickets:
            if self._under_way[ticket].done():
                yield self._courier.reply(ticket, self._result(ticket))

    def _result(self, ticket: str) -> str:
        try:
            return self._under_way.pop(ticket).result()
        except BrokenExecutor:
            raise WorkerLostError from None
