"""Process entry point of the egress: `python -m myofed_node.federation.egress_port DIR`."""

from __future__ import annotations

import os
import signal
import ssl
import sys
from functools import partial
from http.client import HTTPSConnection
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
from myofed_node.renewal import settle_renewal
from myofed_node.site_folder import SiteFolder
from myofed_schemas.clock import system_now
from myofed_schemas.json_log import configure_logging, style_of

TIMEOUT_S = 60.0
KEEP_ALIVE_S = 75


class SiteIdentity:
    """The TLS context of everything that leaves: the consortium's CA, and this site's certificate as it is now.

    A certificate that was renewed is used from the next connection on; connections that are open go on with the old one,
    which is valid until its own end.
    """

    def __init__(self, folder: SiteFolder) -> None:
        self._folder = folder
        self._loaded = 0
        self.context = ssl.create_default_context(cafile=str(folder.consortium_ca))
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.refresh()

    def refresh(self) -> None:
        """The context has the certificate that lies in the folder."""
        settle_renewal(self._folder)
        stamp = self._folder.tls_certificate.stat().st_mtime_ns
        if stamp != self._loaded:
            self.context.load_cert_chain(self._folder.tls_certificate, self._folder.tls_key)
            self._loaded = stamp


def outside_client(folder: SiteFolder, config: SiteConfig, identity: SiteIdentity) -> httpx.AsyncClient:
    """A client that reaches the coordinator's sites' port with this site's certificate, and nothing else.

    Raises:
        MyofedError: NOT_ENROLLED.
    """

    async def refresh(_request: httpx.Request) -> None:
        identity.refresh()

    return httpx.AsyncClient(
        base_url=load_link(folder).sites_url,
        verify=identity.context,
        proxy=config.outbound_proxy,
        timeout=TIMEOUT_S,
        trust_env=False,
        follow_redirects=False,
        headers={"user-agent": "myofed-egress"},
        limits=httpx.Limits(max_connections=32, max_keepalive_connections=8, keepalive_expiry=KEEP_ALIVE_S - 10),
        event_hooks={"request": [refresh]},
    )


def courier(folder: SiteFolder, config: SiteConfig, identity: SiteIdentity) -> FileCourier:
    """The same way for weights that lie in files.

    Raises:
        MyofedError: NOT_ENROLLED.
    """
    outside = Outside(load_link(folder).sites_url, identity.context, config.outbound_proxy, TIMEOUT_S)
    folder.passing_weights.mkdir(mode=0o700, parents=True, exist_ok=True)

    def connection() -> HTTPSConnection:
        identity.refresh()
        return outside.connection()

    return FileCourier(connection, folder.passing_weights)


def serve(folder: SiteFolder, config: SiteConfig) -> None:
    """Serves on 127.0.0.1 until SIGTERM or SIGINT; port and token are those that `up` wrote to run/egress.json."""
    # uvicorn raises the stop signal again when it is done; the default action would end the process before the requests
    # under way could be noted in the ledger.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    address = EgressAddress.model_validate_json(folder.egress_address.read_bytes())
    identity = SiteIdentity(folder)
    settings = EgressSettings(
        local_token=address.token,
        ledger=EgressLedger(folder.ledger),
        capture=folder.capture if config.capture_egress and config.policy.demo else None,
        now=system_now,
        courier=courier(folder, config, identity),
        message_passed=partial(announce, folder.task_news),
    )
    uvicorn.run(
        Egress(outside_client(folder, config, identity), settings),
        host="127.0.0.1",
        port=address.port,
        ws="none",
        lifespan="off",
        ssl_certfile=folder.loopback_certificate,
        ssl_keyfile=str(folder.loopback_key),
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    configure_logging("egress", style=style_of(os.environ.get("MYOFED_LOG_FORMAT")))
    _folder = SiteFolder(Path(sys.argv[1]))
    serve(_folder, load_config(_folder.config))
