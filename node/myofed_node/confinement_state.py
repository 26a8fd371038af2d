"""Which of the running services are kept from the de-identification key: what each recorded, and what the kernel shows."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from myofed_node.confinement import Confinement
from myofed_node.site_folder import SiteFolder
from myofed_node.status import ServiceStatus
from myofed_schemas.wire import WireModel


class ConfinementRecord(WireModel):
    """`run/confinement-NAME.json`, written by the service's process before it became the service.

    Attributes:
        name: The service's name in `up`.
        pid: Its process.
        confinement: How it is kept from the key.
    """

    name: str
    pid: int
    confinement: Confinement


def load_confinement(folder: SiteFolder, name: str) -> ConfinementRecord | None:
    """How this service was confined when it last started; None where it never was."""
    try:
        return ConfinementRecord.model_validate_json(folder.confinement(name).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def unconfined_services(folder: SiteFolder) -> tuple[str, ...]:
    """Names of the running services that are not kept from the key; empty also where none runs.

    A record counts for the very process that wrote it. Of a folder said to be hidden the kernel is asked, too.
    """
    try:
        pids = ServiceStatus.model_validate_json(folder.status.read_bytes()).pids
    except (FileNotFoundError, ValidationError):
        return ()
    running = {name: pid for name, pid in pids.items() if Path("/proc", str(pid)).exists()}
    return tuple(name for name, pid in sorted(running.items()) if not _confined(folder, name, pid))


def _confined(folder: SiteFolder, name: str, pid: int) -> bool:
    record = load_confinement(folder, name)
    if record is None or record.pid != pid or record.confinement is Confinement.NONE:
        return False
    return record.confinement is not Confinement.HIDDEN or not _sees_key(folder, pid)


def _sees_key(folder: SiteFolder, pid: int) -> bool:
    """The process's own view of the key's folder, through /proc; what cannot be looked at is not held against it."""
    view = Path("/proc", str(pid), "root") / folder.deid_keys.resolve().relative_to("/")
    try:
        return folder.deid_key.name in os.listdir(view)  # noqa: PTH208  one name is asked for
    except OSError:
        return False
