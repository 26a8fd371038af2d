"""The one public verb: files in, verified de-identified files and a report out."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from myofed_anonymization.dataset import claimed_options
from myofed_anonymization.inputs import Inputs
from myofed_anonymization.journal import Journal, Totals, numbers_of
from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.output_folder import JOURNAL, OutputFolder, report_bytes
from myofed_anonymization.policy import Policy
from myofed_anonymization.profile import EDITION, ROWS
from myofed_anonymization.pseudonym_sources import PseudonymSource
from myofed_anonymization.report_page import report_page
from myofed_anonymization.vault import Vault
from myofed_anonymization.worker_pool import WorkerPool
from myofed_anonymization.worker_process import Setup, Task
from myofed_schemas.clock import utc_text
from myofed_schemas.deid import REPORT_NAME, DeidentificationReport, DeidentificationSummary
from myofed_schemas.files import write_atomically
from myofed_schemas.side_record import SIDE_RECORD_NAME, SideRecord

Progress = Callable[[int, int], None]
"""Called with (files done, files in all) after every file."""
FILES_A_PROCESS = 4
"""A worker takes half a second to start: as long as some tens of small files."""
CLAIM = (
    "Pseudonymised by PS3.15 Annex E (Basic Application Level Confidentiality Profile with the options named in each file), "
    "keyed with the site's key, each file searched for its original's identifying values after writing. Not anonymous: "
    "who holds the site's key can test a guess, and images of a body remain images of that body."
)


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may decide beside key and policy.

    Attributes:
        pseudonyms: A trusted third party's; keyed when None.
        vault: Keeps which pseudonym stands for which patient; none unless given.
        processes: Worker processes; as many as this process may use cores when None.
    """

    pseudonyms: PseudonymSource | None = None
    vault: Vault | None = None
    processes: int | None = None


def deidentify(  # noqa: PLR0913  the one public verb; key, policy and time are no options
    sources: Path | Iterable[Path],
    out: Path,
    *,
    keys: SiteKeys,
    policy: Policy,
    now: dt.datetime,
    options: Options | None = None,
    progress: Progress | None = None,
) -> DeidentificationSummary:
    """`out` holds a verified de-identified copy of every input that could be proven clean, and a report on every input.

    Copies lie at <StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm (new UIDs), side records beside them;
    deidentification-report.json is written last, its page for people before it. May be killed at any moment and called again
    with the same arguments: it goes on where it stood, and the result is that of one undisturbed run. A file of `out` that
    this call did not make is removed when it lies in that layout. Memory does not grow with the number of files.

    Args:
        sources: A file, a folder (walked; symbolic links are not followed) or several of them.
        out: A folder that is new, empty, or of an earlier call with the same key, policy and source of pseudonyms; not inside
            a source.
        keys: The site's key.
        policy: What may stay.
        now: Time of the report, with its time zone.
        options: See Options.
        progress: Called after every file.

    Returns:
        The report without its list of files; `read_report(out)` reads all of it.

    Raises:
        MyofedError: SOURCE_MISSING, SOURCE_EMPTY, SOURCE_UNREADABLE, OUT_INSIDE_SOURCE, OUT_NOT_EMPTY, OUT_OF_ANOTHER_RUN,
            OUT_BUSY, OUT_NOT_WRITABLE, WORKER_START, or a code of the vault.
        OSError: `out` cannot be written.
    """
    chosen = options or Options()
    inputs = Inputs.below([sources] if isinstance(sources, Path) else sources, out=out)
    third_party = chosen.pseudonyms.check() if chosen.pseudonyms else ""
    folder = OutputFolder.open(out, mark=f"{keys.check()}-{third_party}-{policy.digest()[:16]}")
    try:
        made_by = f"{_tools()} {code_digest()} {'with' if chosen.vault else 'without'} vault"
        journal = Journal.open(folder.staging / JOURNAL, tools=made_by)
        try:
            setup = Setup(
                keys,
                policy,
                chosen.pseudonyms,
                chosen.vault,
                out.resolve(),
                folder.staging.resolve(),
                journal.has_earlier,
            )
            _treat_all(inputs, setup, journal, _processes(chosen, inputs.count), progress)
            journal.judge()
            summary = _summary(journal, keys=keys, policy=policy, third_party=third_party, now=now)
            summary = summary.model_copy(update={"side_records": dict(_side_records(journal, out))})
            files = (outcome.model_dump_json(exclude_defaults=True) for outcome in journal.outcomes())
            folder.finish(
                report_bytes(summary, files),
                report_page(summary, policy),
                expected=lambda path: path in summary.side_records or journal.is_released(path),
            )
        finally:
            journal.close()
    finally:
        folder.close()
    return summary


def read_report(out: Path) -> DeidentificationReport:
    """The whole report of a finished run.

    Raises:
        FileNotFoundError: There is none: the run did not finish.
        ValidationError: The file is no report of ours.
    """
    return DeidentificationReport.model_validate_json((out / REPORT_NAME).read_bytes())


def _treat_all(inputs: Inputs, setup: Setup, journal: Journal, processes: int, progress: Progress | None) -> None:
    tasks = (Task(number, path) for number, path in enumerate(inputs, start=1))
    with WorkerPool(setup, processes=processes) as pool:
        for done, treated in enumerate(pool.results(tasks), start=1):
            journal.add(treated)
            if progress:
                progress(done, max(done, inputs.count))


def _processes(options: Options, files: int) -> int:
    cores = options.processes or len(os.sched_getaffinity(0))
    return max(1, min(cores, -(-files // FILES_A_PROCESS)))


@lru_cache(maxsize=1)
def code_digest() -> str:
    """SHA-256 over this package's files: what a killed run of other code made is made again."""
    seen = hashlib.sha256()
    for path in sorted(path for path in Path(__file__).parent.rglob("*") if path.suffix in {".py", ".tsv", ".yaml"}):
        seen.update(path.read_bytes())
    return seen.hexdigest()


def _tools() -> dict[str, str]:
    return {name: version(name) for name in ("myofed", "pydicom")}


def _side_records(journal: Journal, out: Path) -> Iterator[tuple[str, str]]:
    """Path and digest of every series' side record, each written."""
    for series, rows in groupby(journal.numbers(), key=lambda row: row[0].rpartition("/")[0]):
        instances = {Path(output).stem: numbers_of(text) for output, text in rows}
        record = SideRecord(series_instance_uid=series.rpartition("/")[2], instances=instances)
        content = record.to_json()
        name = f"{series}/{SIDE_RECORD_NAME}"
        write_atomically(out / name, content)
        yield name, hashlib.sha256(content).hexdigest()


def _summary(
    journal: Journal, *, keys: SiteKeys, policy: Policy, third_party: str, now: dt.datetime
) -> DeidentificationSummary:
    totals = Totals()
    for outcome in journal.outcomes():
        totals.add(outcome)
    return DeidentificationSummary(
        created=utc_text(now),
        policy=policy.version,
        policy_digest=policy.digest(),
        options=claimed_options(policy),
        profile_edition=EDITION,
        profile_rows=ROWS,
        tools=_tools(),
        key_check=keys.check(),
        pseudonym_check=third_party,
        claim=CLAIM,
        received=totals.received,
        deidentified=totals.released,
        withheld=totals.received - totals.released,
        withheld_by_code=dict(sorted(totals.codes.items())),
        notes=dict(sorted(totals.notes.items())),
        actions=dict(sorted(totals.actions.items())),
        checks=totals.checks,
    )
