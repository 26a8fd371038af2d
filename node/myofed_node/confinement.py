"""Starts a service so that it cannot read the folder of the de-identification key, whatever becomes of the service.

Between `up` and the service stands, as the same process:

    python -m myofed_node.confinement WAY FOLDER [--record FILE --name NAME] -- PROGRAM ARGUMENTS

Standard library only: it runs before every service. Where the way fails, the program is not started.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from myofed_node import hidden_folder, landlock, linux_calls
from myofed_node.site_folder import SiteFolder
from myofed_schemas.files import write_atomically
from myofed_schemas.supervise import die_with_parent

TRIAL_TIMEOUT_S = 20
CANNOT_CONFINE = 1
"""Exit status where the way failed."""


class Confinement(StrEnum):
    """How this host keeps the de-identification key from the services."""

    OWN_USER = "own-user"
    """The key belongs to another user than the services."""
    HIDDEN = "hidden"
    """An empty folder lies over the key's in the services' mount namespace."""
    LANDLOCK = "landlock"
    """The kernel refuses to open it; only where the key's folder lies outside the site's (see `landlock`)."""
    NONE = "none"
    """None works; `doctor` says so."""


def find_confinement(folder: SiteFolder) -> Confinement:
    """The strongest way that works here, found by trial: a process confined in that way has tried to get at the key.

    Args:
        folder: The site's folder; the key's own folder is made where it is missing.
    """
    folder.deid_keys.mkdir(mode=0o700, exist_ok=True)
    foreign = folder.deid_keys.stat().st_uid != os.geteuid()
    inside = folder.deid_keys.resolve().is_relative_to(folder.root.resolve())
    ways = (
        *((Confinement.OWN_USER,) if foreign else ()),
        Confinement.HIDDEN,
        *(() if inside else (Confinement.LANDLOCK,)),
    )
    return next((way for way in ways if _holds(folder, way)), Confinement.NONE)


def without_key(argv: Sequence[str], *, folder: SiteFolder, name: str, confinement: Confinement) -> list[str]:
    """The command line that runs `argv` kept from the key, as the same process id; its record says how.

    Args:
        argv: Program and arguments of the service.
        folder: The site's folder.
        name: The service's name in `up`.
        confinement: From `find_confinement`.
    """
    return [*_launcher(folder, confinement), "--record", str(folder.confinement(name)), "--name", name, "--", *argv]


def confine(way: Confinement, folder: Path) -> None:
    """This process and all it starts are kept from `folder` in this way.

    Raises:
        OSError: The way does not work on this host.
    """
    real = folder.resolve(strict=True)
    if way is Confinement.HIDDEN:
        hidden_folder.hide(real)
    if way is Confinement.LANDLOCK:
        landlock.forbid(real)
    linux_calls.forbid_new_privileges()


def main(argv: Sequence[str] | None = None) -> int:
    """This process has become the program, confined; returns only where that failed."""
    parser = argparse.ArgumentParser(prog="python -m myofed_node.confinement")
    parser.add_argument("way", type=Confinement, choices=list(Confinement))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--name", default="")
    parser.add_argument("program", nargs="+")
    given = parser.parse_args(argv)
    try:
        confine(given.way, given.folder)
        if given.record is not None:
            record = {"name": given.name, "pid": os.getpid(), "confinement": given.way}
            write_atomically(given.record, json.dumps(record).encode())
        die_with_parent()  # the kernel forgets it when a process changes its credentials, prctl(2)
        os.execvp(given.program[0], given.program)  # noqa: S606  the command line that `up` made
    except OSError as error:
        sys.stderr.write(f"CONFINEMENT_FAILED: expected the service confined ({given.way}), found: {error.strerror}\n")
    return CANNOT_CONFINE


def _launcher(folder: SiteFolder, way: Confinement) -> list[str]:
    return [sys.executable, "-m", "myofed_node.confinement", way.value, str(folder.deid_keys)]


def _holds(folder: SiteFolder, way: Confinement) -> bool:
    kinds = ["file"] if way is Confinement.OWN_USER else ["file", "process"]  # there, a service's parent has no key
    target = [str(folder.deid_keys.resolve() / folder.deid_key.name), str(folder.run)]
    command = [*_launcher(folder, way), "--", sys.executable, "-m", "myofed_node.key_trial", *target, *kinds]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TRIAL_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
