"""Commands about the people who may sign for this site; what they print stays on this machine."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated, get_args

import typer

from myofed_node.commands.console import JsonOption, SiteOption, reporting
from myofed_node.commands.passphrase import PassphraseOption, read_passphrase
from myofed_schemas.approval import SiteRole
from myofed_schemas.clock import system_now

ROLES: tuple[SiteRole, ...] = tuple(r for r in get_args(SiteRole) if r != "operator")
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Short name of this site's own, e.g. j.smith.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    people = typer.Typer(help="People who may sign for this site.", no_args_is_help=True, rich_markup_mode=None)
    add = "Example: myofed-node people add j.smith --role principal-investigator --site /srv/myofed"
    people.command("add", epilog=add)(add_person)
    people.command("list", epilog="Example: myofed-node people list --site /srv/myofed")(list_people)
    people.command("disable", epilog="Example: myofed-node people disable j.smith --site /srv/myofed")(disable_person)
    app.add_typer(people, name="people")


def add_person(
    name: NameArgument,
    role: Annotated[
        list[str],
        typer.Option("--role", metavar="ROLE", help=f"One of {', '.join(ROLES)}; may be given several times."),
    ],
    site: SiteOption,
    public_key: Annotated[
        Path | None,
        typer.Option(
            "--public-key", metavar="FILE", help="Ed25519, PEM or hexadecimal: the private half never comes here."
        ),
    ] = None,
    key_out: Annotated[
        Path | None,
        typer.Option("--key-out", metavar="FILE", help="Put the sealed new key here, e.g. on the person's stick."),
    ] = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a person sign for this site, with a new key sealed under the person's own passphrase, or with a key of theirs."""
    if public_key and (key_out or passphrase_file):
        raise typer.BadParameter("expected --public-key alone, found an option that makes a new key beside it")
    with reporting(as_json=as_json) as console:
        from myofed_node.people import People
        from myofed_node.person_key import read_public_key
        from myofed_node.site_setup import open_site

        people, roles = People(open_site(site).folder), [known for known in ROLES if known in role]
        if set(role) - set(ROLES):
            raise typer.BadParameter(f"expected roles of {', '.join(ROLES)}, found another")
        if public_key:
            made = people.add(name, roles, now=system_now(), public_key=read_public_key(public_key.read_bytes()))
        else:
            people.check_free(name)
            passphrase = read_passphrase(passphrase_file, new=True)
            made = people.add_with_new_key(name, roles, now=system_now(), passphrase=passphrase, key_file=key_out)
        console.result(made, [f"{made.name} may sign as {', '.join(made.roles)}; key {made.public_key[:16]}"])


def list_people(site: SiteOption, as_json: JsonOption = False) -> None:
    """List who may sign for this site; none of it leaves the site."""
    with reporting(as_json=as_json) as console:
        from myofed_node.people import People, PersonList
        from myofed_node.site_setup import open_site

        found = People(open_site(site).folder).list()
        lines = [
            f"{p.name}: {', '.join(p.roles)}; key {p.public_key[:16]}"
            f"{f'; disabled {p.disabled_at}' if p.disabled_at else ''}"
            for p in found
        ]
        console.result(PersonList(people=found), lines or ["nobody yet; myofed-node people add NAME --role ROLE"])


def disable_person(name: NameArgument, site: SiteOption, as_json: JsonOption = False) -> None:
    """Let no signature of this person count any more: studies that need it stop at their next message."""
    with reporting(as_json=as_json) as console:
        from myofed_node.people import People
        from myofed_node.site_setup import open_site

        disabled = People(open_site(site).folder).disable(name, by=getpass.getuser(), now=system_now())
        console.result(disabled, [f"{disabled.name} is disabled; approvals that need this signature hold no more"])
