"""Accounts, for administrators: let somebody in, change roles, shut out, give a new set-up link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person, Role
from myofed_coordinator.accounts.service import AccountsService, deed_on
from myofed_coordinator.accounts.wire import AccountName, AccountRecord, NewAccount, RolesChange, SetupLink
from myofed_coordinator.web.forms import Form, form_of
from myofed_coordinator.web.render import Asked, Renderer, done
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

AT = "/accounts"
Manager = Annotated[Person, Depends(gate.page(Permission.MANAGE_ACCOUNTS))]
Posted = Annotated[Form, Depends(form_of)]

ROLE_WORDS = {
    Role.ADMINISTRATOR: ("Administrator", "lets people and sites in, watches over starts; writes no study"),
    Role.STUDY_LEAD: ("Study lead", "asks the catalog and the sites, writes studies, starts runs"),
    Role.SITE_REPRESENTATIVE: ("Site representative", "speaks for one site; reads, asks for counts, fetches models"),
    Role.AUDITOR: ("Auditor", "reads everything including the audit chain, changes nothing"),
}
"""Each role's name and what it may, as the forms explain it."""


@dataclass(frozen=True)
class RoleChoice:
    """One box of a form."""

    value: str
    name: str
    explained: str
    ticked: bool = False


@dataclass(frozen=True)
class AccountsView:
    """All accounts, and what the form for a new one offers."""

    accounts: tuple[AccountRecord, ...]
    roles: tuple[RoleChoice, ...]
    link: SetupLink | None = None


@dataclass(frozen=True)
class AccountView:
    """One account; `own` where it is the visitor's, who cannot change it here."""

    record: AccountRecord
    roles: tuple[RoleChoice, ...]
    own: bool
    link: SetupLink | None = None


def add_accounts(
    router: APIRouter, renderer: Renderer, accounts: AccountsService, *, clock: Callable[[], datetime]
) -> None:
    """The router serves the pages of accounts."""

    def listing(request: Request, person: Person, link: SetupLink | None = None) -> HTMLResponse:
        view = AccountsView(tuple(accounts.list_accounts()), choices(frozenset()), link)
        return renderer.page(Asked(request, person), "accounts.html", at=AT, view=view)

    def single(request: Request, person: Person, account: str, link: SetupLink | None = None) -> HTMLResponse:
        record = accounts.show(account)
        view = AccountView(record, choices(frozenset(record.roles)), record.account == person.account, link)
        return renderer.page(Asked(request, person), "account.html", at=AT, view=view)

    @router.get("/accounts")
    def every(request: Request, person: Manager) -> HTMLResponse:
        return listing(request, person)

    @router.post("/accounts")
    def add(request: Request, form: Posted, person: Manager) -> HTMLResponse:
        return listing(request, person, accounts.add(new_account(form), actor=person.account, now=clock()))

    @router.get("/accounts/{account}")
    def one(account: AccountName, request: Request, person: Manager) -> HTMLResponse:
        return single(request, person, account)

    @router.post("/accounts/{account}/roles")
    def roles(account: AccountName, form: Posted, person: Manager) -> RedirectResponse:
        accounts.set_roles(account, roles_change(form), actor=deed_on(account, person), now=clock())
        return done(f"{AT}/{account}", "roles-changed")

    @router.post("/accounts/{account}/reset")
    def reset(account: AccountName, request: Request, person: Manager) -> HTMLResponse:
        return single(request, person, account, accounts.reset(account, actor=deed_on(account, person), now=clock()))

    @router.post("/accounts/{account}/disable")
    def disable(account: AccountName, person: Manager) -> RedirectResponse:
        accounts.disable(account, actor=deed_on(account, person), now=clock())
        return done(f"{AT}/{account}", "account-disabled")

    @router.post("/accounts/{account}/enable")
    def enable(account: AccountName, person: Manager) -> RedirectResponse:
        accounts.enable(account, actor=deed_on(account, person), now=clock())
        return done(f"{AT}/{account}", "account-enabled")


def choices(held: frozenset[Role]) -> tuple[RoleChoice, ...]:
    """All roles, those that are held ticked."""
    return tuple(RoleChoice(role, *words, ticked=role in held) for role, words in ROLE_WORDS.items())


def new_account(form: Form) -> NewAccount:
    """What the form asks for.

    Raises:
        MyofedError: ACCOUNT_FORM.
    """
    try:
        return NewAccount.model_validate({"account": form.text("account"), **_roles(form)})
    except ValidationError as error:
        raise _wrong() from error


def roles_change(form: Form) -> RolesChange:
    """The roles that were ticked.

    Raises:
        MyofedError: ACCOUNT_FORM.
    """
    try:
        return RolesChange.model_validate(_roles(form))
    except ValidationError as error:
        raise _wrong() from error


def _roles(form: Form) -> dict[str, object]:
    return {"roles": form.many("role"), "site": form.text("site") or None}


def _wrong() -> MyofedError:
    return MyofedError(
        "ACCOUNT_FORM",
        "expected a login name of lower-case letters, digits, dots and hyphens, one role at least, and a site exactly "
        "with the role of a site representative",
        hint="name at least one role; a site goes with a site representative and with nobody else; names are like ann.lee",
        exit_code=ExitCode.BAD_INPUT,
    )
