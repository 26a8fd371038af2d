"""The two pages between which the browser is at the identity provider; they exist where one is configured."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from html import escape
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.identity_provider import IdentityProvider
from myofed_coordinator.accounts.login import ADDRESS_WINDOW, PER_ADDRESS, SignedIn
from myofed_coordinator.accounts.oidc import ATTEMPT_LASTS, OidcPeople, OidcService, Return
from myofed_coordinator.accounts.oidc_settings import OidcSettings
from myofed_coordinator.accounts.throttle import Attempts
from myofed_coordinator.accounts.vault import load_vault
from myofed_coordinator.api.login import COOKIE, caller_of, give_cookies
from myofed_coordinator.services import Services
from myofed_schemas.errors import MyofedError

ATTEMPT_COOKIE = "__Host-myofed-oidc"
CALLBACK = "/oidc/callback"
Part = Annotated[str, Query(max_length=4096)]


def oidc_router(services: Services, settings: OidcSettings, *, clock: Callable[[], datetime]) -> APIRouter:
    """`/oidc/login` and `/oidc/callback`."""
    router = APIRouter(dependencies=[Depends(gate.public)])
    oidc = _service(services, settings)
    attempts = Attempts(PER_ADDRESS, window=ADDRESS_WINDOW)
    """Ways to the provider and back that have led to no login, by address; each of the two pages is one."""

    @router.get("/oidc/login")
    def go(request: Request) -> Response:
        """Leads the browser to the provider."""
        try:
            attempts.begin(caller_of(request), now=clock())
            departure = oidc.depart(now=clock())
        except MyofedError as error:
            return _back_to_login(error)
        answer = RedirectResponse(departure.url, status_code=303)
        # Lax: the way back begins at the provider, and a strict cookie would not come along.
        seconds = int(ATTEMPT_LASTS.total_seconds())
        answer.set_cookie(ATTEMPT_COOKIE, departure.cookie, max_age=seconds, secure=True, httponly=True, samesite="lax")
        return answer

    @router.get(CALLBACK)
    def come_back(
        request: Request, state: Part = "", code: Part = "", iss: Annotated[str | None, Query()] = None
    ) -> Response:
        """Signs the person in whom the provider vouches for."""
        back = Return(state, code, iss, request.cookies.get(ATTEMPT_COOKIE, ""))
        caller = caller_of(request)
        try:
            attempts.begin(caller, now=clock())
            session = oidc.arrive(back, replaces=request.cookies.get(COOKIE, ""), now=clock())
        except MyofedError as error:
            answer: Response = _back_to_login(error)
        else:
            for _page in ("/oidc/login", CALLBACK):
                attempts.take_back(caller)
            answer = _onwards(services.config.name)
            give_cookies(answer, SignedIn(session, ""))
        answer.delete_cookie(ATTEMPT_COOKIE, secure=True, httponly=True, samesite="lax")
        return answer

    return router


def _service(services: Services, settings: OidcSettings) -> OidcService:
    home = services.home
    redirect_uri = services.config.people_url + CALLBACK
    provider = IdentityProvider(settings, keys=home.keys, redirect_uri=redirect_uri)
    people = OidcPeople(services.database, services.audit, services.sessions, lambda: load_vault(home.accounts_key))
    return OidcService(provider, settings, people)


def _back_to_login(error: MyofedError) -> RedirectResponse:
    """The login page, which explains the code."""
    return RedirectResponse(f"/login?refused={error.code}", status_code=303)


def _onwards(name: str) -> HTMLResponse:
    """A page of ours that leads on: a redirect that began at the provider would not carry the strict session cookie."""
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/">'
        f'<title>{escape(name)}</title></head><body><p><a href="/">Signed in. Go on</a></p></body></html>'
    )
