"""Names of things, as constrained strings; none of them is, or is derived without a key from, a patient's identifier."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

SiteId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,31}$")]
"""A site's name in the consortium, e.g. `hospital-a`."""

SubjectLabel = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,32}$")]
"""ORMIR-MIDS `sub-<label>`: the keyed pseudonym; stays on the node."""

SessionLabel = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,32}$")]

StudyId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{2,47}$")]
"""A federated study, e.g. `thigh-muscles`."""

RunId = Annotated[str, StringConstraints(pattern=r"^run-[a-z0-9]{8,32}$")]

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

Code = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{1,63}$")]
"""What crosses the wire in place of a message."""

UtcTime = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")]
"""UTC, ISO 8601, to the second."""

MuscleId = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,4}$")]
"""A row of muscles.tsv, e.g. `VL`."""
