"""Process entry point of the sites' port: `python -m myofed_coordinator.federation.sites_port DIR ENGINE_PORT`."""

from __future__ import annotations

import os
import ssl
import sys
from functools import partial
from pathlib import Path

import httpx
import uvicorn
from sqlalchemy.exc import OperationalError

from myofed_coordinator.api.site import site_app
from myofed_coordinator.config import CoordinatorConfig, load_config, split_address
from myofed_coordinator.enrolment.service import EnrolmentService, RegisteredSite
from myofed_coordinator.federation.engine_proxy import EngineProxy
from myofed_coordinator.federation.exchange import RefusedError
from myofed_coordinator.federation.gateway import Behind, Gateway, SitesPortLog
from myofed_coordinator.federation.idle import IdleNodes
from myofed_coordinator.federation.news import News
from myofed_coordinator.federation.peer_certificate import PeerCertificateProtocol, tls_1_3
from myofed_coordinator.federation.weights_transit import sweep
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.services import open_services
from myofed_schemas.clock import system_now
from myofed_schemas.json_log import configure_logging, style_of

ENGINE_TIMEOUT_S = 60.0
KEEP_ALIVE_S = 75


def build(home: HomeFolder, config: CoordinatorConfig, *, engine_port: int) -> Gateway:
    """The sites' port of this home, in front of the engine on this port of 127.0.0.1.

    Raises:
        MyofedError: As `open_services`.
    """
    services = open_services(home, config)
    sweep(home.runs)
    engine = httpx.AsyncClient(
        base_url=f"https://127.0.0.1:{engine_port}",
        verify=ssl.create_default_context(cafile=str(home.loopback_ca)),
        timeout=ENGINE_TIMEOUT_S,
        trust_env=False,
        limits=httpx.Limits(max_connections=256, max_keepalive_connections=64),
    )
    return Gateway(
        Behind(
            lookup=partial(_lookup, services.enrolment),
            engine=EngineProxy(engine, news=News(home.news), replies=News(home.replies), idle=IdleNodes(home.idle)),
            site_app=site_app(services, clock=system_now),
            log=SitesPortLog(home.sites_port_log, now=system_now),
        )
    )


def _lookup(enrolment: EnrolmentService, certificate_sha256: str) -> RegisteredSite | None:
    """As `EnrolmentService.lookup`; a database that is away is 503, on which a SuperNode tries again."""
    try:
        return enrolment.lookup(certificate_sha256)
    except OperationalError:
        raise RefusedError(503, "DATABASE_UNREACHABLE") from None


def serve(home: HomeFolder, config: CoordinatorConfig, *, engine_port: int) -> None:
    """Serves until SIGTERM or SIGINT."""
    host, port = split_address(config.sites)
    uvicorn.run(
        build(home, config, engine_port=engine_port),
        host=host,
        port=port,
        http=PeerCertificateProtocol,
        ws="none",
        lifespan="off",
        ssl_certfile=home.server_certificate,
        ssl_keyfile=str(home.server_key),
        ssl_ca_certs=str(home.ca),
        ssl_cert_reqs=ssl.CERT_REQUIRED,
        ssl_context_factory=tls_1_3,
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    configure_logging("sites-port", style=style_of(os.environ.get("MYOFED_LOG_FORMAT")))
    _home = HomeFolder(Path(sys.argv[1]))
    serve(_home, load_config(_home), engine_port=int(sys.argv[2]))
