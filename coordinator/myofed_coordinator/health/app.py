"""`/livez`, `/readyz` and `/metrics` as an ASGI app; it listens on loopback and asks for no login."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from myofed_coordinator.health.measures import Measures
from myofed_coordinator.health.metrics import exposition
from myofed_coordinator.health.readiness import Readiness

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


def health_app(ready: Callable[[], Readiness], measure: Callable[[], Measures]) -> Starlette:
    """The app.

    Args:
        ready: Asked at each `/readyz`.
        measure: Asked at each `/metrics`.
    """

    def livez(_request: Request) -> Response:
        return JSONResponse({"state": "OK"})

    def readyz(_request: Request) -> Response:
        found = ready()
        return JSONResponse(found.model_dump(mode="json"), status_code=200 if found.ready else 503)

    def metrics(_request: Request) -> Response:
        return Response(exposition(measure), media_type=EXPOSITION)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)])
