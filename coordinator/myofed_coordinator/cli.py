"""`myofed-coordinator`: the commands of the machine that enrols sites, holds the catalog and runs studies."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from myofed_coordinator import doctor as doctor_checks
from myofed_coordinator.audit import AuditLog
from myofed_coordinator.backup.before_migration import save_before_migration
from myofed_coordinator.commands import (
    accounts,
    audit,
    backup,
    catalog,
    planning,
    registry,
    sites,
    studies,
    study_leads,
)
from myofed_coordinator.commands.frame import HomeOption, JsonOption, actor, new_group, say, show, usage
from myofed_coordinator.config import CoordinatorConfig, load_config
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.initialise import initialise, renew_servers
from myofed_coordinator.migrations.migrate import migrate as migrate_tables
from myofed_coordinator.services import open_tables
from myofed_schemas.clock import system_now
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.service_loop import only_one

app = new_group("Coordinates federated studies of muscle MRI; no image ever comes here.")
app.add_typer(sites.sites, name="sites")
app.add_typer(planning.planning, name="planning")
studies.study.add_typer(study_leads.lead, name="lead")
app.add_typer(studies.study, name="study")
app.add_typer(studies.runs, name="runs")
app.add_typer(registry.models, name="models")
app.add_typer(catalog.catalog, name="catalog")
app.add_typer(accounts.accounts, name="accounts")
app.add_typer(audit.audit, name="audit")
app.command("invite")(sites.invite)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)

FolderArgument = Annotated[Path, typer.Argument(help="The coordinator's home folder.", show_default=False)]


@app.command()
def init(
    folder: FolderArgument,
    people: Annotated[str, typer.Option(help="Address of web, API and enrolment.")] = "127.0.0.1:8443",
    sites_address: Annotated[
        str, typer.Option("--sites", help="Address of the sites' port (mutual TLS).")
    ] = "127.0.0.1:8444",
    public_name: Annotated[
        list[str] | None, typer.Option(help="Name by which sites reach this machine; repeatable.")
    ] = None,
    engine_port: Annotated[int, typer.Option(help="Flower's port on loopback; 0 = a free one.")] = 0,
    database_url: Annotated[str | None, typer.Option(help="PostgreSQL by URL; SQLite without.")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Marks everything as a demonstration.")] = False,
    four_eyes: Annotated[
        bool, typer.Option("--four-eyes/--no-four-eyes", help="A second person confirms the start of a run.")
    ] = True,
    json: JsonOption = False,
) -> None:
    """Makes a coordinator's home: CA, keys, settings, database.

    Example: myofed-coordinator init /srv/myofed --people 0.0.0.0:8443 --sites 0.0.0.0:8444 --public-name myofed.example.org
    """
    try:
        config = CoordinatorConfig(
            people=people,
            sites=sites_address,
            public_names=tuple(public_name or ()),
            engine_port=engine_port,
            database_url=database_url,
            four_eyes=four_eyes,
            demo=demo,
        )
    except ValidationError as error:
        raise usage(error) from error
    home = initialise(folder, config, actor=actor(), now=system_now())
    lines = [
        f"Made. Start it with: myofed-coordinator up {folder}",
        f"Login token of {config.people_url}: {home.admin_token}",
    ]
    show(
        {"home": str(home.root), "people_url": config.people_url, "sites_url": config.sites_url},
        lines=lines,
        as_json=json,
    )


@app.command()
def up(folder: FolderArgument) -> None:
    """Runs all services until SIGTERM or Ctrl-C.

    Example: myofed-coordinator up /srv/myofed
    """
    from myofed_coordinator.up import run  # the engine's modules load only here

    home = HomeFolder(folder.absolute())
    raise typer.Exit(run(home, load_config(home)))


@app.command()
def migrate(home: HomeOption, json: JsonOption = False) -> None:
    """Brings tables of an earlier version to this one, after a backup into `backups/`; nothing else changes them. Stop `up` first.

    Example: myofed-coordinator migrate --home /srv/myofed
    """
    found = HomeFolder(home.absolute())
    database = open_tables(found, load_config(found))
    try:
        save = partial(save_before_migration, found, database, actor=actor(), now=system_now())
        with only_one(found.run / "up.lock"):
            steps = migrate_tables(database, AuditLog(found.audit), actor=actor(), now=system_now(), save=save)
    finally:
        database.close()
    said = [f"Tables of version {steps.before} are now of version {steps.after}.", f"Before: {steps.backup}"]
    show(steps, lines=said if steps.before != steps.after else ["Nothing to do."], as_json=json)


@app.command("renew-server")
def renew_server(home: HomeOption, json: JsonOption = False) -> None:
    """Renews the certificates of both ports and of the engine on loopback; sites trust the CA and notice nothing. Stop `up` first.

    Example: myofed-coordinator renew-server --home /srv/myofed
    """
    found = HomeFolder(home.absolute())
    config = load_config(found)
    with only_one(found.run / "up.lock"):
        end = renew_servers(found, config, actor=actor(), now=system_now())
    show(
        {"valid_until": f"{end:%Y-%m-%d}"},
        lines=[f"Renewed: valid until {end:%Y-%m-%d}. Start `up` again."],
        as_json=json,
    )


@app.command()
def doctor(home: HomeOption, json: JsonOption = False) -> None:
    """Checks keys, certificates, database, audit chain, models, disk and services, and says what to do.

    Example: myofed-coordinator doctor --home /srv/myofed
    """
    found = HomeFolder(home.absolute())
    report = doctor_checks.examine(found, load_config(found), now=system_now())
    lines = [
        f"{'FAIL' if not check.ok else 'warn' if check.warning else 'ok  '} {check.code}: {check.message}"
        + (f" Hint: {check.hint}" if check.hint else "")
        for check in report.checks
    ]
    show({"healthy": report.healthy, **report.model_dump(mode="json")}, lines=lines, as_json=json)
    if not report.healthy:
        say("Not healthy.")
        raise typer.Exit(int(ExitCode.UNHEALTHY))


def main() -> None:
    """The command line of this process has been carried out; the exit code says how it ended."""
    app()
