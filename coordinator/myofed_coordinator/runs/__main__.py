"""Process entry point of the runs' supervisor: `python -m myofed_coordinator.runs DIR ENGINE_PORT`."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

from myofed_coordinator.config import load_config
from myofed_coordinator.federation.flower_adapter import EngineControl
from myofed_coordinator.federation.superlink import BUNDLE
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.runs.reconcile import Reconciler
from myofed_coordinator.services import open_services
from myofed_schemas.clock import system_now
from myofed_schemas.errors import MyofedError
from myofed_schemas.json_log import configure_logging, style_of

STEP_S = 0.5

log = logging.getLogger("myofed.runs")


def main(home: HomeFolder, *, engine_port: int) -> None:
    """Reconciles until the process is stopped; a step that fails is logged by its code and tried again."""
    services = open_services(home, load_config(home))
    control = EngineControl(f"127.0.0.1:{engine_port}", ca=home.loopback_ca, bundle=BUNDLE)
    reconciler = Reconciler(services, control, now=system_now)
    while True:
        try:
            reconciler.step()
        except MyofedError as error:
            log.warning("%s", error.code)
        time.sleep(STEP_S)


if __name__ == "__main__":
    configure_logging("runs", style=style_of(os.environ.get("MYOFED_LOG_FORMAT")))
    main(HomeFolder(Path(sys.argv[1])), engine_port=int(sys.argv[2]))
