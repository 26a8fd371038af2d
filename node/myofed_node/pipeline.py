"""A site's ingest: every step is on record, may be killed, and is done again without losing or doubling a series.

received -> deidentified -> converted -> validated -> stored; a series ends stored, skipped, quarantined or held.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from myofed_node.audit import SiteAudit
from myofed_node.dataset_merge import DatasetMerge
from myofed_node.deid_settings import deid_settings
from myofed_node.ingest import IngestPolicy, Progress
from myofed_node.key_custody import no_ingest
from myofed_node.keys import load_deid_keys
from myofed_node.mids.judging.overrides import NO_OVERRIDES, Overrides, load_overrides
from myofed_node.site_setup import Site
from myofed_node.staging import Staged, StagingRules, load_staged, stage
from myofed_node.store import IngestRow, IngestState, SiteStore
from myofed_schemas.canonical import digest
from myofed_schemas.clock import utc_text
from myofed_schemas.conversion import IngestReport
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class SiteIngest:
    """The use case `ingest` of one site."""

    site: Site
    now: datetime
    progress: Progress | None = None

    def run(self, source: Path, *, anew: bool = False) -> IngestReport:
        """Every file and series of `source` has exactly one outcome, and what was converted lies in the site's data set.

        The same source again, after a kill or after the end, gives the same report and adds nothing twice.

        Args:
            source: DICOM file or folder, as it came from the scanner.
            anew: What was quarantined before is looked at again: a limit, a text reader or a decoder may be another one now.

        Returns:
            The report; its paths are those of the site's data set.

        Raises:
            MyofedError: SOURCE_MISSING, INGEST_RUNNING, KEY_*, or what the steps raise.
        """
        _check_source(source)
        folder, store = self.site.folder, SiteStore(self.site.folder.store)
        with no_ingest(folder):
            policy = self._policy()
            row = store.begin_ingest(self._fingerprint(source, policy), now=utc_text(self.now))
            self._settle_others(store, row)
            if row.state is IngestState.STORED:
                shutil.rmtree(self._work(row), ignore_errors=True)
                report = IngestReport.model_validate_json(self._report_path(row).read_bytes())
                if report.complete or not anew:
                    return report
                store.advance_ingest(row.id, IngestState.RECEIVED, now=utc_text(self.now))
                row = replace(row, state=IngestState.RECEIVED)
            staged = self._stage(source, row, store, policy)
            return self._take_in(staged, row, store)

    def _stage(self, source: Path, row: IngestRow, store: SiteStore, policy: IngestPolicy) -> Staged:
        work = self._work(row)
        if row.state is IngestState.VALIDATED:
            return load_staged(work)
        work.mkdir(mode=0o700, exist_ok=True)

        def reached(state: IngestState) -> None:
            store.advance_ingest(row.id, state, now=utc_text(self.now))

        rules = StagingRules(load_deid_keys(self.site.folder), policy, self.now)
        return stage(source, work, rules=rules, reached=reached, progress=self.progress)

    def _take_in(self, staged: Staged, row: IngestRow, store: SiteStore) -> IngestReport:
        merge = DatasetMerge(self.site.folder.dataset, store, ingest_id=row.id)
        report = merge.take_in(staged.report, staged=staged.dataset, refused=staged.refused)
        write_atomically(self._report_path(row), report.model_dump_json(indent=1).encode())
        self._record(row, report)
        store.advance_ingest(row.id, IngestState.STORED, now=utc_text(self.now))
        shutil.rmtree(self._work(row))
        return report

    def _record(self, row: IngestRow, report: IngestReport) -> None:
        counts: dict[str, str | int] = {
            "converted": report.count("converted"),
            "skipped": report.count("skipped"),
            "quarantined": report.count("quarantined"),
        }
        SiteAudit(self.site.folder).append("INGESTED", subject=row.fingerprint, now=self.now, detail=counts)

    def _policy(self) -> IngestPolicy:
        settings = deid_settings(self.site)
        return IngestPolicy(
            settings.policy,
            hold_head=self.site.config.policy.hold_head,
            options=settings.options,
            overrides=_overrides(self.site),
        )

    def _fingerprint(self, source: Path, policy: IngestPolicy) -> str:
        """Digest of the input files' digests and of what decides their fate; no name or path is part of it."""
        decides: dict[str, str | int] = {
            "deidentification": policy.deidentification.digest(),
            "hold_head": int(policy.hold_head),
            "key": load_deid_keys(self.site.folder).check(),
            "version": version("myofed"),
        }
        if policy.overrides.digest:
            decides["overrides"] = policy.overrides.digest
        if policy.options.pseudonyms:
            decides["pseudonyms"] = policy.options.pseudonyms.check()
        return digest({"files": sorted(_sha256(path) for path in _files(source)), **decides})

    def _settle_others(self, store: SiteStore, mine: IngestRow) -> None:
        """Ingests that were killed while files moved are finished first; those killed before start anew when called."""
        for row in store.ingests():
            if row.id == mine.id:
                continue
            if row.state is IngestState.VALIDATED:
                self._take_in(load_staged(self._work(row)), row, store)
            elif row.state is not IngestState.STORED:
                store.advance_ingest(row.id, IngestState.RECEIVED, now=utc_text(self.now))
            shutil.rmtree(self._work(row), ignore_errors=True)

    def _work(self, row: IngestRow) -> Path:
        return self.site.folder.intake / f"work-{row.id}"

    def _report_path(self, row: IngestRow) -> Path:
        return self.site.folder.intake / f"ingest-{row.id}.json"


def _overrides(site: Site) -> Overrides:
    """What the site says of its series where headers cannot."""
    name = site.config.conversion_overrides
    return load_overrides(site.folder.root / name) if name else NO_OVERRIDES


def _check_source(source: Path) -> None:
    if not source.exists():
        raise MyofedError(
            "SOURCE_MISSING",
            "expected a file or folder to ingest, found nothing there",
            hint="name the folder that the scanner or the PACS exported",
            exit_code=ExitCode.USAGE,
        )


def _files(source: Path) -> Iterator[Path]:
    if source.is_file():
        yield source
        return
    for folder, _, names in os.walk(source):
        yield from (Path(folder, name) for name in names)


def _sha256(path: Path) -> str:
    """Digest of a file's bytes; of a mark where it is no readable file, so that it counts as one all the same."""
    if path.is_symlink() or not path.is_file():
        return hashlib.sha256(b"not a regular file").hexdigest()
    seen = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                seen.update(chunk)
    except PermissionError:
        return hashlib.sha256(b"unreadable").hexdigest()
    return seen.hexdigest()
