"""Which sites train in a round, where the study asks for a sample of them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from myofed_schemas.study_options import Schedule


@dataclass(frozen=True)
class Turn:
    """Whose turn it is in one round.

    Attributes:
        size: So many sites; None: every site.
        seed: Of the sample.
        round: The same seed and round choose the same sites.
    """

    size: int | None = None
    seed: int = 0
    round: int = 0

    def ranked(self, sites: Iterable[str]) -> list[str]:
        """The sites by SHA-256 of seed, round and name: a site that comes or goes does not change the others' order."""
        return sorted(sites, key=lambda s: (hashlib.sha256(f"{self.seed}:{self.round}:{s}".encode()).digest(), s))

    def choose(self, sites: Iterable[str], online: Collection[str]) -> tuple[list[str], list[str]]:
        """Who is asked, and who would have been, but is offline; both in the order of their names.

        The next in rank takes the place of one that is offline, so that a sample stays as large as the study wants it.
        """
        chosen: list[str] = []
        absent: list[str] = []
        for site in self.ranked(sites):
            if self.size is not None and len(chosen) == self.size:
                break
            (chosen if site in online else absent).append(site)
        return sorted(chosen), sorted(absent)


def turn_of(schedule: Schedule | None, round_number: int) -> Turn:
    """As the manifest says; every site where it says nothing."""
    if schedule is None or schedule.sites_per_round is None:
        return Turn()
    return Turn(schedule.sites_per_round, schedule.sampling_seed, round_number)
