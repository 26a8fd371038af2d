"""Commands about images: de-identify, ingest, publish."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myofed_node.commands.console import (
    Console,
    InArgument,
    JsonOption,
    OptionalSiteOption,
    OutArgument,
    SiteOption,
    reporting,
)
from myofed_node.commands.convert import series_lines, unused_lines
from myofed_schemas.clock import system_now
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

if TYPE_CHECKING:
    from myofed_anonymization import SiteKeys
    from myofed_node.deid_settings import DeidSettings

PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="De-identification policy (YAML); docs/deidentification.md explains each line.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    app.command("deidentify", epilog="Example: myofed-node deidentify export/ clean/ --json")(deidentify)
    app.command("ingest", epilog="Example: myofed-node ingest export/ --site /srv/myofed")(ingest)
    app.command("publish", epilog="Example: myofed-node publish --site /srv/myofed")(publish)


def deidentify(
    source: InArgument,
    out: OutArgument,
    site: OptionalSiteOption = None,
    policy: PolicyOption = None,
    processes: Annotated[
        int | None, typer.Option("--processes", min=1, help="Worker processes; one a core when not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write de-identified copies to OUT; what could not be proven clean is withheld and listed there by reason.

    OUT/deidentification-report.html is for people to read. With --site, a call that was cut short goes on when it is made
    again; without it each call has a key of its own and needs a new OUT.
    """
    with reporting(as_json=as_json) as console:
        import myofed_anonymization as anonymization
        from myofed_schemas.deid import PAGE_NAME, REPORT_NAME

        keys, settings = _deid(site, policy, console)
        summary = anonymization.deidentify(
            source,
            out,
            keys=keys,
            policy=settings.policy,
            now=system_now(),
            options=replace(settings.options, processes=processes),
            progress=console.progress("de-identified"),
        )
        reasons = [f"  {code}: {count}" for code, count in sorted(summary.withheld_by_code.items())]
        page = f"the report for people: {out / PAGE_NAME}"
        console.report(
            out / REPORT_NAME, [f"{summary.deidentified} of {summary.received} files released", *reasons, page]
        )
        if summary.withheld:
            raise typer.Exit(ExitCode.WITHHELD)


def ingest(
    source: InArgument,
    site: OptionalSiteOption = None,
    out: Annotated[
        Path | None, typer.Option("--output", metavar="OUT", help="Instead of a site: a new folder.")
    ] = None,
    policy: PolicyOption = None,
    as_json: JsonOption = False,
) -> None:
    """De-identify, convert and validate: into the site's data set, or into OUT. Every file gets one outcome."""
    with reporting(as_json=as_json) as console:
        progress = console.steps()
        if out is not None:
            from myofed_node.ingest import IngestPolicy
            from myofed_node.ingest import ingest as ingest_folder

            keys, settings = _deid(site, policy, console)
            rules = IngestPolicy(settings.policy, options=settings.options)
            report = ingest_folder(source, out, keys=keys, policy=rules, now=system_now(), progress=progress)
        else:
            from myofed_node.pipeline import SiteIngest
            from myofed_node.site_setup import open_site

            if policy is not None:
                raise MyofedError(
                    "POLICY_IS_THE_SITES",
                    "expected --policy with --output only, found it with a site's own ingest",
                    hint="a site keeps one policy: name it in config.yaml (deidentification_policy)",
                    exit_code=ExitCode.USAGE,
                )
            report = SiteIngest(open_site(_named(site)), system_now(), progress).run(source)
        for line in unused_lines(report):
            console.say(line)
        console.result(report, series_lines(report))
        if not report.complete:
            raise typer.Exit(ExitCode.WITHHELD)


def publish(
    site: SiteOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would leave; send nothing.")] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the published card and cube back.")] = False,
    early: Annotated[
        bool, typer.Option("--early", help="Count anew after fewer changes than k; what they touch is withheld.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Publish the dataset card and the count cube: protected here, and proven, before anything leaves."""
    with reporting(as_json=as_json) as console:
        from myofed_node.coordinator_api import CoordinatorApi
        from myofed_node.federation.egress_client import EgressClient
        from myofed_node.publish import Publisher, card_lines
        from myofed_node.site_setup import open_site

        opened = open_site(site)
        publisher = Publisher(opened, CoordinatorApi(EgressClient(opened.folder)))
        if dry_run:
            publication = publisher.preview(now=system_now(), early=early)
        elif withdraw:
            publication = publisher.withdraw(now=system_now())
        else:
            publication = publisher.publish(now=system_now(), early=early)
        console.result(publication, card_lines(publication))


def _deid(site: Path | None, policy: Path | None, console: Console) -> tuple[SiteKeys, DeidSettings]:
    """The site's key and settings, or a key that is thrown away after this call; a policy that was named goes first."""
    from myofed_anonymization import SiteKeys, load_policy
    from myofed_node.deid_settings import DeidSettings, deid_settings
    from myofed_node.keys import load_deid_keys
    from myofed_node.site_setup import open_site

    if site is None:
        console.say("no --site: a key is made for this call and thrown away; pseudonyms will match no other call")
        keys, settings = SiteKeys.generate(), DeidSettings()
    else:
        opened = open_site(site)
        keys, settings = load_deid_keys(opened.folder), deid_settings(opened)
    return keys, replace(settings, policy=load_policy(policy)) if policy else settings


def _named(site: Path | None) -> Path:
    if site is None:
        raise MyofedError(
            "SITE_NOT_NAMED",
            "expected --site DIR or --output OUT, found neither",
            hint="a site keeps what it ingests; --output writes a data set anywhere",
            exit_code=ExitCode.USAGE,
        )
    return site
