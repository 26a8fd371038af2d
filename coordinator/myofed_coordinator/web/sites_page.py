"""Sites: who was invited, asked, is in, is out; letting one in or out is done from here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import TypeAdapter, ValidationError

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.enrolment.service import SeenRequest
from myofed_coordinator.services import Services
from myofed_coordinator.web.forms import Form, form_of
from myofed_coordinator.web.overview import SiteView, site_view
from myofed_coordinator.web.render import Asked, Renderer, done
from myofed_schemas.canonical import canonical_json
from myofed_schemas.enrolment import for_reading_aloud
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import SiteId

AT = "/sites"
VALID_DAYS = {"1": 1, "3": 3, "7": 7, "14": 14}
"""How long an invite may be used for the first time, as the form offers it."""

Seer = Annotated[Person, Depends(gate.page(Permission.SEE_SITES))]
Manager = Annotated[Person, Depends(gate.page(Permission.MANAGE_SITES))]
Posted = Annotated[Form, Depends(form_of)]


@dataclass(frozen=True)
class SitesView:
    """The list of sites, and what the form for a new one offers."""

    sites: tuple[SiteView, ...]
    valid_days: tuple[str, ...] = tuple(VALID_DAYS)


@dataclass(frozen=True)
class SiteStudy:
    """A study that names the site, and the site's last word on its newest version."""

    study_id: str
    title: str
    version: int
    decision: str


@dataclass(frozen=True)
class SiteDetail:
    """One site."""

    site: SiteView
    studies: tuple[SiteStudy, ...]

    @property
    def can_be_approved(self) -> bool:
        """It asked, and nobody has decided."""
        return self.site.record.state == "pending"

    @property
    def fingerprint(self) -> str:
        """Of its identity key, for reading aloud; empty where it never asked."""
        return for_reading_aloud(self.site.record.identity_sha256 or "")

    @property
    def can_be_revoked(self) -> bool:
        """It is in, or may still come in."""
        return self.site.record.state != "revoked"


def add_sites(router: APIRouter, renderer: Renderer, services: Services, *, clock: Callable[[], datetime]) -> None:
    """The router serves the pages of sites."""
    enrolment = services.enrolment

    @router.get("/sites")
    def every(request: Request, person: Seer) -> HTMLResponse:
        now = clock()
        view = SitesView(tuple(site_view(record, now=now) for record in enrolment.list_sites()))
        return renderer.page(Asked(request, person), "sites.html", at=AT, view=view)

    @router.post("/sites/invite")
    def invite(form: Posted, person: Manager) -> Response:
        days = VALID_DAYS.get(form.text("valid_days"), 7)
        made = enrolment.create_invite(
            site_name(form.text("site")), actor=person.account, now=clock(), valid=timedelta(days=days)
        )
        headers = {"content-disposition": f'attachment; filename="{made.site}.invite.json"'}
        return Response(canonical_json(made) + b"\n", media_type="application/json", headers=headers)

    @router.get("/sites/{site}")
    def one(site: SiteId, request: Request, person: Seer) -> HTMLResponse:
        view = site_detail(services, site, now=clock())
        return renderer.page(Asked(request, person), "site.html", at=AT, view=view)

    @router.post("/sites/{site}/approve")
    def approve(site: SiteId, form: Posted, person: Manager) -> RedirectResponse:
        seen = SeenRequest(request_sha256=form.text("request"))
        enrolment.approve(site, actor=person.account, now=clock(), seen=seen)
        return done(f"/sites/{site}", "site-approved")

    @router.post("/sites/{site}/revoke")
    def revoke(site: SiteId, form: Posted, person: Manager) -> RedirectResponse:
        if form.text("confirm") != site:
            raise MyofedError(
                "CONFIRMATION",
                "expected the site's name typed once more, found something else",
                hint="go back and type the name of the site exactly",
                exit_code=ExitCode.BAD_INPUT,
            )
        enrolment.revoke(site, actor=person.account, now=clock())
        known = any(record.site == site for record in enrolment.list_sites())  # an invite alone leaves nothing
        return done(f"/sites/{site}" if known else AT, "site-revoked")


def site_detail(services: Services, site: str, *, now: datetime) -> SiteDetail:
    """One site with the studies that name it.

    Raises:
        MyofedError: SITE_UNKNOWN.
    """
    record = next((r for r in services.enrolment.list_sites() if r.site == site), None)
    if record is None:
        raise MyofedError(
            "SITE_UNKNOWN",
            "no site of this name was invited here",
            hint="the page of sites lists them",
            exit_code=ExitCode.BAD_INPUT,
        )
    named = (study for study in services.studies.list_studies() if site in study.decisions)
    studies = (
        SiteStudy(s.signed.manifest.study_id, s.signed.manifest.title, s.signed.manifest.version, s.decisions[site])
        for s in named
    )
    return SiteDetail(site_view(record, now=now), tuple(studies))


def site_name(text: str) -> str:
    """A name that a site may have.

    Raises:
        MyofedError: SITE_NAME.
    """
    try:
        return TypeAdapter(SiteId).validate_python(text)
    except ValidationError as error:
        raise MyofedError(
            "SITE_NAME",
            "expected 2 to 32 lower-case letters, digits and hyphens, a letter first",
            hint="for example hospital-a",
            exit_code=ExitCode.BAD_INPUT,
        ) from error
