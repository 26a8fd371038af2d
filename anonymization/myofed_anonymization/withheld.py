"""The one way a file is refused: a code, and nothing of the file."""

from __future__ import annotations

from myofed_schemas.deid import WithheldCode
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


class WithheldError(MyofedError):
    """This file is not released; `reason` says why and goes into the report."""

    def __init__(self, reason: WithheldCode) -> None:
        super().__init__(
            reason.value,
            "the file cannot be released",
            hint="docs/deidentification.md explains the code",
            exit_code=ExitCode.WITHHELD,
        )
        self.reason = reason
