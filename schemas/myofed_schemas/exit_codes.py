"""Exit codes of all commands, by range; a retired code is never used again. Documented in docs/exit-codes.md."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status says.

    0..9 common, 10..19 data on a site, 20..29 network and trust, 30..39 studies and runs, 40..49 this machine.
    """

    DONE = 0
    FAILED = 1
    USAGE = 2
    WITHHELD = 3
    """All was done, but something was withheld or quarantined; the report names it."""
    BAD_INPUT = 10
    NOT_CLEAN = 11
    """De-identification could not prove an output clean."""
    INVALID_DATASET = 12
    SITE_FOLDER = 13
    """The site or home folder is missing, not empty, or of another kind."""
    UNREACHABLE = 20
    REFUSED = 21
    """The other side refused: certificate, token, revocation."""
    NOT_ENROLLED = 22
    PENDING = 23
    """Waits for a decision of a person on the other side."""
    NOT_APPROVED = 30
    QUORUM_LOST = 31
    RUN_FAILED = 32
    NOT_RUNNING = 40
    """The service this command needs is not up."""
    UNHEALTHY = 41
    """doctor or verify found a defect."""
    INTERRUPTED = 130
