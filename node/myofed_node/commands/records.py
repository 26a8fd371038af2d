"""Commands that read the site's records: what left, and what was decided."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from myofed_node.commands.console import JsonOption, SiteOption, reporting
from myofed_schemas.clock import system_now
from myofed_schemas.wire import WireModel


class AuditExport(WireModel):
    """What `audit export --json` prints."""

    path: str
    entries: int
    head: str


class HistoryAccepted(WireModel):
    """What `audit accept-coordinator --json` prints: the head that binds the coordinator no more."""

    witnessed_entries: int
    witnessed_head: str


class AuditVerdict(WireModel):
    """What `audit verify --json` prints: both heads of chains that hold."""

    audit_entries: int
    audit_head: str
    cosigned_up_to: int
    egress_requests: int
    egress_head: str


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    app.command("egress", epilog="Example: myofed-node egress --site /srv/myofed --json")(egress)
    audit = typer.Typer(help="The site's audit chain.", no_args_is_help=True, rich_markup_mode=None)
    audit.command("verify", epilog="Example: myofed-node audit verify --site /srv/myofed")(audit_verify)
    audit.command("export", epilog="Example: myofed-node audit export --jsonl audit.jsonl --site /srv/myofed")(
        audit_export
    )
    audit.command("accept-coordinator", epilog="Example: myofed-node audit accept-coordinator --site /srv/myofed")(
        accept_coordinator
    )
    app.add_typer(audit, name="audit")


def egress(site: SiteOption, as_json: JsonOption = False) -> None:
    """Show what left this site: totals of the egress ledger by kind and by study, after its chain was verified."""
    with reporting(as_json=as_json) as console:
        from myofed_node.egress_report import egress_lines, egress_report
        from myofed_node.site_setup import open_site

        report = egress_report(open_site(site).folder.ledger)
        console.result(report, egress_lines(report))


def audit_verify(site: SiteOption, as_json: JsonOption = False) -> None:
    """Verify the site's audit chain, the coordinator's co-signature on it, and the egress ledger."""
    with reporting(as_json=as_json) as console:
        from myofed_node.audit import SiteAudit
        from myofed_node.audit_exchange import verify_cosigned
        from myofed_node.federation.ledger import verify_ledger
        from myofed_node.site_setup import open_site

        folder = open_site(site).folder
        head, ledger = SiteAudit(folder).verify(), verify_ledger(folder.ledger)
        verdict = AuditVerdict(
            audit_entries=head.sequence,
            audit_head=head.digest,
            cosigned_up_to=verify_cosigned(folder),
            egress_requests=ledger.requests,
            egress_head=ledger.head,
        )
        lines = [
            f"audit chain holds: {verdict.audit_entries} entries, co-signed up to {verdict.cosigned_up_to}",
            f"egress ledger holds: {verdict.egress_requests} requests",
        ]
        console.result(verdict, lines)


def accept_coordinator(site: SiteOption, as_json: JsonOption = False) -> None:
    """Witness the coordinator's next audit head without a proof, after its people said that they restored a backup."""
    with reporting(as_json=as_json) as console:
        from myofed_node.coordinator_history import accept_history
        from myofed_node.site_setup import open_site

        given_up = accept_history(open_site(site).folder, by=getpass.getuser(), now=system_now())
        accepted = HistoryAccepted(witnessed_entries=given_up.sequence, witnessed_head=given_up.digest)
        lines = [f"the coordinator's next head is a first one; what was witnessed up to {given_up.sequence} is kept"]
        console.result(accepted, lines)


def audit_export(
    site: SiteOption,
    jsonl: Annotated[
        Path, typer.Option("--jsonl", help="One entry a line; the signed head as FILE.head.json.", show_default=False)
    ],
    as_json: JsonOption = False,
) -> None:
    """Write the verified audit chain as JSON lines (it may name pseudonyms: it stays in the hospital), and its signed head."""
    with reporting(as_json=as_json) as console:
        from myofed_node.audit_exchange import export_chain
        from myofed_node.site_setup import open_site

        opened = open_site(site)
        head = export_chain(opened.folder, jsonl, site=opened.config.site).head
        report = AuditExport(path=str(jsonl), entries=head.sequence, head=head.digest)
        console.result(report, [f"written: {head.sequence} entries, head {head.digest}"])
