"""De-identified DICOM in, ORMIR-MIDS out: every series with exactly one reasoned outcome."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock

from myofed_node.mids.convert_pool import ConvertPool
from myofed_node.mids.convert_worker import Setup
from myofed_node.mids.dataset_files import write_dataset_files, write_description
from myofed_node.mids.dataset_lock import holding
from myofed_node.mids.dicom_input.source import Source, open_source
from myofed_node.mids.earlier_images import remove_empty_subjects
from myofed_node.mids.judging.overrides import unused_levels
from myofed_node.mids.kept_memory import keep_freed_memory
from myofed_node.mids.series_writer import RunFacts
from myofed_node.mids.session import convert_sessions
from myofed_node.mids.session_task import ConvertOptions, Judged, SessionTask
from myofed_schemas.clock import utc_text
from myofed_schemas.conversion import ConversionReport
from myofed_schemas.deid import DeidentificationSummary
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

IN_PROCESS_BYTES, IN_PROCESS_FILES = 192 << 20, 1000
"""So much is done here: in the time in which a worker starts, this process converts some hundred files."""
MOST_WRITERS = 4
"""Threads that read, and then write, series of one session where cores are left; each holds one series in memory."""
Progress = Callable[[int, int], None]

__all__ = ["ConvertOptions", "Progress", "convert", "tool_versions"]


def convert(
    source: Path,
    out: Path,
    *,
    now: dt.datetime,
    options: ConvertOptions | None = None,
    progress: Progress | None = None,
) -> ConversionReport:
    """`out` is an ORMIR-MIDS data set with an image for every series that could be proven one of the profile.

    Accepts only a folder that our de-identification wrote: report and digests must agree. Works session by session, several at
    a time where there is much to do; memory does not grow with the number of files, and the report is the same however many
    processes there were. May be killed at any moment and called again; a second call adds nothing twice and overwrites no
    other series. Images that an earlier call made of these series and that the report does not name are removed; a series
    with such an image that has a label map is left as it is and quarantined (EARLIER_IMAGE_LABELLED).

    Args:
        source: De-identified DICOM with its report.
        out: New, empty or an earlier data set of ours; neither inside the source nor around it.
        now: Time of the report, with its time zone.
        options: See ConvertOptions.
        progress: Called with (series done, series in all), in any thread, once at a time.

    Raises:
        MyofedError: SOURCE_MISSING, OUT_INSIDE_SOURCE, DEID_REPORT_MISSING, DEID_REPORT_INVALID, DEID_FILE_MISSING, DEID_FILE_EXTRA, DEID_FILE_CHANGED,
            DEID_SIDE_RECORD_INVALID, OUT_NOT_EMPTY, OUT_BUSY, SESSION_NOT_OURS, WORKER_START.
    """
    options = options or ConvertOptions()
    _refuse_folders(source, out)
    with open_source(source) as opened, holding(out) as lock:
        run = RunFacts(out, opened.summary.policy_digest, tool_versions(opened.summary))
        counted = _Counted(opened.series_count(), progress)
        with ThreadPoolExecutor(max_workers=1) as beside:  # the disk takes it while files are read
            described = beside.submit(write_description, out, tools=run.tools)
            judged = list(_judged(opened, Setup(run, options), lock, counted, ready=described.result))
            described.result()
        remove_empty_subjects(out)
        write_dataset_files(out, tools=run.tools)
    judged.sort(key=lambda one: (one.series_number, one.outcome.series_instance_uid))
    return ConversionReport(
        created=utc_text(now),
        policy_digest=run.policy_digest,
        tools=run.tools,
        series=tuple(one.outcome.model_copy(update={"number": n}) for n, one in enumerate(judged, start=1)),
        unused_overrides=_unused(len(options.overrides.rules), judged),
        unused_levels=unused_levels(options.overrides, (one.outcome.series_instance_uid for one in judged)),
    )


def _refuse_folders(source: Path, out: Path) -> None:
    if not source.is_dir():
        raise MyofedError(
            "SOURCE_MISSING",
            "expected a folder that `deidentify` wrote, found none",
            hint="check the path",
            exit_code=ExitCode.USAGE,
        )
    inside, around = source.resolve(), out.resolve()
    if around.is_relative_to(inside) or inside.is_relative_to(around):
        raise MyofedError(
            "OUT_INSIDE_SOURCE",
            "expected OUT beside the source, found one inside the other",
            hint="choose another folder",
            exit_code=ExitCode.USAGE,
        )


def _unused(rules: int, judged: list[Judged]) -> tuple[int, ...]:
    used = {number for one in judged for number in one.rules}
    return tuple(number for number in range(1, rules + 1) if number not in used)


class _Counted:
    """Each series counts once, also where a session is done again after a worker died."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._progress = total, progress
        self._done: set[str] = set()
        self._lock = Lock()

    def __call__(self, what: str, uid: str) -> None:
        with self._lock:  # sessions tell from their own threads
            if what == "done" and uid not in self._done:
                self._done.add(uid)
                if self._progress:
                    self._progress(len(self._done), self._total)


def _judged(
    opened: Source, setup: Setup, lock: int, counted: _Counted, *, ready: Callable[[], None]
) -> Iterator[Judged]:
    sessions, cores = opened.sessions(), setup.options.processes or len(os.sched_getaffinity(0))
    alone = opened.content_bytes <= IN_PROCESS_BYTES and opened.files <= IN_PROCESS_FILES
    together = max(1, min(cores, len(sessions)))  # a source may hold no series at all
    writers = min(MOST_WRITERS, cores // together)
    tasks = (SessionTask(study_uid, opened.session(study_uid), writers=writers) for study_uid in sessions)
    if alone:
        keep_freed_memory()
        yield from convert_sessions(tasks, setup.run, setup.options, tell=counted, ready=ready, together=together)
        return
    ready()
    with ConvertPool(setup, processes=together, inherited=(lock,)) as pool:
        yield from pool.results(tasks, tell=counted)


@lru_cache(maxsize=8)
def _version(package: str) -> str:
    """Reading a distribution's metadata takes milliseconds."""
    return version(package)


def tool_versions(summary: DeidentificationSummary) -> dict[str, str]:
    """Versions of what made the images: ours and the libraries', with those of the de-identification."""
    ours = {name: _version(name) for name in ("isal", "myofed", "nibabel", "numpy", "pydicom")}
    return ours | {f"deidentification-{name}": found for name, found in summary.tools.items()}
