"""Reading the egress ledger: totals after the chain was verified, per kind and per study."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from pydantic import Field

from myofed_node.federation.ledger import read_ledger, verify_ledger
from myofed_schemas.ledger import EgressSummary
from myofed_schemas.wire import WireModel


class StudyEgress(WireModel):
    """What left for one study."""

    requests: int = Field(ge=0)
    out_bytes: int = Field(ge=0)


class EgressReport(EgressSummary):
    """What `egress --json` prints: the totals, and the same by study (requests of no study under an empty name)."""

    by_study: dict[str, StudyEgress]


def egress_report(path: Path) -> EgressReport:
    """Totals of a ledger whose chain holds; an empty ledger gives zeros.

    Args:
        path: `egress.jsonl` of a site.

    Raises:
        MyofedError: LEDGER_BROKEN.
    """
    summary, entries = verify_ledger(path), read_ledger(path)
    requests: dict[str, int] = defaultdict(int)
    out_bytes: dict[str, int] = defaultdict(int)
    for entry in entries:
        if entry.kind != "refused":
            requests[entry.study] += 1
            out_bytes[entry.study] += entry.out_bytes
    by_study = {study: StudyEgress(requests=requests[study], out_bytes=out_bytes[study]) for study in sorted(requests)}
    return EgressReport(**summary.model_dump(), by_study=by_study)


def egress_lines(report: EgressReport) -> list[str]:
    """The report in words."""
    lines = [
        (
            f"{report.requests} requests left, {report.out_bytes} bytes out, {report.in_bytes} bytes in, "
            f"{report.refused} refused and never sent"
        ),
    ]
    lines += [
        f"  {kind}: {count} requests, {report.out_bytes_by_kind.get(kind, 0)} bytes out"
        for kind, count in sorted(report.by_kind.items())
    ]
    lines += [f"  study {study}: {item.out_bytes} bytes out" for study, item in report.by_study.items() if study]
    return [*lines, f"  the chain holds; head {report.head[:16]}"]
