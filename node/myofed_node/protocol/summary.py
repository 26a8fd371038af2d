"""How well a site keeps to the profiles, by month of ingest: the date of an examination is nowhere in a data set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from myofed_node.protocol.check import check
from myofed_node.protocol.profiles import Profiles
from myofed_schemas.conversion import IngestReport
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import SiteId
from myofed_schemas.protocol import (
    LimitTally,
    LimitVerdict,
    MonthTally,
    ProtocolReport,
    ProtocolSummary,
    SeriesCheck,
    Tally,
)

_REPORT = re.compile(r"ingest-\d+\.json")
_FIELD_OF = {"pass": "passed", "warn": "warned", "fail": "failed", "unknown": "unknown"}


def summarise(site: SiteId, *, dataset: Path, intake: Path, profiles: Profiles) -> ProtocolSummary:
    """Counts of the site's acquisitions by month of their first ingest (UTC) and by profile, and by limit.

    An acquisition that lies in the data set is counted once, in the month of the first ingest report that names one of its
    images; what was removed from the data set is not counted.

    Args:
        site: Its name.
        dataset: The site's; one that is not there holds nothing.
        intake: Folder of the ingest reports.
        profiles: See `load_profiles`.

    Raises:
        MyofedError: INGEST_REPORT_INVALID.
    """
    report = check(dataset, profiles) if dataset.is_dir() else ProtocolReport(profiles=profiles.used, series=())
    months = _months(intake)
    rows: dict[tuple[str, str], Counter[str]] = {}
    for series in report.series:
        if series.verdict != "not checked":
            row = (_month(series, months) or "", series.profile or "")
            rows.setdefault(row, Counter())[_FIELD_OF[series.verdict]] += 1
    return ProtocolSummary(
        site=site,
        profiles=report.profiles,
        months=tuple(
            MonthTally(month=month or None, profile=name or None, tally=Tally(**counts))
            for (month, name), counts in sorted(rows.items())
        ),
        limits=_limits(report),
        not_checked=report.count("not checked"),
    )


def _month(series: SeriesCheck, months: Mapping[str, str]) -> str | None:
    return min((months[image] for image in series.images if image in months), default=None)


def _months(intake: Path) -> Mapping[str, str]:
    """Image -> month of the first ingest that names it."""
    months: dict[str, str] = {}
    for report in _ingest_reports(intake):
        month = report.created[:7]
        for image in (image.path for series in report.series for image in series.images):
            months[image] = min(month, months.get(image, month))
    return months


def _ingest_reports(intake: Path) -> Iterable[IngestReport]:
    for path in sorted(intake.glob("ingest-*.json")):
        if not _REPORT.fullmatch(path.name):
            continue
        try:
            yield IngestReport.model_validate_json(path.read_bytes())
        except ValidationError:
            raise MyofedError(
                "INGEST_REPORT_INVALID",
                f"expected the report of an ingest in {path.name}, found something else",
                hint="was it changed by hand, or written by a newer version? restore it from the backup",
                exit_code=ExitCode.SITE_FOLDER,
            ) from None


def _limits(report: ProtocolReport) -> tuple[LimitTally, ...]:
    counts: dict[tuple[str, str], Counter[LimitVerdict]] = {}
    judged = ((series.profile, finding) for series in report.series for finding in series.findings if series.profile)
    for profile, finding in judged:
        counts.setdefault((profile, finding.key), Counter())[finding.verdict] += 1
    return tuple(
        LimitTally(profile=profile, key=key, tally=Tally(**{_FIELD_OF[v]: n for v, n in count.items()}))
        for (profile, key), count in sorted(counts.items())
    )
