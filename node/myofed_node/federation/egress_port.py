"""Process entry point of the egress: `python -m myofed_node.federation.egress_port DIR`."""

from __future__ import annotations

import signal
import ssl
import sys
from functools import partial
from pathlib import Path

import httpx
import uvicorn

from myofed_node.config import SiteConfig, load_config
from myofed_node.coordinator_link import load_link
from myofed_node.federation.egress import Egress, EgressSettings
from myofed_node.federation.egress_client import EgressAddress
from myofed_node.federation.egress_files import FileCourier, Outside
from myofed_node.federation.ledger import EgressLedger
from myofed_node.federation.task_news import announce
from myofed_node.site_folder import SiteFolder
from myofed_schemas.clock import system_now

TIMEOUT_S = 60.0
KEEP_ALIVE_S = 75


def outside_client(folder: SiteFolder, config: SiteConfig) -> httpx.AsyncClient:
    """A client that reaches the coordinator's sites' port with this site's certificate, and nothing else.

    Raises:
        MyofedError: NOT_ENROLLED.
    """
    return httpx.AsyncClient(
        base_url=load_link(folder).sites_url,
        verify=_context(folder),
        proxy=config.outbound_proxy,
        timeout=TIMEOUT_S,
        trust_env=False,
        follow_redirects=False,
        headers={"user-agent": "myofed-egress"},
        limits=httpx.Limits(max_connections=32, max_keepalive_connections=8, keepalive_expiry=KEEP_ALIVE_S - 10),
    )


def courier(folder: SiteFolder, config: SiteConfig) -> FileCourier:
    """The same way for weights that lie in files.

    Raises:
        MyofedError: NOT_ENROLLED.
    """
    outside = Outside(load_link(folder).sites_url, _context(folder), config.outbound_proxy, TIMEOUT_S)
    folder.passing_weights.mkdir(mode=0o700, parents=True, exist_ok=True)
    return FileCourier(outside.connection, folder.passing_weights)


def _context(folder: SiteFolder) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder.consortium_ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(folder.tls_certificate, folder.tls_key)
    return context


def serve(folder: SiteFolder, config: SiteConfig) -> None:
    """Serves on 127.0.0.1 until SIGTERM or SIGINT; port and token are those that `up` wrote to run/egress.json."""
    # uvicorn raises the stop signal again when it is done; the default action would end the process before the requests
    # under way could be noted in the ledger.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    address = EgressAddress.model_validate_json(folder.egress_address.read_bytes())
    settings = EgressSettings(
        local_token=address.token,
        ledger=EgressLedger(folder.ledger),
        capture=folder.capture if config.capture_egress and config.policy.demo else None,
        now=system_now,
        courier=courier(folder, config),
        message_passed=partial(announce, folder.task_news),
    )
    uvicorn.run(
        Egress(outside_client(folder, config), settings),
        host="127.0.0.1",
        port=address.port,
        ws="none",
        lifespan="off",
        ssl_certfile=folder.loopback_certificate,
        ssl_keyfile=str(folder.loopback_key),
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    _folder = SiteFolder(Path(sys.argv[1]))
    serve(_folder, load_config(_folder.config))
