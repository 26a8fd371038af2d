"""HTTP of accounts: what an administrator does, and the set-up that opens with a one-time link."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.accounts.service import AccountsService, deed_on
from myofed_coordinator.accounts.throttle import Attempts
from myofed_coordinator.accounts.wire import (
    AccountName,
    AccountRecord,
    NewAccount,
    RecoveryCodes,
    RolesChange,
    SecondFactorOffer,
    SetupAnswer,
    SetupLink,
    SetupQuestion,
)
from myofed_coordinator.api.login import caller_of
from myofed_schemas.errors import MyofedError

Manager = Annotated[Person, Depends(gate.require(Permission.MANAGE_ACCOUNTS))]


def accounts_router(accounts: AccountsService, *, clock: Callable[[], datetime]) -> APIRouter:
    """`/accounts`: for administrators; nobody changes the own account here."""
    router = APIRouter(tags=["accounts"])

    @router.get("/accounts")
    def every(_person: Manager) -> list[AccountRecord]:
        """Every account, by name."""
        return accounts.list_accounts()

    @router.post("/accounts", status_code=201)
    def add(body: NewAccount, person: Manager) -> SetupLink:
        """Lets somebody in; the answer holds the one-time set-up link, which is shown this once."""
        return accounts.add(body, actor=person.account, now=clock())

    @router.get("/accounts/{account}")
    def one(account: AccountName, _person: Manager) -> AccountRecord:
        """One account."""
        return accounts.show(account)

    @router.put("/accounts/{account}/roles")
    def roles(account: AccountName, body: RolesChange, person: Manager) -> AccountRecord:
        """Exactly these roles, from the next request on."""
        return accounts.set_roles(account, body, actor=deed_on(account, person), now=clock())

    @router.post("/accounts/{account}/reset")
    def reset(account: AccountName, person: Manager) -> SetupLink:
        """A new set-up link, shown this once; what opened before opens nothing any more."""
        return accounts.reset(account, actor=deed_on(account, person), now=clock())

    @router.post("/accounts/{account}/disable")
    def disable(account: AccountName, person: Manager) -> AccountRecord:
        """Shuts somebody out, from the next request on."""
        return accounts.disable(account, actor=deed_on(account, person), now=clock())

    @router.post("/accounts/{account}/enable")
    def enable(account: AccountName, person: Manager) -> AccountRecord:
        """Lets somebody in again who was shut out."""
        return accounts.enable(account, actor=deed_on(account, person), now=clock())

    return router


def setup_router(accounts: AccountsService, *, clock: Callable[[], datetime]) -> APIRouter:
    """`/setup`: needs no login, the one-time secret of the link is the admission."""
    router = APIRouter(tags=["accounts"], dependencies=[Depends(gate.public)])
    attempts = Attempts()

    @router.post("/setup/offer")
    def offer(body: SetupQuestion, request: Request) -> SecondFactorOffer:
        """What the link is for, and the second factor that goes with it."""
        now, caller = clock(), caller_of(request)
        attempts.begin(caller, now=now)
        offered = accounts.offer_setup(body.secret, now=now)
        attempts.take_back(caller)
        return offered

    @router.post("/setup")
    def complete(body: SetupAnswer, request: Request) -> RecoveryCodes:
        """Sets password and second factor; the answer holds the recovery codes, which are shown this once."""
        now, caller = clock(), caller_of(request)
        attempts.begin(caller, now=now)
        try:
            codes = accounts.complete_setup(body.secret, password=body.password, code=body.code, now=now)
        except MyofedError as error:
            if error.code != "SETUP_UNKNOWN":
                attempts.take_back(caller)
            raise
        attempts.take_back(caller)
        return RecoveryCodes(recovery_codes=codes)

    return router
