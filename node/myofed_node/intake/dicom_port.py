"""Process entry point of the DICOM port: `python -m myofed_node.intake.dicom_port DIR NUMBER`, started by `up`."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path

from myofed_node.config import load_config
from myofed_node.intake.dicom_listener import DicomListener, Intake
from myofed_node.intake.received import Received
from myofed_node.intake.silence import silence_libraries
from myofed_node.intake.tls import server_context
from myofed_node.site_folder import SiteFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.json_log import configure_logging, style_of
from myofed_schemas.supervise import die_with_parent

log = logging.getLogger("myofed.intake")
SIGNALS_S = 0.5
"""The system may hand a signal to another thread; Python runs its handler when this one wakes."""


def main() -> None:
    """The port is open until SIGTERM or SIGINT, or until `up` dies."""
    die_with_parent()
    configure_logging("intake", style=style_of(os.environ.get("MYOFED_LOG_FORMAT")))
    silence_libraries()
    folder = SiteFolder(Path(sys.argv[1]))
    received = Received(folder.received, receiver=int(sys.argv[2]))
    received.open()
    threading.excepthook = _told_by_kind
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = load_config(folder.config).intake
    received.sweep(above=settings.processes if sys.argv[2] == "1" else None)
    try:
        tls = server_context(settings.tls, root=folder.root) if settings.tls else None
    except MyofedError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    with DicomListener(Intake(received, settings), tls=tls):
        while not stop.wait(SIGNALS_S):
            pass
    logging.shutdown()
    os._exit(0)  # a thread of pynetdicom may read from a caller for a minute more; what was acknowledged is on disk


def _told_by_kind(args: threading.ExceptHookArgs) -> None:
    """A thread of pynetdicom ended; its traceback could quote what a sender sent."""
    log.warning("a thread ended by %s", args.exc_type.__name__)


if __name__ == "__main__":
    main()
