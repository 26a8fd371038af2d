"""Why a label map is not taken: a code, and counts of what was found."""

from __future__ import annotations

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


class LabelRefusedError(MyofedError):
    """This label map is not imported or exported; docs/label-maps.md explains the code."""

    def __init__(self, code: str, message: str = "", hint: str = "") -> None:
        super().__init__(
            code,
            message
            or "expected a label map on the grid of an image of the data set, with a table of its values, found another",
            hint=hint or "docs/label-maps.md lists the codes",
            exit_code=ExitCode.WITHHELD,
        )
