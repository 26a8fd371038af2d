"""Refusals that several use cases of studies share."""

from __future__ import annotations

from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


def unknown_study(study_id: str) -> MyofedError:
    """No such study (or version), or none that the asker may see."""
    return MyofedError(
        "STUDY_UNKNOWN",
        f"no study {study_id} of this version here",
        hint="`study list` shows them",
        exit_code=ExitCode.BAD_INPUT,
    )
