"""Process entry point of the status port: `python -m myofed_coordinator.health HOME PORT ENGINE_PORT`."""

from __future__ import annotations

import logging
import os
import sys
from functools import partial
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from myofed_coordinator.config import load_config
from myofed_coordinator.federation import superlink
from myofed_coordinator.health.app import health_app
from myofed_coordinator.health.measures import measure
from myofed_coordinator.health.readiness import OWN, Watched, readiness
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.services import Services, open_services
from myofed_schemas.clock import system_now
from myofed_schemas.errors import MyofedError
from myofed_schemas.json_log import configure_logging, style_of

HOST = "127.0.0.1"

log = logging.getLogger("myofed.status")


def build(services: Services, *, engine_port: int) -> Starlette:
    """The status port of this coordinator."""
    healthy = partial(superlink.is_healthy, services.home, port=engine_port)
    watched = Watched(services.home, services.database, healthy)
    return health_app(partial(readiness, watched), lambda: measure(services, now=system_now()))


def main(arguments: list[str]) -> int:
    """Serves until SIGTERM; the exit code says why it did not start."""
    configure_logging(OWN, style=style_of(os.environ.get("MYOFED_LOG_FORMAT")))
    home, port, engine_port = HomeFolder(Path(arguments[0])), int(arguments[1]), int(arguments[2])
    try:
        services = open_services(home, load_config(home))
    except MyofedError as error:
        log.error("%s", error)  # noqa: TRY400  its text is for people; a traceback says nothing more
        return int(error.exit_code)
    app = build(services, engine_port=engine_port)
    uvicorn.run(app, host=HOST, port=port, log_config=None, access_log=False, log_level="warning", server_header=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
