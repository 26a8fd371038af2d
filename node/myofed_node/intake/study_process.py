"""Process entry point of the pipeline: `python -m myofed_node.intake.study_process DIR`, started by `up`.

It de-identifies, so it is the one service that may read the key of the pseudonyms. It has no port and no way out.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from myofed_node.intake.silence import silence_libraries
from myofed_node.intake.studies import StudyIntake
from myofed_node.site_setup import open_site
from myofed_schemas.clock import system_now
from myofed_schemas.errors import MyofedError
from myofed_schemas.json_log import configure_logging, style_of
from myofed_schemas.supervise import die_with_parent

LOOK_EVERY_S = 1.0
NICENESS = 10
"""Senders, and a training, go first."""


def main() -> None:
    """Studies are worked on until SIGTERM or SIGINT, or until `up` dies."""
    die_with_parent()
    silence_libraries()
    os.nice(NICENESS)
    configure_logging("pipeline", style=style_of(os.environ.get("MYOFED_LOG_FORMAT")))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        intake = StudyIntake.of(open_site(Path(sys.argv[1])))
        while not stop.is_set():
            intake.look(now=system_now(), clock=time.monotonic)
            stop.wait(LOOK_EVERY_S)
    except MyofedError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
