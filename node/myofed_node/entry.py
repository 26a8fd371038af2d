"""The console script `myofed-node`: Ctrl-C ends it with status 130 and without a traceback, from its first line to its last."""

from __future__ import annotations

import os
import signal
from types import FrameType

INTERRUPTED = 130
"""As `ExitCode.INTERRUPTED`: nothing is imported before the signal is looked after."""


def main() -> None:
    """The command has run; see `myofed_node.cli.main`.

    While modules load nothing is under way and the process just ends. While a command runs, KeyboardInterrupt reaches it, so that
    it cleans up. When it is done, its own status stands: Python's finalisation is not interrupted.
    """
    signal.signal(signal.SIGINT, _leave)
    from myofed_node.cli import main as run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    except KeyboardInterrupt:  # between our handler and the command's own
        _leave(signal.SIGINT, None)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _leave(_number: int, _frame: FrameType | None) -> None:
    os.write(2, b"interrupted; run the same command again to go on\n")
    os._exit(INTERRUPTED)
