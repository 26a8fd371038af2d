"""A validation as one HTML page that a person reads or files; it needs no network and no script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from html import escape

from myofed_schemas.rules import Finding, ValidationReport

MOST_FINDINGS = 2000
"""A browser shows them; a report of a wrong folder may have a hundred thousand, and JSON has all."""
SOURCES = {
    "ormir-mids": "the draft standard or its reference implementation",
    "profile": "profile myofed-1",
    "site": "rules that were added",
}
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}"
    "table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}td,th{border-bottom:1px solid #ccc;padding:.3rem .6rem;"
    "text-align:left;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.9em;"
    "overflow-wrap:anywhere}.claim{border-left:4px solid #1d5c8a;padding:.5rem 1rem;background:#f2f6f9}"
    ".claim.broken{border-color:#a3231f;background:#fbf1f0}.error{color:#a3231f;font-weight:600}.warning{color:#7a5200;"
    "font-weight:600}h3{margin:1.5rem 0 .3rem;font-size:1rem}p.hint{margin:.1rem 0 .6rem;color:#444}"
)


def validation_page(report: ValidationReport) -> bytes:
    """The page: the verdict, a summary by code, then the findings by path.

    Args:
        report: Names of files and keys in it are the data set's; they are escaped, and no value of an element is among them.
    """
    body = "\n".join(
        (
            "<h1>Validation of an ORMIR-MIDS data set</h1>",
            _verdict(report),
            f"<h2>Summary</h2>\n{_summary(report.findings)}",
            f"<h2>Findings</h2>\n{_findings(report.findings)}",
        )
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Validation of an ORMIR-MIDS data set</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    ).encode()


def _verdict(report: ValidationReport) -> str:
    verdict = "The data set conforms." if report.conforms else "The data set does not conform."
    asked = ", ".join(SOURCES[source] for source in report.sources)
    counts = f"{report.checks:,} checks of {report.images:,} images: {report.count('error'):,} errors, {report.count('warning'):,} warnings."
    return (
        f'<p class="claim{"" if report.conforms else " broken"}">{verdict} {escape(counts)}<br>'
        f"Rules asked: {escape(asked)}.</p>"
    )


def _summary(findings: Iterable[Finding]) -> str:
    counted = Counter((finding.level, finding.code, finding.source) for finding in findings)
    if not counted:
        return "<p>None.</p>"
    rows = [
        f'<tr><td class="{level}">{level}</td><td><code>{escape(code)}</code></td><td>{escape(source)}</td>'
        f'<td class="n">{count:,}</td></tr>'
        for (level, code, source), count in sorted(counted.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    ]
    return f"<table><tr><th>level</th><th>code</th><th>source</th><th>findings</th></tr>{''.join(rows)}</table>"


def _findings(findings: tuple[Finding, ...]) -> str:
    if not findings:
        return "<p>None.</p>"
    by_path: dict[str, list[Finding]] = {}
    for finding in findings[:MOST_FINDINGS]:
        by_path.setdefault(finding.path, []).append(finding)
    blocks = [f"<h3><code>{escape(path)}</code></h3>\n{''.join(map(_finding, of))}" for path, of in by_path.items()]
    more = len(findings) - MOST_FINDINGS
    return "\n".join(blocks) + (f"<p>And {more:,} more; <code>--json</code> names all.</p>" if more > 0 else "")


def _finding(finding: Finding) -> str:
    return (
        f'<p><span class="{finding.level}">{finding.level}</span> <code>{escape(finding.code)}</code> '
        f"({escape(finding.source)}): {escape(finding.message)}</p>"
        f'<p class="hint">Hint: {escape(finding.hint)}</p>\n'
    )
