"""The command that shows what this site would tell before a study exists; nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from myofed_node.commands.console import JsonOption, SiteOption, reporting

if TYPE_CHECKING:
    from myofed_schemas.planning import Fingerprint


def register(app: typer.Typer) -> None:
    """The command has its name in `app`."""
    app.command("fingerprint", epilog="Example: myofed-node fingerprint --site /srv/myofed --json")(fingerprint)


def fingerprint(site: SiteOption, as_json: JsonOption = False) -> None:
    """Show what would leave for the planning of a study: percentiles over labelled subjects, suppressed; nothing is sent."""
    with reporting(as_json=as_json) as console:
        from myofed_node.learning.fingerprint import fingerprint as take
        from myofed_node.site_setup import open_site

        opened = open_site(site)
        found = take(opened.folder.dataset, site=opened.config.site, policy=opened.config.policy.disclosure())
        console.result(found, _lines(found))


def _lines(found: Fingerprint) -> Iterator[str]:
    count = "withheld" if found.subjects.value is None else str(found.subjects.value)
    yield f"{found.site}: labelled subjects that can be used: {count} (k {found.policy.k})"
    for name in ("spacing_mm", "slice_mm", "size_px", "thigh_mm", "intensity_50", "intensity_spread"):
        told = ", ".join(f"{p.percent} %: {p.value:g}" for p in getattr(found, name))
        yield f"  {name}: {told or 'withheld'}"
    yield f"  echo times (ms): {', '.join(f'{t:g}' for t in found.echo_times_ms) or 'withheld'}"
    yield f"  channels: {', '.join(found.channels) or 'withheld'}"
    yield f"  structures: {', '.join(found.structures) or 'withheld'}"
