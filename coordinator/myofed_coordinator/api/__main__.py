"""The process `people-port`: `python -m myofed_coordinator.api HOME` serves the people's port over TLS."""

from __future__ import annotations

import logging
import os
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from myofed_coordinator.api.people import PeoplePort, build_people_app
from myofed_coordinator.api.request_log import with_request_log
from myofed_coordinator.config import CoordinatorConfig, load_config, split_address
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.services import open_runs, open_services
from myofed_schemas.clock import system_now
from myofed_schemas.errors import MyofedError
from myofed_schemas.json_log import configure_logging, style_of

log = logging.getLogger("myofed.people")


def main(arguments: list[str]) -> int:
    """Serves until stopped by SIGTERM; the exit code says why it did not start."""
    configure_logging("people-port", style=style_of(os.environ.get("MYOFED_LOG_FORMAT")))
    home = HomeFolder(Path(arguments[0]).absolute())
    try:
        config = load_config(home)
        serve(build_app(home, config), home, config)
    except MyofedError as error:
        log.error("%s", error)  # noqa: TRY400  its text is for people; a traceback says nothing more
        return int(error.exit_code)
    return 0


def build_app(home: HomeFolder, config: CoordinatorConfig) -> ASGIApp:
    """The people's app of this home."""
    services = open_services(home, config)
    token = home.admin_token.read_text(encoding="ascii").strip()
    return with_request_log(build_people_app(PeoplePort(services, open_runs(services), token, system_now)))


def serve(app: ASGIApp, home: HomeFolder, config: CoordinatorConfig) -> None:
    """The app answers at the configured address over TLS 1.2 or newer, with the home's server certificate."""
    host, port = split_address(config.people)
    uvicorn.run(
        app,
        host=host,
        port=port,
        ssl_certfile=home.server_certificate,
        ssl_keyfile=home.server_key,
        ssl_context_factory=_tls,
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        date_header=True,
        ws="none",
        timeout_graceful_shutdown=3,
    )


def _tls(_config: uvicorn.Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    context = default()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
