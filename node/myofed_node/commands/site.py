"""Commands about the site itself: init, join, up, status, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from myofed_node.commands.console import Console, JsonOption, OptionalSiteOption, SiteOption, reporting
from myofed_schemas.clock import system_now
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="The site's folder.", show_default=False)]

OptionalFolderArgument = Annotated[
    Path | None, typer.Argument(metavar="DIR", help="The site's folder; or --site.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    app.command("init", epilog="Example: myofed-node init /srv/myofed --site hospital-a")(init)
    app.command("join", epilog="Example: myofed-node join /srv/myofed --invite hospital-a.json --wait 600")(join)
    app.command("up", epilog="Example: myofed-node up /srv/myofed")(up)
    app.command("status", epilog="Example: myofed-node status --site /srv/myofed --json")(status)
    app.command("doctor", epilog="Example: myofed-node doctor --site /srv/myofed")(doctor)


def init(
    folder: FolderArgument,
    site: Annotated[str | None, typer.Option("--site", metavar="NAME", help="Name in the consortium.")] = None,
    demo_policy: Annotated[
        bool, typer.Option("--demo-policy", help="For synthetic patients ONLY: a policy below the floors.")
    ] = False,
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting, e.g. dataset.title='Thigh MRI'.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a site folder: settings, keys that never leave it, an empty store. Refuses a folder that is not empty."""
    with reporting(as_json=as_json) as console:
        from myofed_node.settings import initial_config
        from myofed_node.site_setup import make_site

        config = initial_config(site or folder.resolve().name, demo=demo_policy, settings=setting or [])
        made = make_site(folder, config=config, now=system_now())
        lines = [f"site {made.config.site} is ready", f"next: edit {made.folder.config.name}, then myofed-node join"]
        if config.policy.demo:
            lines.append("DEMO POLICY: for synthetic patients only; no real patient's data may enter this site")
        console.result({"site": config.site, "demo": config.policy.demo}, lines)


def join(
    invite: Annotated[Path, typer.Option("--invite", metavar="FILE", help="The coordinator's invite.")],
    folder: OptionalFolderArgument = None,
    site: OptionalSiteOption = None,
    wait: Annotated[float, typer.Option("--wait", metavar="SECONDS", help="Wait so long for approval.")] = 0.0,
    new_keys: Annotated[
        bool, typer.Option("--new-keys", help="After a revocation: new TLS, Flower and identity keys; pseudonyms stay.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Enrol at the coordinator that the invite names. Not yet approved: exit 23; the same command goes on later."""
    with reporting(as_json=as_json) as console:
        from myofed_node.join import join_anew, join_within, read_invite
        from myofed_node.site_setup import open_site

        opened, read = open_site(_either(folder, site)), read_invite(invite)
        if new_keys:
            join_anew(opened, read, now=system_now())
        reply = join_within(opened, read, wait_s=wait, say=console.say)
        lines = {
            "approved": [f"{opened.config.site} is enrolled", "next: myofed-node up"],
            "pending": [
                f"{opened.config.site}'s request waits for the coordinator's people",
                "next: when they have approved it, the same command again (or --wait SECONDS)",
            ],
        }
        console.result(reply, lines[reply.state])
        if reply.state != "approved":
            raise typer.Exit(ExitCode.PENDING)


def up(folder: OptionalFolderArgument = None, site: OptionalSiteOption = None) -> None:
    """Run all services of the node until SIGTERM or Ctrl-C; needs a site that has joined."""
    with reporting(as_json=False) as console:
        from myofed_node.coordinator_link import load_link
        from myofed_node.loopback import make_loopback_certificate
        from myofed_node.site_setup import open_site
        from myofed_node.up import run

        opened = open_site(_either(folder, site))
        load_link(opened.folder)
        make_loopback_certificate(opened.folder, now=system_now())
        _warn_demo(console, demo=opened.config.policy.demo)
        code = run(opened.folder, opened.config)
    raise typer.Exit(code)


def status(site: SiteOption, as_json: JsonOption = False) -> None:
    """Show what the site holds, whether it is enrolled and what runs; asks nobody outside."""
    with reporting(as_json=as_json) as console:
        from myofed_node.site_setup import open_site
        from myofed_node.status import site_status, status_lines

        found = site_status(open_site(site))
        console.result(found, status_lines(found))


def doctor(site: SiteOption, as_json: JsonOption = False) -> None:
    """Check this site and its way to the coordinator; every defect comes with the mend. Exit 41 when one fails."""
    with reporting(as_json=as_json) as console:
        from myofed_node.doctor import examine
        from myofed_node.site_setup import open_site

        report = examine(open_site(site), now=system_now())
        console.result(report, report.lines())
        if not report.healthy:
            raise typer.Exit(ExitCode.UNHEALTHY)


def _warn_demo(console: Console, *, demo: bool) -> None:
    if demo:
        console.say("DEMO POLICY: for synthetic patients only")


def _either(folder: Path | None, site: Path | None) -> Path:
    """The folder as an argument, else as --site or MYOFED_SITE."""
    chosen = folder or site
    if chosen is None:
        raise MyofedError(
            "SITE_NOT_NAMED",
            "expected the site's folder, found neither an argument nor --site",
            hint="name it: DIR, --site DIR, or MYOFED_SITE",
            exit_code=ExitCode.USAGE,
        )
    return chosen
