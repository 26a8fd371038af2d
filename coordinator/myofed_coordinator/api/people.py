"""The people's port: status page, JSON API, and enrolment by one-time token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.types import ASGIApp

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.own_routes import own_account_router, session_router, tokens_router
from myofed_coordinator.accounts.routes import accounts_router, setup_router
from myofed_coordinator.api.guards import with_bounded_bodies, with_own_changes, with_security_headers
from myofed_coordinator.api.login import Login
from myofed_coordinator.api.oidc import oidc_router
from myofed_coordinator.api.openapi import document, refusals
from myofed_coordinator.api.refusals import add_refusals
from myofed_coordinator.api.runs import runs_router
from myofed_coordinator.catalog.routes import catalog_router
from myofed_coordinator.database import check_schema
from myofed_coordinator.enrolment.routes import enrol_router, sites_router
from myofed_coordinator.models.cards import CardsService
from myofed_coordinator.models.routes import models_router
from myofed_coordinator.negotiations.routes import negotiations_router
from myofed_coordinator.planning.routes import planning_router
from myofed_coordinator.runs.routes import starts_router
from myofed_coordinator.runs.starts import StartsService
from myofed_coordinator.services import Services, open_runs
from myofed_coordinator.studies.lead_routes import leads_router
from myofed_coordinator.studies.new_routes import new_studies_router
from myofed_coordinator.studies.routes import studies_router
from myofed_coordinator.studies.uploads import Uploads
from myofed_coordinator.web.pages import add_pages
from myofed_coordinator.web.runs_page import RunsStopper
from myofed_schemas.wire import WireModel

API = "/api/v1"


class Health(WireModel):
    """The port serves and its database answers."""

    state: str = "OK"


@dataclass(frozen=True)
class PeoplePort:
    """What the port is made of.

    Attributes:
        services: The coordinator's use cases.
        runs: Reads and stops runs.
        token: The administrator's.
        clock: Asked once a request.
    """

    services: Services
    runs: RunsStopper
    token: str
    clock: Callable[[], datetime]

    def __repr__(self) -> str:
        return "PeoplePort()"


def build_people_app(port: PeoplePort) -> ASGIApp:
    """The ASGI app of the people's port; what needs no login says so, everything else names its permission.

    Raises:
        MyofedError: ADMIN_TOKEN, the token is too short to be one.
        UndeclaredRouteError: A route does not say what it asks for.
    """
    app = people_app(port)
    return with_security_headers(
        with_own_changes(with_bounded_bodies(app, uploads=port.services.config.largest_upload_mb << 20))
    )


def people_app(port: PeoplePort) -> FastAPI:
    """The app inside the guards, every route of it declared; for `build_people_app` and for tests of its routes.

    Raises:
        MyofedError: ADMIN_TOKEN.
        UndeclaredRouteError: A route does not say what it asks for.
    """
    app = FastAPI(
        title="myofed coordinator",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        strict_content_type=False,
    )
    login = Login(port.token, port.services, clock=port.clock)
    add_refusals(app, tells_fields=True)
    app.include_router(enrol_router(port.services.enrolment, clock=port.clock), responses=refusals())
    app.include_router(_health(port.services), responses=refusals())
    app.include_router(_api(app, port, login), prefix=API, responses=refusals())
    add_pages(app, port.services, port.runs, login=login, clock=port.clock)
    if port.services.config.oidc is not None:
        app.include_router(
            oidc_router(port.services, port.services.config.oidc, clock=port.clock), include_in_schema=False
        )
    gate.set_doorkeeper(app, login)
    gate.check_declared(app)
    return app


def _api(app: FastAPI, port: PeoplePort, login: Login) -> APIRouter:
    router = APIRouter()
    router.include_router(session_router(login, port.services.accounts))
    router.include_router(own_account_router(port.services.accounts, clock=port.clock))
    router.include_router(tokens_router(port.services.tokens, clock=port.clock))
    router.include_router(setup_router(port.services.accounts, clock=port.clock))
    router.include_router(accounts_router(port.services.accounts, clock=port.clock))
    router.include_router(sites_router(port.services.enrolment, clock=port.clock))
    router.include_router(catalog_router(port.services.catalog_reading, clock=port.clock))
    router.include_router(negotiations_router(port.services.negotiations, clock=port.clock))
    router.include_router(planning_router(port.services.planning))
    router.include_router(studies_router(port.services.studies))
    router.include_router(new_studies_router(port.services.studies, uploads_of(port.services), clock=port.clock))
    router.include_router(leads_router(port.services.leads, clock=port.clock))
    router.include_router(runs_router(port.runs))
    router.include_router(starts_router(StartsService(port.services, open_runs(port.services)), clock=port.clock))
    cards = CardsService(port.services.models, port.services.studies, port.runs)
    router.include_router(models_router(port.services.models, cards, port.services.lineage))

    @router.get("/openapi.json", include_in_schema=False, dependencies=[Depends(gate.signed_in)])
    def openapi() -> dict[str, Any]:
        return document(app)

    return router


def uploads_of(services: Services) -> Uploads:
    """Where initial weights wait that people send."""
    largest = services.config.largest_upload_mb << 20
    return Uploads(services.home.uploads, services.home.models, largest, services.audit)


def _health(services: Services) -> APIRouter:
    router = APIRouter(tags=["health"], dependencies=[Depends(gate.public)])

    @router.get("/health")
    def health() -> Health:
        """Needs no login and says nothing but that it serves."""
        check_schema(services.database)
        return Health()

    return router
