"""`accounts add|list|roles|reset|disable|enable`: for the first administrator, and for whoever lost everything."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from typing import Annotated, TypeVar

import segno
import typer
from pydantic import ValidationError

from myofed_coordinator.accounts.permissions import Role
from myofed_coordinator.accounts.wire import AccountRecord, NewAccount, RolesChange, SetupLink
from myofed_coordinator.commands.frame import HomeOption, JsonOption, actor, dumped, new_group, opened, say, show, usage
from myofed_schemas.clock import system_now

accounts = new_group("Accounts: who may sign in at the people's port, and as what.")
T = TypeVar("T")
NameArgument = Annotated[str, typer.Argument(help="Login name, e.g. ann.lee.", show_default=False)]
RoleOption = Annotated[list[Role], typer.Option("--role", help="What the person is; repeatable.", show_default=False)]
QrOption = Annotated[bool, typer.Option("--qr", help="Draws the link as a QR code too, for a phone's camera.")]
SiteOption = Annotated[str | None, typer.Option(help="The site that a site representative speaks for.")]


@accounts.command()
def add(
    name: NameArgument,
    role: RoleOption,
    home: HomeOption,
    site: SiteOption = None,
    qr: QrOption = False,
    json: JsonOption = False,
) -> None:
    """Lets a person in: prints a one-time link with which the person chooses password and second factor.

    Example: myofed-coordinator accounts add ann.lee --role administrator --home /srv/myofed
    """
    new = _valid(lambda: NewAccount(account=name, roles=tuple(role), site=site))
    with opened(home) as services:
        link = services.accounts.add(new, actor=actor(), now=system_now())
        known = {record.site for record in services.enrolment.list_sites()}
    _show_link(link, qr=qr, as_json=json)
    _tell_unknown_site(site, known)


@accounts.command("list")
def list_accounts(home: HomeOption, json: JsonOption = False) -> None:
    """Shows every account with its roles and state.

    Example: myofed-coordinator accounts list --home /srv/myofed
    """
    with opened(home) as services:
        found = services.accounts.list_accounts()
    show({"accounts": dumped(found)}, lines=[_line(record) for record in found] or ["No account yet."], as_json=json)


@accounts.command()
def roles(
    name: NameArgument, role: RoleOption, home: HomeOption, site: SiteOption = None, json: JsonOption = False
) -> None:
    """Gives a person exactly these roles, from the next request on.

    Example: myofed-coordinator accounts roles ann.lee --role study-lead --role auditor --home /srv/myofed
    """
    change = _valid(lambda: RolesChange(roles=tuple(role), site=site))
    with opened(home) as services:
        record = services.accounts.set_roles(name, change, actor=actor(), now=system_now())
        known = {each.site for each in services.enrolment.list_sites()}
    show(record, lines=[_line(record)], as_json=json)
    _tell_unknown_site(site, known)


@accounts.command()
def reset(name: NameArgument, home: HomeOption, qr: QrOption = False, json: JsonOption = False) -> None:
    """Prints a new one-time link; password, second factor, sessions and API tokens of before open nothing any more.

    Example: myofed-coordinator accounts reset ann.lee --home /srv/myofed
    """
    with opened(home) as services:
        link = services.accounts.reset(name, actor=actor(), now=system_now())
    _show_link(link, qr=qr, as_json=json)


@accounts.command()
def disable(name: NameArgument, home: HomeOption, json: JsonOption = False) -> None:
    """Shuts a person out, from the next request on.

    Example: myofed-coordinator accounts disable ann.lee --home /srv/myofed
    """
    with opened(home) as services:
        record = services.accounts.disable(name, actor=actor(), now=system_now())
    show(record, lines=[_line(record)], as_json=json)


@accounts.command()
def enable(name: NameArgument, home: HomeOption, json: JsonOption = False) -> None:
    """Lets a person in again who was shut out.

    Example: myofed-coordinator accounts enable ann.lee --home /srv/myofed
    """
    with opened(home) as services:
        record = services.accounts.enable(name, actor=actor(), now=system_now())
    show(record, lines=[_line(record)], as_json=json)


def _valid(made: Callable[[], T]) -> T:
    try:
        return made()
    except ValidationError as error:
        raise usage(error) from error


def _tell_unknown_site(site: str | None, known: Collection[str]) -> None:
    """It may be invited later; it may also be a slip."""
    if site is not None and site not in known:
        say(f"Note: no site named {site} was invited yet (`sites list`); the account sees nothing until one is.")


def _show_link(link: SetupLink, *, qr: bool, as_json: bool) -> None:
    show(link, lines=_link_lines(link), as_json=as_json)
    if qr:
        segno.make(link.setup_url, error="m", micro=False).terminal(out=sys.stderr, compact=True)


def _link_lines(link: SetupLink) -> list[str]:
    return [
        f"{link.account} sets the account up here, once, until {link.expires_at}:",
        f"  {link.setup_url}",
        "Hand it over by a way you trust; it is shown this once.",
    ]


def _line(record: AccountRecord) -> str:
    site = f" of {record.site}" if record.site else ""
    factor = "identity provider" if record.oidc else "second factor" if record.second_factor else "password"
    return f"{record.account:<24} {record.state:<9} {', '.join(record.roles)}{site} ({factor})"
