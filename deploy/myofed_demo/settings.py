"""What the demonstration trains: enough for the comparison it makes, small enough for two cores and a few minutes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SITE_NAMES = ("hospital-a", "hospital-b", "hospital-c", "hospital-d", "hospital-e", "hospital-f")
STUDY_ID = "thigh-muscles"


@dataclass(frozen=True)
class DemoOptions:
    """What the command line chose.

    Attributes:
        workdir: Folder of everything the demonstration makes.
        sites: Number of hospitals.
        rounds: Rounds of federated training.
        subjects: Subjects per hospital, one number a site.
        seed: Decides patients and training.
        local_steps: Optimiser steps a site does in a round.
        stay_up: Keep everything running at the end.
        json: One JSON document on standard output.
    """

    workdir: Path
    sites: int
    rounds: int
    subjects: tuple[int, ...]
    seed: int
    local_steps: int
    stay_up: bool
    json: bool

    @property
    def site_names(self) -> tuple[str, ...]:
        """Names of the hospitals."""
        return SITE_NAMES[: self.sites]
