"""Whether this coordinator can do its work now: database, disk, engine, services; codes alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from myofed_coordinator.children import children_of
from myofed_coordinator.database import Database, check_schema
from myofed_coordinator.doctor import FREE_BYTES
from myofed_coordinator.home import HomeFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.ids import Code
from myofed_schemas.wire import WireModel

OWN = "status-port"
"""The process that asks; its own state is not a reason to be unready."""


class Readiness(WireModel):
    """What `/readyz` answers.

    Attributes:
        ready: Every check holds.
        checks: Check -> `OK` or the code of what is wrong.
    """

    ready: bool
    checks: dict[Code, Code]


@dataclass(frozen=True)
class Watched:
    """What is looked at.

    Attributes:
        home: The coordinator's.
        database: Its database.
        engine_is_healthy: Asks the engine on loopback.
    """

    home: HomeFolder
    database: Database
    engine_is_healthy: Callable[[], bool]


def readiness(watched: Watched) -> Readiness:
    """Every check was made; one that fails does not stop the others."""
    checks = {name: _code(check, watched) for name, check in _CHECKS.items()}
    return Readiness(ready=all(code == "OK" for code in checks.values()), checks=checks)


def _code(check: Callable[[Watched], None], watched: Watched) -> str:
    try:
        check(watched)
    except MyofedError as error:
        return error.code
    except OSError:
        return "SYSTEM_ERROR"
    return "OK"


def _disk(watched: Watched) -> None:
    if shutil.disk_usage(watched.home.root).free < FREE_BYTES:
        raise MyofedError("DISK_FULL", f"expected {FREE_BYTES >> 20} MiB free, found fewer")


def _engine(watched: Watched) -> None:
    if not watched.engine_is_healthy():
        raise MyofedError("ENGINE_AWAY", "expected the engine to answer on loopback, found nobody")


def _services(watched: Watched) -> None:
    children = {name: state for name, state in children_of(watched.home).items() if name != OWN}
    if not children or any(state != "ready" for state in children.values()):
        raise MyofedError("SERVICES_DOWN", "expected every service of `up` to be ready, found others")


_CHECKS: dict[str, Callable[[Watched], None]] = {
    "DATABASE": lambda watched: check_schema(watched.database),
    "DISK_SPACE": _disk,
    "ENGINE": _engine,
    "SERVICES": _services,
}
