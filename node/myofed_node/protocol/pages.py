"""Result, sheet and summary as single HTML pages: no script, no network, printable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from myofed_node.protocol.sheet import Sheet
from myofed_node.protocol.vendor_terms import VENDORS
from myofed_schemas.protocol import (
    LimitFinding,
    MonthTally,
    ProfileUsed,
    ProtocolReport,
    ProtocolSummary,
    SeriesCheck,
    Tally,
    add_tallies,
)

_STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;max-width:64rem;margin:1.5rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}"
    "table{border-collapse:collapse;width:100%;margin:.4rem 0 1.2rem}td,th{border-bottom:1px solid #ccc;padding:.25rem .5rem;"
    "text-align:left;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}h1{font-size:1.5rem}h2{font-size:1.1rem;"
    "margin:1.2rem 0 .2rem}code{font-size:.9em;overflow-wrap:anywhere}.pass{color:#1b6b2f}.warn,.unknown{color:#8a5a00}.fail{color:#a4001d;"
    "font-weight:600}.not-checked,.small{color:#555;font-size:.9em}.bar{background:#e4e4e4;height:.8rem;min-width:8rem}.bar i{display:block;"
    "height:100%;background:#1d5c8a}"
)
_PRINT = (
    "@page{size:A4 landscape;margin:9mm}@media print{body{font-size:9px;line-height:1.25;max-width:none;margin:0;padding:0}"
    "h1{font-size:14px;margin:0}h2{font-size:10px;margin:4px 0 0}td,th{padding:1px 4px}table{margin:2px 0 4px}p,ul,ol{margin:2px 0}}"
)


def check_page(report: ProtocolReport) -> bytes:
    """Each acquisition with its verdict, and every limit with what was expected and found."""
    rows = [
        f'<tr><td class="{_css(one.verdict)}">{one.verdict}</td><td><code>{escape(one.name)}</code></td>'
        f"<td>{escape(one.profile or '')}</td><td>{escape(one.reason)}</td></tr>"
        for one in report.series
    ]
    body = (
        f"<h1>Protocol check</h1><p>{escape(total_line(report))}</p>"
        f"{_table(('', 'acquisition', 'profile', ''), rows)}"
        f"{''.join(_series(one) for one in report.series if one.findings)}"
        f"{_profiles(report.profiles)}"
    )
    return _page("Protocol check", body)


def total_line(report: ProtocolReport) -> str:
    """Counts in words."""
    counts = ", ".join(f"{report.count(verdict)} {verdict}" for verdict in ("pass", "warn", "fail", "unknown"))
    return f"{report.checked} of {len(report.series)} acquisitions checked: {counts}"


def _series(one: SeriesCheck) -> str:
    rows = [_finding(finding) for finding in one.findings]
    caution = f'<p class="small">{escape(one.caution)}</p>' if one.caution else ""
    heading = f'<h2><span class="{_css(one.verdict)}">{one.verdict}</span> <code>{escape(one.name)}</code></h2>'
    return f"{heading}{caution}{_table(('', 'limit', 'expected', 'found', 'why, and who says so'), rows)}"


def _finding(one: LimitFinding) -> str:
    why = "" if one.verdict == "pass" else f"{escape(one.why)}. "
    return (
        f'<tr><td class="{_css(one.verdict)}">{one.verdict}</td><td>{escape(one.key)}</td><td>{escape(one.expected)}</td>'
        f'<td>{escape(one.found)}</td><td>{why}<span class="small">{escape(one.source)} ({escape(one.certainty)})</span></td></tr>'
    )


def sheet_page(made: Sheet) -> bytes:
    """The sheet, made to fit on one page of A4 across."""
    profile = made.profile
    rows = [
        f"<tr><td>{escape(row.title)} <sup>{row.note}</sup></td><td><b>{escape(row.target)}</b></td><td>{escape(row.accepts)}</td>"
        f"<td>{escape(row.warns)}</td>{''.join(f'<td>{escape(term)}</td>' for term in row.terms)}</tr>"
        for row in made.rows
    ]
    body = (
        f"<h1>{escape(profile.title)}</h1><p>{escape(profile.about)} Profile <code>{escape(profile.name)}</code>, "
        f"for {escape(profile.purpose)}.</p>"
        f"{_table(('parameter', 'set', 'accepted', 'warned', *VENDORS), rows)}"
        f"{_list('T1 bias of the fat fraction', made.flip_angles)}"
        f"{_list('What no header can prove', profile.advice)}"
        f"{_list('Caution', [profile.caution] if profile.caution else [])}"
        f"{_list('Sources', made.sources, tag='ol')}"
        '<p class="small">What is neither accepted nor warned fails. Names on consoles differ between software versions.</p>'
    )
    return _page(profile.title, body)


def summary_page(summary: ProtocolSummary) -> bytes:
    """Share conforming by month, by profile and by limit; counts only."""
    months = sorted({row.month or "" for row in summary.months})
    names = sorted({row.profile or "" for row in summary.months})
    total = summary.total
    body = (
        f"<h1>Protocol conformity of {escape(summary.site)}</h1>"
        f"<p>{total.passed + total.warned} of {total.checked} checked acquisitions pass or warn; {summary.not_checked} were not checked. "
        "Months are those of the first ingest (UTC): a data set holds no date of an examination.</p>"
        f"{_bars('By month', 'month', ((month or 'not known', _sum(summary.months, month=month)) for month in months))}"
        f"{_bars('By profile', 'profile', ((name or 'not known', _sum(summary.months, profile=name)) for name in names))}"
        f"{''.join(_trend(name, summary.months) for name in names)}"
        f"{_bars('By limit', 'limit', ((f'{row.profile}: {row.key}', row.tally) for row in summary.limits))}"
        f"{_profiles(summary.profiles)}"
    )
    return _page(f"Protocol conformity of {summary.site}", body)


def _trend(name: str, rows: Sequence[MonthTally]) -> str:
    of_profile = [(row.month or "not known", row.tally) for row in rows if (row.profile or "") == name]
    return _bars(f"{name or 'profile not known'}, by month", "month", of_profile)


def _sum(rows: Iterable[MonthTally], *, month: str | None = None, profile: str | None = None) -> Tally:
    return add_tallies(
        row.tally for row in rows if month in (None, row.month or "") and profile in (None, row.profile or "")
    )


def _bars(title: str, first: str, rows: Iterable[tuple[str, Tally]]) -> str:
    lines = [
        f'<tr><td>{escape(name)}</td><td class="n">{tally.passed}</td><td class="n">{tally.warned}</td><td class="n">{tally.failed}</td>'
        f'<td class="n">{tally.unknown}</td><td class="n">{tally.conforming_percent:.0f} %</td>'
        f'<td><div class="bar"><i style="width:{tally.conforming_percent:.1f}%"></i></div></td></tr>'
        for name, tally in rows
    ]
    return f"<h2>{escape(title)}</h2>{_table((first, 'pass', 'warn', 'fail', 'unknown', 'pass or warn', ''), lines)}"


def _profiles(used: Sequence[ProfileUsed]) -> str:
    rows = [f"<tr><td>{escape(u.name)}</td><td>{u.origin}</td><td><code>{u.digest}</code></td></tr>" for u in used]
    return f"<h2>Profiles at hand</h2>{_table(('profile', 'from', 'SHA-256'), rows)}"


def _list(title: str, items: Sequence[str], *, tag: str = "ul") -> str:
    lines = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f"<h2>{escape(title)}</h2><{tag}>{lines}</{tag}>" if items else ""


def _table(head: Sequence[str], rows: Sequence[str]) -> str:
    heads = "".join(f"<th>{escape(title)}</th>" for title in head)
    return f"<table><tr>{heads}</tr>{''.join(rows)}</table>" if rows else "<p>None.</p>"


def _css(verdict: str) -> str:
    return verdict.replace(" ", "-")


def _page(title: str, body: str) -> bytes:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}{_PRINT}</style></head>\n<body>\n{body}\n</body></html>\n"
    ).encode()
