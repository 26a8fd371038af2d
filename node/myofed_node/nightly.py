"""The nightly rebuild of a published card and cube, in a process of its own: the proof takes minutes.

Process entry point: `python -m myofed_node.nightly DIR`, started by the service.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from myofed_node.chores import Chore
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.federation.egress_client import EgressClient
from myofed_node.publish import Publication, Publisher
from myofed_node.site_setup import Site, look_into_site
from myofed_schemas.clock import system_now
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.supervise import die_with_parent

DAY = timedelta(days=1)


def next_time(now: datetime, at: str) -> datetime:
    """The next moment after `now` at which the site's own clock shows `at`.

    Args:
        now: Aware, in the site's own time zone.
        at: `HH:MM`.
    """
    hour, minute = (int(part) for part in at.split(":"))
    today = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return today if today > now else today + DAY


def rebuild(publisher: Publisher, *, now: datetime) -> Publication | None:
    """What is published is up to date; None where nothing is published: only a person begins to publish.

    Raises:
        MyofedError: As `Publisher.publish`.
    """
    return publisher.publish(now=now) if publisher.may_stand() else None


@dataclass
class Nightly:
    """Starts the rebuild and hears of its end.

    Attributes:
        root: The site's folder.
        start: Starts a process.
    """

    root: Path
    start: Callable[[list[str]], subprocess.Popen[bytes]] = subprocess.Popen
    _running: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def begin(self, _now: datetime) -> None:
        """The rebuild runs, beside this process.

        Raises:
            MyofedError: PUBLISH_FAILED where the one of the day before failed; the new one runs then, too.
        """
        before, self._running = self._running, self.start([sys.executable, "-m", "myofed_node.nightly", str(self.root)])
        if before is not None and before.poll() not in (0, None):
            raise MyofedError("PUBLISH_FAILED", "expected the last nightly publication to end well, found it failed")


def nightly_chores(site: Site, *, now: datetime) -> list[Chore]:
    """The chore of this site; none where its settings switch it off.

    Args:
        site: The site.
        now: Aware, in the site's own time zone.
    """
    at = site.config.publish_at
    return [Chore(Nightly(site.folder.root).begin, DAY, due=next_time(now, at))] if at else []


def main() -> None:
    """The rebuild is done, or its code stands on stderr."""
    die_with_parent()
    site = look_into_site(Path(sys.argv[1]))
    try:
        rebuild(Publisher(site, CoordinatorApi(EgressClient(site.folder))), now=system_now())
    except MyofedError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    except OSError:
        sys.stderr.write("SYSTEM_ERROR\n")
        sys.exit(ExitCode.FAILED)


if __name__ == "__main__":
    main()
