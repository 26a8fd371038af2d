"""Everything that is wrong with a file of facts, by row, column and code; never by value."""

from __future__ import annotations

from collections.abc import Iterable

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.subject_facts import FactFault

MOST_NAMED = 20


def refuse(faults: Iterable[FactFault], *, because: str = "") -> None:
    """Returns where there is no fault.

    Args:
        faults: What was found.
        because: What is wrong with the file as a whole, in words of ours, where that is known.

    Raises:
        MyofedError: SUBJECTS_INVALID, naming rows, columns and codes.
    """
    found = sorted(set(faults), key=lambda fault: (fault.row, fault.column, fault.code))
    if not found:
        return
    named = ", ".join(f"row {fault.row} {fault.column} {fault.code}" for fault in found[:MOST_NAMED])
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    count = "1 fault" if len(found) == 1 else f"{len(found)} faults"
    why = f" ({because})" if because else ""
    raise MyofedError(
        "SUBJECTS_INVALID",
        f"expected facts of the published form, found {count}: {named}{more}{why}",
        hint="nothing was imported; docs/subject-facts.md explains each column and code",
        exit_code=ExitCode.BAD_INPUT,
    )
