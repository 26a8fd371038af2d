"""How often somebody may guess: attempts that failed, by caller, in a sliding window."""

from __future__ import annotations

from collections import OrderedDict, deque
from datetime import datetime, timedelta
from threading import Lock

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

FAILURES_ALLOWED = 10
WINDOW = timedelta(minutes=1)
CALLERS_KEPT = 1000


class Attempts:
    """Failed attempts of each caller in the window; the table of callers is bounded, the longest silent one leaves."""

    def __init__(
        self, allowed: int = FAILURES_ALLOWED, *, window: timedelta = WINDOW, callers: int = CALLERS_KEPT
    ) -> None:
        self._allowed = allowed
        self._window = window
        self._callers = callers
        self._failures: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._lock = Lock()

    def check(self, caller: str, *, now: datetime) -> None:
        """This caller may make one more attempt now.

        Raises:
            MyofedError: TOO_MANY_ATTEMPTS.
        """
        with self._lock:
            exhausted = self._is_exhausted(caller, now=now)
        if exhausted:
            raise self._too_many()

    def begin(self, caller: str, *, now: datetime) -> None:
        """One more attempt of this caller counts as failed until `take_back`: a crowd of them at once is counted too.

        Raises:
            MyofedError: TOO_MANY_ATTEMPTS.
        """
        with self._lock:
            exhausted = self._is_exhausted(caller, now=now)
            if not exhausted:
                self._note(caller, now=now)
        if exhausted:
            raise self._too_many()

    def take_back(self, caller: str) -> None:
        """The caller's last attempt has not failed."""
        with self._lock:
            if failures := self._failures.get(caller):
                failures.pop()
            if not failures:
                self._failures.pop(caller, None)

    def note_failure(self, caller: str, *, now: datetime) -> None:
        """One more attempt of this caller has failed."""
        with self._lock:
            self._note(caller, now=now)

    def forget(self, caller: str) -> None:
        """Nothing is held against this caller any more."""
        with self._lock:
            self._failures.pop(caller, None)

    def _is_exhausted(self, caller: str, *, now: datetime) -> bool:
        failures = self._failures.get(caller)
        return failures is not None and len(failures) == self._allowed and now - failures[0] < self._window

    def _note(self, caller: str, *, now: datetime) -> None:
        self._failures.setdefault(caller, deque(maxlen=self._allowed)).append(now)
        self._failures.move_to_end(caller)
        while len(self._failures) > self._callers:
            self._failures.popitem(last=False)

    def _too_many(self) -> MyofedError:
        minutes = int(self._window.total_seconds()) // 60
        return MyofedError(
            "TOO_MANY_ATTEMPTS",
            f"{self._allowed} attempts failed within {minutes} min",
            hint=f"wait {minutes} min",
            exit_code=ExitCode.REFUSED,
        )
