"""From received to the data set, without a person: a study that is complete is ingested, and what was received goes.

Whatever is killed here is done again: the ingest of the same files is the same, and files go only after it ended.
"""

from __future__ import annotations

import errno
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from myofed_node.intake.received import Listing, Received
from myofed_node.intake.study_lock import study_lock
from myofed_node.intake.study_store import StudyRow, StudyState, StudyStore
from myofed_node.pipeline import SiteIngest
from myofed_node.site_setup import Site
from myofed_schemas.clock import utc_text
from myofed_schemas.conversion import IngestReport
from myofed_schemas.errors import MyofedError, system_error

log = logging.getLogger("myofed.intake")

NO_LEGAL_BASIS = "NO_LEGAL_BASIS"
BUSY = frozenset({"INGEST_RUNNING", "INTAKE_BUSY"})
"""Somebody else is at work: no failure, and tried again at the next look."""
Ingest = Callable[[Path, datetime], IngestReport]
GONE = frozenset({StudyState.DONE, StudyState.DISCARDED})
"""What was received of it is gone: what lies there came since."""
MOST_DOUBLINGS = 10
FIRST_RETRY_S, LONGEST_RETRY_S = 60.0, 3600.0


@dataclass
class _Seen:
    """What the last look found.

    Attributes:
        signature: Of the study's folder.
        since: Monotonic seconds from which on it did not change.
    """

    signature: Listing
    since: float


@dataclass
class StudyIntake:
    """The use case of one site; one process at a time.

    Attributes:
        site: Whose intake.
        received: What came in.
        store: Where each study stands.
        ingest: Takes the folder of a study into the data set.
    """

    site: Site
    received: Received
    store: StudyStore
    ingest: Ingest
    _seen: dict[str, _Seen] = field(default_factory=dict, init=False)

    @classmethod
    def of(cls, site: Site) -> StudyIntake:
        """With the site's own folders and ingest."""
        received = Received(site.folder.received)
        received.open()
        received.thaw()
        return cls(
            site,
            received,
            StudyStore(site.folder.intake_store),
            lambda folder, now: SiteIngest(site, now).run(folder, anew=True),
        )

    def look(self, *, now: datetime, clock: Callable[[], float]) -> int:
        """Every study that is complete was taken as far as it goes; a defect of one stops no other.

        Args:
            now: UTC.
            clock: Seconds of a clock that nobody sets; quiet times are measured by it, anew for each study, for one before
                may have taken an hour.

        Returns:
            How many studies were worked on.
        """
        worked = 0
        folders = list(self.received.studies())
        for gone in self._seen.keys() - {folder.name for folder in folders}:
            del self._seen[gone]
        for folder in folders:
            try:
                worked += self._look_at(folder, now=now, clock=clock)
            except Exception as error:  # noqa: BLE001  one study's defect costs that study; told by type and place
                code = _code_of(error)
                if code not in BUSY:
                    log.warning("study %s: %s", folder.name[:8], code)
        return worked

    def _look_at(self, folder: Path, *, now: datetime, clock: Callable[[], float]) -> int:
        if self.received.is_given_up(folder):
            self._end_removal(folder, now=now)
        if not folder.exists():
            return 0
        signature, seen = self.received.signature(folder), self._seen.get(folder.name)
        if seen is None or seen.signature != signature:
            self._seen[folder.name] = _Seen(signature, clock())
            self._note_arrival(folder, again=seen is not None, now=now)
            return 0
        if clock() - seen.since < self._wait(folder.name):
            return 0
        with study_lock(self.site.folder):
            self._work(folder, now=now)
        seen.since = clock()
        return 1

    def _end_removal(self, folder: Path, *, now: datetime) -> None:
        """Whoever decided that it goes was killed before the end; it was done, unless a person had it deleted."""
        row = self.store.study(folder.name)
        if row is not None and row.state not in GONE:
            self.store.put(replace(row, state=StudyState.DONE, code="OK", updated_at=utc_text(now)))
        self.received.settle(folder)

    def _note_arrival(self, folder: Path, *, again: bool, now: datetime) -> None:
        """The study is receiving; after a start of this process it stands where it stood, unless something of it came."""
        row, instances = self.store.study(folder.name), len(self.received.listing(folder))
        same = row is not None and row.instances == instances and row.state not in GONE
        if instances and (again or not same):
            self.store.put(StudyRow(folder.name, StudyState.RECEIVING, "OK", instances, 0, utc_text(now)))

    def _wait(self, study: str) -> float:
        """Seconds without change before the study is worked on."""
        row, quiet = self.store.study(study), float(self.site.config.intake.quiet_s)
        if row is None or row.state is StudyState.RECEIVING:
            return quiet
        match row.state:
            case StudyState.HELD:
                return min(quiet, FIRST_RETRY_S)
            case StudyState.FAILED:
                doubled = min(row.attempts - 1, MOST_DOUBLINGS)
                return min(FIRST_RETRY_S * 2.0**doubled, LONGEST_RETRY_S) if row.attempts else 0.0
            case _:
                return float("inf")

    def _work(self, folder: Path, *, now: datetime) -> None:
        row, listing = self.store.study(folder.name), self.received.listing(folder)
        if row is None or not listing:
            return
        at = replace(row, instances=len(listing), updated_at=utc_text(now))
        if self.site.config.intake.legal_basis is None:
            self._put(at, StudyState.HELD, NO_LEGAL_BASIS)
            return
        try:
            with self.received.frozen(folder, listing) as frozen:
                report = self.ingest(frozen, now)
        except Exception as error:  # noqa: BLE001  one study's defect costs that study; told by type and place
            self._failed(at, _code_of(error))
            return
        if not report.complete:
            self._put(at, StudyState.QUARANTINED, _first_code(report))
            return
        self.received.give_up(folder, listing)
        self._put(at, StudyState.DONE, "OK")
        self.received.settle(folder)

    def _failed(self, row: StudyRow, code: str) -> None:
        attempts = row.attempts if code in BUSY else row.attempts + 1
        self._put(replace(row, attempts=attempts), StudyState.FAILED, code)

    def _put(self, row: StudyRow, state: StudyState, code: str) -> None:
        if (row.state, row.code) != (state, code):
            log.info("study %s: %s (%s)", row.study[:8], state.value, code)
        self.store.put(replace(row, state=state, code=code))


def _code_of(error: Exception) -> str:
    if isinstance(error, MyofedError):
        return error.code
    if isinstance(error, OSError):
        return "DISK_FULL" if error.errno in {errno.ENOSPC, errno.EDQUOT} else system_error(error).code
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error("unexpected %s at %s:%s", type(error).__name__, Path(place.filename).name, place.lineno)
    return "INTERNAL_ERROR"


def _first_code(report: IngestReport) -> str:
    codes = [file.code for file in report.files if file.outcome == "quarantined"]
    codes += [series.code for series in report.series if series.outcome == "quarantined"]
    return str(min((code for code in codes if code), default="QUARANTINED"))
