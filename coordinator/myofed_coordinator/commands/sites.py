"""`invite` and `sites list|approve|revoke|accept-history`."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from myofed_coordinator.commands.frame import HomeOption, JsonOption, actor, dumped, new_group, opened, show
from myofed_coordinator.enrolment.service import SeenRequest
from myofed_schemas.canonical import canonical_json
from myofed_schemas.clock import system_now
from myofed_schemas.enrolment import SiteRecord, for_reading_aloud
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.ids import SiteId

sites = new_group("Sites: who asked to join, who is in, who is out.")
SiteArgument = Annotated[str, typer.Argument(help="The site's name, e.g. hospital-a.", show_default=False)]


def invite(
    site: SiteArgument,
    out: Annotated[Path, typer.Option("--out", help="The invite is written here (mode 0600).", show_default=False)],
    home: HomeOption,
    pre_approve: Annotated[
        bool, typer.Option("--pre-approve", help="The certificate follows without `sites approve`.")
    ] = False,
    valid_hours: Annotated[int, typer.Option(min=1, max=24 * 90, help="The token opens for this long.")] = 72,
    json: JsonOption = False,
) -> None:
    """Writes a one-time invite for one site; hand it over by a way you trust. Earlier invites of the site that nobody used end.

    Example: myofed-coordinator invite hospital-a --out hospital-a.invite.json --home /srv/myofed
    """
    try:
        TypeAdapter(SiteId).validate_python(site)
    except ValidationError as error:
        raise MyofedError(
            "SITE_NAME",
            "a site's name has 2 to 32 lower-case letters, digits and hyphens, a letter first",
            exit_code=ExitCode.USAGE,
        ) from error
    if not os.access(out.absolute().parent, os.W_OK):
        raise MyofedError(
            "OUTPUT_FOLDER",
            "expected for --out a file in a folder that can be written, found none",
            hint="make the folder, or name another; no invite was made",
            exit_code=ExitCode.USAGE,
        )
    if out.exists():
        raise MyofedError(
            "OUTPUT_EXISTS",
            "expected for --out a new file, found one",
            hint="name another; no invite was made",
            exit_code=ExitCode.USAGE,
        )
    with opened(home) as services:
        made = services.enrolment.create_invite(
            site, actor=actor(), now=system_now(), valid=timedelta(hours=valid_hours), pre_approved=pre_approve
        )
    write_atomically(out, canonical_json(made))
    show(
        {"site": site, "path": str(out), "expires_at": made.expires_at, "pre_approved": pre_approve},
        lines=[f"Invite for {site} written; its token works once, until {made.expires_at}."],
        as_json=json,
    )


@sites.command("list")
def list_sites(home: HomeOption, json: JsonOption = False) -> None:
    """Shows every site with its state.

    Example: myofed-coordinator sites list --home /srv/myofed
    """
    with opened(home) as services:
        records = services.enrolment.list_sites()
    lines = [line for record in records for line in _lines_of(record)] or ["No site yet."]
    show({"sites": dumped(records)}, lines=lines, as_json=json)


@sites.command()
def approve(
    site: SiteArgument,
    home: HomeOption,
    fingerprint: Annotated[
        str | None,
        typer.Option("--fingerprint", metavar="HEX", help="Of its identity key, as its people read it to you."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Lets a site in that has asked: its certificate waits for its next `join`.

    Example: myofed-coordinator sites approve hospital-a --fingerprint '0a1b 2c3d ...' --home /srv/myofed
    """
    with opened(home) as services:
        seen = SeenRequest(fingerprint=fingerprint)
        services.enrolment.approve(site, actor=actor(), now=system_now(), seen=seen)
    show({"site": site, "state": "approved"}, lines=[f"{site} is approved."], as_json=json)


@sites.command()
def revoke(site: SiteArgument, home: HomeOption, json: JsonOption = False) -> None:
    """Shuts a site out from its next request on; it comes back only with a new invite.

    Example: myofed-coordinator sites revoke hospital-a --home /srv/myofed
    """
    with opened(home) as services:
        services.enrolment.revoke(site, actor=actor(), now=system_now())
    show({"site": site, "state": "revoked"}, lines=[f"{site} is revoked, effective at its next request."], as_json=json)


@sites.command("accept-history")
def accept_history(site: SiteArgument, home: HomeOption, json: JsonOption = False) -> None:
    """Takes a site's next audit head without a proof, after its people said why its chain is another one (a restored backup).

    Example: myofed-coordinator sites accept-history hospital-a --home /srv/myofed
    """
    with opened(home) as services:
        given_up = services.heads.accept_history(site, actor=actor(), now=system_now())
    line = f"{site}'s next head is a first one; what was co-signed up to {given_up.sequence} stands in the audit chain."
    show({"site": site, "given_up": given_up.model_dump(mode="json")}, lines=[line], as_json=json)


def _lines_of(record: SiteRecord) -> list[str]:
    lines = [f"{record.site:<32} {record.state:<9} last seen {record.last_seen or 'never'}"]
    if record.state == "pending" and record.identity_sha256 is not None:
        lines.append(f"  identity key {for_reading_aloud(record.identity_sha256)}")
        if record.requests > 1:
            lines.append(f"  {record.requests} requests with different keys came under this name; this is the last one")
    return lines
