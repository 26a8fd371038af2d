"""Everything that is wrong with a file of facts, by row, column and code; never by value."""

from __future__ import annotations

from collections.abc import Iterable

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.subject_facts import FactFault

MOST_NAMED = 20


def refuse(faults: Iterable[FactFault]) -> None:
    """Returns where there is no fault.

    Raises:
        MyofedError: SUBJECTS_INVALID, naming rows, columns and codes.
    """
    found = sorted(set(faults), key=lambda fault: (fault.row, fault.column, fault.code))
    if not found:
        return
    named = ", ".join(f"row {fault.row} {fault.column} {fault.code}" for fault in found[:MOST_NAMED])
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    raise MyofedError(
        "SUBJECTS_INVALID",
        f"expected facts of the published form, found {len(found)} faults: {named}{more}",
        hint="nothing was imported; docs/subject-facts.md explains each column and code",
        exit_code=ExitCode.BAD_INPUT,
    )
