"""All pages of the people's port, put together: each is a module with what it shows and its routes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission, Person
from myofed_coordinator.api.login import Login
from myofed_coordinator.models.cards import CardsService
from myofed_coordinator.runs.starts import StartsService
from myofed_coordinator.services import Services, open_runs
from myofed_coordinator.studies.uploads import Uploads
from myofed_coordinator.web.accounts_page import add_accounts
from myofed_coordinator.web.audit_page import add_audit
from myofed_coordinator.web.catalog_page import add_catalog
from myofed_coordinator.web.feasibility_page import add_feasibility
from myofed_coordinator.web.frame import Section
from myofed_coordinator.web.kit import static_router
from myofed_coordinator.web.leads_page import add_leads
from myofed_coordinator.web.login_page import add_login, add_setup
from myofed_coordinator.web.models_page import add_models
from myofed_coordinator.web.overview import overview
from myofed_coordinator.web.profile_page import add_profile
from myofed_coordinator.web.render import Asked, PageRoute, Renderer, environment
from myofed_coordinator.web.requests_page import add_requests
from myofed_coordinator.web.runs_page import RunsStopper, add_runs
from myofed_coordinator.web.sites_page import add_sites
from myofed_coordinator.web.starts_page import add_starts
from myofed_coordinator.web.studies_page import Trainings, add_studies
from myofed_coordinator.web.wizard_page import add_wizard

SECTIONS = (
    Section("/", "Overview", Permission.SEE_SITES),
    Section("/sites", "Sites", Permission.SEE_SITES),
    Section("/catalog", "Catalog", Permission.SEE_CATALOG),
    Section("/feasibility", "Count", Permission.ASK_COUNTS),
    Section("/requests", "Requests", Permission.SEE_STUDIES),
    Section("/studies", "Studies", Permission.SEE_STUDIES),
    Section("/runs", "Runs", Permission.SEE_RUNS),
    Section("/models", "Models", Permission.SEE_MODELS),
    Section("/audit", "Audit", Permission.SEE_AUDIT),
    Section("/accounts", "Accounts", Permission.MANAGE_ACCOUNTS),
)
"""The navigation."""

Seer = Annotated[Person, Depends(gate.page(Permission.SEE_SITES))]


def add_pages(
    app: FastAPI, services: Services, runs: RunsStopper, *, login: Login, clock: Callable[[], datetime]
) -> None:
    """The app serves every page to who may see it, the login to all, and the files that pages need."""
    renderer = Renderer(environment(), services.config.name, services.config.demo, SECTIONS)
    app.state.renderer = renderer
    router = APIRouter(route_class=PageRoute)
    starts = StartsService(services, open_runs(services))

    @router.get("/")
    def first(request: Request, person: Seer) -> HTMLResponse:
        view = overview(services, runs, starts, person=person, now=clock())
        return renderer.page(Asked(request, person), "overview.html", at="/", view=view)

    add_login(router, renderer, login, provider=services.config.oidc is not None)
    add_setup(router, renderer, services.accounts, clock=clock)
    add_profile(router, renderer, services, clock=clock)
    add_accounts(router, renderer, services.accounts, clock=clock)
    add_sites(router, renderer, services, clock=clock)
    add_studies(router, renderer, services, Trainings(runs, starts, services.leads), clock=clock)
    largest = services.config.largest_upload_mb << 20
    uploads = Uploads(services.home.uploads, services.home.models, largest, services.audit)
    add_leads(router, services.leads, clock=clock)
    add_wizard(router, renderer, services, uploads, clock=clock)
    add_starts(router, starts, clock=clock)
    add_catalog(router, renderer, services, clock=clock)
    add_requests(router, renderer, services, clock=clock)
    add_feasibility(router, renderer, services, clock=clock)
    add_runs(router, renderer, services, runs, clock=clock)
    add_models(router, renderer, services, CardsService(services.models, services.studies, runs))
    add_audit(router, renderer, services)
    app.include_router(router, include_in_schema=False)
    app.include_router(static_router(), dependencies=[Depends(gate.public)])
