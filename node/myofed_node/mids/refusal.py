"""The one way a series is not converted: a code, and the keywords and numbers that led to it."""

from __future__ import annotations

from typing import Literal

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


class SeriesRefusedError(MyofedError):
    """This series is not converted; docs/conversion.md explains the code.

    Attributes:
        outcome: skipped (by rule, nothing lost) or quarantined (a person should look).
        evidence: `Keyword=value` of technical elements only.
    """

    def __init__(self, code: str, *evidence: str, outcome: Literal["skipped", "quarantined"] = "quarantined") -> None:
        super().__init__(
            code,
            "expected a series that the headers prove to be one image of the profile, found: " + "; ".join(evidence),
            hint="docs/conversion.md lists the codes and what to do",
            exit_code=ExitCode.WITHHELD,
        )
        self.outcome: Literal["skipped", "quarantined"] = outcome
        self.evidence = evidence
