"""`/site/*` of the sites' port: what a node says and fetches beside Flower. The gateway has checked the certificate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Path, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from myofed_coordinator.api.refusals import add_refusals, answer
from myofed_coordinator.api.site_negotiations import add_negotiations
from myofed_coordinator.api.site_planning import add_planning
from myofed_coordinator.api.site_weights import add_weights
from myofed_coordinator.models import weights
from myofed_coordinator.services import Services
from myofed_schemas.audit import CosignedHead, ProvenHead, SignedAuditHead, WitnessedHead
from myofed_schemas.canonical import MAX_SAFE_INTEGER
from myofed_schemas.catalog import DatasetCard
from myofed_schemas.clock import utc_text
from myofed_schemas.cube import CountCube
from myofed_schemas.enrolment import RenewalReply, SignedRenewal
from myofed_schemas.errors import ErrorBody
from myofed_schemas.federation import Heartbeat, HeartbeatReply
from myofed_schemas.ids import Sha256
from myofed_schemas.study import SignedDecision, SignedManifest
from myofed_schemas.wire import WireModel

Sequence = Annotated[int, Path(ge=0, le=MAX_SAFE_INTEGER)]
DatasetName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{1,47}$")]


class Done(WireModel):
    """The request was carried out; there is nothing to say about it."""


def site_of(request: Request) -> str:
    """The site whose certificate the gateway verified.

    Raises:
        RuntimeError: The app runs without the gateway in front; nothing may be answered then.
    """
    site = request.scope.get("state", {}).get("site")
    if not isinstance(site, str) or not site:
        msg = "the site app needs the gateway's scope['state']['site']"
        raise RuntimeError(msg)
    return site


SiteName = Annotated[str, Depends(site_of)]


def site_app(services: Services, *, clock: Callable[[], datetime]) -> ASGIApp:
    """The ASGI app for `/site/*`; it trusts `scope["state"]["site"]` and answers no request with a query string.

    Args:
        services: Open; the gateway looks certificates up in the same ones.
        clock: Asked once a request.
    """
    app = FastAPI(
        title="myofed sites' port",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        strict_content_type=False,
    )
    add_refusals(app)
    app.include_router(_routes(services, clock), responses={"default": {"model": ErrorBody}})
    return _without_query(app)


def _without_query(app: ASGIApp) -> ASGIApp:
    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("query_string"):
            await answer("NOT_FOUND", status=404)(scope, receive, send)
            return
        await app(scope, receive, send)

    return guarded


def _routes(services: Services, clock: Callable[[], datetime]) -> APIRouter:
    router = APIRouter(prefix="/site")
    _add_reports(router, services, clock)
    _add_studies(router, services, clock)
    add_negotiations(router, services.negotiations, site_of, clock=clock)
    add_planning(router, services.planning, site_of, clock=clock)
    add_weights(router, services.home, site_of)
    return router


def _add_reports(router: APIRouter, services: Services, clock: Callable[[], datetime]) -> None:
    @router.post("/heartbeat")
    def heartbeat(body: Heartbeat, site: SiteName) -> HeartbeatReply:
        now = clock()
        services.enrolment.note_heartbeat(site, body, now=now)
        return HeartbeatReply(received_at=utc_text(now))

    @router.put("/card")
    def publish_card(body: DatasetCard, site: SiteName) -> Done:
        services.catalog.publish(body, site=site, now=clock())
        return Done()

    @router.put("/cube")
    def publish_cube(body: CountCube, site: SiteName) -> Done:
        services.catalog.publish_cube(body, site=site, now=clock())
        return Done()

    @router.delete("/card/{dataset}")
    def withdraw_card(dataset: DatasetName, site: SiteName) -> Done:
        services.catalog.withdraw(dataset, site=site, now=clock())
        return Done()

    @router.get("/audit-head")
    def last_cosigned(site: SiteName) -> CosignedHead:
        return services.heads.last_cosigned(site)

    @router.post("/audit-head")
    def cosign_audit_head(body: ProvenHead, site: SiteName) -> SignedAuditHead:
        return services.heads.cosign(body, site=site, now=clock())

    @router.post("/certificate")
    def renew_certificate(body: SignedRenewal, site: SiteName) -> RenewalReply:
        return services.renewals.renew(body, site=site, now=clock())

    @router.get("/coordinator-head/{since}")
    def own_head(since: Sequence, _site: SiteName) -> ProvenHead:
        return services.heads.own_head(since=since)

    @router.post("/coordinator-head")
    def witness_head(body: WitnessedHead, site: SiteName) -> Done:
        services.heads.record_witness(body, site=site, now=clock())
        return Done()


def _add_studies(router: APIRouter, services: Services, clock: Callable[[], datetime]) -> None:
    @router.get("/studies")
    def studies(site: SiteName) -> list[SignedManifest]:
        return services.studies.of_site(site)

    @router.post("/decision")
    def decide(body: SignedDecision, site: SiteName) -> Done:
        services.studies.record_decision(body, site=site, now=clock())
        return Done()

    @router.get("/models/{sha256}")
    def model(sha256: Sha256, site: SiteName) -> Response:
        return Response(_weights_for(services, sha256, site=site), media_type="application/octet-stream")


def _weights_for(services: Services, sha256: str, *, site: str) -> bytes:
    """Initial weights and registered models of studies that name this site; to all others they do not exist.

    Raises:
        MyofedError: MODEL_UNKNOWN.
    """
    manifests = [signed.manifest for signed in services.studies.of_site(site)]
    initial = {manifest.initial_weights_sha256 for manifest in manifests}
    studies = {manifest.study_id for manifest in manifests}
    if sha256 not in initial and services.models.show(sha256).statement.study_id not in studies:
        raise weights.unknown_model(sha256)
    return weights.read_weights(services.home.models, sha256)
