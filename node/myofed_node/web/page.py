"""The site's page as HTML: what came in, what is held back and why, what left, what runs."""

from __future__ import annotations

from collections import Counter
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

from myofed_node.egress_report import egress_report
from myofed_node.site_setup import Site
from myofed_node.status import SiteStatus, site_status
from myofed_node.store import SeriesState, SiteStore
from myofed_schemas.errors import MyofedError

Row = tuple[str, ...]


def render_site(site: Site) -> str:
    """The whole page; a part that cannot be read shows its code and stops no other."""
    try:
        status = site_status(site)
    except MyofedError as error:
        return _page(site.config.site, demo=site.config.policy.demo, body=_alarm(error))
    body = "".join(
        (
            _section("This site", ("", ""), _overview(status)),
            _section("Held back", ("why", "series"), _held_back(site)),
            _section("Studies", ("study", "version", "decision"), _studies(status)),
            _section("What left this site", ("kind", "requests", "bytes out"), _egress(site)),
            _section("Services", ("name", "state"), tuple(sorted(status.children.items()))),
        )
    )
    return _page(site.config.site, demo=site.config.policy.demo, body=body)


def render_login(*, wrong: bool) -> str:
    """The page that asks for the token."""
    note = '<p class="bad">That is not the token.</p>' if wrong else ""
    return _template("login.html").substitute(note=note)


@cache
def stylesheet() -> str:
    """The one style sheet."""
    return _resource("page.css")


def _overview(status: SiteStatus) -> tuple[Row, ...]:
    series = ", ".join(f"{count} {state}" for state, count in status.series.items())
    service = status.service
    return (
        ("subjects", str(status.subjects)),
        ("sessions", str(status.sessions)),
        ("series", series or "none yet"),
        ("card", f"version {status.card_version}" if status.card_published_at else "not published"),
        ("certificate until", status.certificate_not_after or "not enrolled"),
        ("last contact", (service.last_contact if service else None) or "never"),
        ("state", service.code if service else "NODE_NOT_RUNNING"),
    )


def _held_back(site: Site) -> tuple[Row, ...]:
    held = (SeriesState.QUARANTINED, SeriesState.HELD)
    codes = Counter(row.code for row in SiteStore(site.folder.store).all_series() if row.state in held)
    return tuple((code, str(count)) for code, count in sorted(codes.items()))


def _studies(status: SiteStatus) -> tuple[Row, ...]:
    """One that is broken says its code in place of the decision."""
    rows = []
    for study in status.studies:
        decision = "waiting for you" if study.decision == "waiting" else study.decision or ""
        name = f"{study.study_id}: {study.title}" if study.title else study.study_id
        rows.append((name, str(study.version or "-"), decision if study.code == "OK" else study.code))
    return tuple(rows)


def _egress(site: Site) -> tuple[Row, ...]:
    report = egress_report(site.folder.ledger)
    return tuple(
        (kind, str(count), str(report.out_bytes_by_kind.get(kind, 0))) for kind, count in sorted(report.by_kind.items())
    )


def _section(title: str, heads: Row, rows: tuple[Row, ...]) -> str:
    top = "".join(f"<th>{escape(head)}</th>" for head in heads) if any(heads) else ""
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    table = f"<table><tr>{top}</tr>{lines}</table>" if rows else "<p>nothing</p>"
    return f"<section><h2>{escape(title)}</h2>{table}</section>"


def _alarm(error: MyofedError) -> str:
    return f'<section><p class="bad">{escape(error.code)}</p><p>{escape(error.hint)}</p></section>'


def _page(title: str, *, demo: bool, body: str) -> str:
    banner = '<p class="demo">DEMO POLICY: synthetic patients only</p>' if demo else ""
    return _template("page.html").substitute(title=escape(title), banner=banner, body=body)


@cache
def _template(name: str) -> Template:
    return Template(_resource(name))


def _resource(name: str) -> str:
    return files("myofed_node.web").joinpath(name).read_text(encoding="utf-8")
