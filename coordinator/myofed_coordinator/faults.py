"""What a validation found, in words: which field, and what was expected there; never the value."""

from __future__ import annotations

from pydantic import ValidationError

TOLD = 5
"""So many faults are told; more at once help nobody."""


def in_words(error: ValidationError, *, whole: str) -> str:
    """Each fault as `field: what was expected`; never what was given, which may be a password.

    Args:
        error: Of a model of ours.
        whole: What is at fault where no single field is, e.g. `arguments`.
    """
    faults = error.errors(include_input=False, include_context=False, include_url=False)
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or whole}: {fault['msg'].removeprefix('Value error, ')}"
        for fault in faults[:TOLD]
    )
