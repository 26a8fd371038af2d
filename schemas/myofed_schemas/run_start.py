"""A wish that a study be run, and what became of it: four eyes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from myofed_schemas.ids import RunId, Sha256, StudyId, UtcTime
from myofed_schemas.wire import WireModel

StartId = Annotated[str, StringConstraints(pattern=r"^start-[a-z0-9]{8,32}$"), Field(examples=["start-0a1b2c3d"])]


class StartRecord(WireModel):
    """One wish that a study be run, and what became of it."""

    start_id: StartId
    study_id: StudyId
    version: int
    manifest_digest: Sha256
    state: Literal["pending", "started", "declined", "expired"]
    asked_by: str
    asked_at: UtcTime
    expires_at: UtcTime
    decided_by: str | None = None
    decided_at: UtcTime | None = None
    reason: str | None = None
    run_id: RunId | None = None
