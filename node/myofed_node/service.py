"""The node's own service: signs of life, new studies, decisions to deliver, audit heads, and the site's page.

Process entry point: `python -m myofed_node.service DIR`, started by `up`.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from myofed_node.audit_exchange import exchange_head
from myofed_node.chores import Chore, code_of, do_chores
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.coordinator_history import witness_coordinator
from myofed_node.federation.egress_client import EgressClient
from myofed_node.federation.retention import forget_everywhere
from myofed_node.heartbeat import clock_skew_s, heartbeat
from myofed_node.negotiation_desk import NegotiationDesk
from myofed_node.nightly import nightly_chores
from myofed_node.planning_desk import PlanningDesk
from myofed_node.renewal import renew_when_due
from myofed_node.service_state import ServiceState, save_service_state
from myofed_node.site_setup import Site, look_into_site
from myofed_node.study_desk import StudyDesk
from myofed_schemas.clock import system_now, utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.json_log import configure_logging, style_of
from myofed_schemas.supervise import die_with_parent

log = logging.getLogger("myofed.service")

SWEEP_EVERY = timedelta(days=1)
"""Between two looks for what runs that are over left behind; the first is at the start."""
WITNESS_EVERY = timedelta(hours=1)
"""Between two signatures over the coordinator's own audit head."""
RENEW_EVERY = timedelta(hours=1)
"""Between two looks at how long the client certificate will last."""


@dataclass(frozen=True)
class Service:
    """What one beat does; errors of one part stop no other."""

    site: Site
    api: CoordinatorApi

    def beat(self, last: ServiceState, *, now: datetime) -> ServiceState:
        """The coordinator has heard from this node, and both sides know what the other had to say.

        Args:
            last: State after the beat before.
            now: UTC.

        Returns:
            The new state: `OK`, or the code of the first part that failed.
        """
        desk = StudyDesk(self.site, self.api)
        found = _Findings(skew_s=last.clock_skew_s, cosigned=last.head_cosigned)
        parts: tuple[Callable[[], None], ...] = (
            lambda: found.note_skew(clock_skew_s(self.api.heartbeat(heartbeat("UP", now=now)), now=now)),
            lambda: found.note_new(desk.fetch()),
            lambda: found.note_new(PlanningDesk(self.site, self.api).fetch()),
            lambda: found.note_new(NegotiationDesk(self.site, self.api).fetch()),
            lambda: found.note_new(desk.deliver_all()),
            lambda: found.note_head(exchange_head(self.site.folder, self.api, site=self.site.config.site)),
        )
        codes = [code for part in parts if (code := code_of(part))]
        return ServiceState(
            at=utc_text(now),
            code=codes[0] if codes else "OK",
            last_contact=utc_text(now) if found.contact else last.last_contact,
            clock_skew_s=found.skew_s,
            head_cosigned=found.cosigned,
            web=last.web,
        )


@dataclass
class _Findings:
    """What the parts of one beat learnt."""

    skew_s: int | None
    cosigned: int
    contact: bool = False
    new: int = 0

    def note_skew(self, skew_s: int) -> None:
        self.skew_s, self.contact = skew_s, True

    def note_new(self, count: int) -> None:
        self.new += count

    def note_head(self, sequence: int) -> None:
        self.cosigned = sequence


def _chores(site: Site, api: CoordinatorApi) -> list[Chore]:
    return [
        Chore(lambda now: forget_everywhere(site.folder, now=now), SWEEP_EVERY),
        Chore(lambda now: renew_when_due(site.folder, api, site=site.config.site, now=now), RENEW_EVERY),
        Chore(lambda now: witness_coordinator(site.folder, api, now=now), WITNESS_EVERY),
    ]


def run(site: Site, *, stop: threading.Event, clock: Callable[[], datetime] = system_now) -> None:
    """Beats until `stop` is set; the state after each lies in `run/service.json`.

    Args:
        site: The site.
        stop: Set by SIGTERM.
        clock: UTC now.

    Raises:
        MyofedError: WEB_PORT_TAKEN.
    """
    from myofed_node.web.server import serve_page

    state = ServiceState(at=utc_text(clock()), code="STARTING", web=serve_page(site))
    save_service_state(site.folder, state)
    api = CoordinatorApi(EgressClient(site.folder))
    service, chores = Service(site, api), [*_chores(site, api), *nightly_chores(site, now=clock().astimezone())]
    while not stop.is_set():
        now, before = clock(), state.code
        state = service.beat(state, now=now)
        if code := do_chores(chores, now=now):
            state = state.model_copy(update={"code": code})
        if state.code != before:
            log.info("beat: %s", state.code)
        save_service_state(site.folder, state)
        stop.wait(site.config.heartbeat_s)


def main() -> None:
    """The service runs until SIGTERM or SIGINT, or until `up` dies."""
    die_with_parent()
    configure_logging("service", style=style_of(os.environ.get("MYOFED_LOG_FORMAT")))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        run(look_into_site(Path(sys.argv[1])), stop=stop)
    except MyofedError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
