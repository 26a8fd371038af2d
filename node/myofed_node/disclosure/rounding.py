"""Which number is told for a count, and which counts a told number stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNBOUNDED = 1 << 20
"""Above every count of subjects: the bound of what is not told."""


@dataclass(frozen=True)
class Rounding:
    """The site's rule; deterministic, so that asking twice tells nothing more.

    Attributes:
        k: Smaller counts are never told.
        public_k: Smaller counts are told to people who are signed in only; at least k.
        round_to: What is told is a multiple of this.
        zeros_told: Zero is told as such.
    """

    k: int
    public_k: int
    round_to: int
    zeros_told: bool = False

    def told(self, count: int) -> int | None:
        """The number told for this count: the nearest multiple that lies on the same side of k and of public_k.

        Returns:
            None where the count is below k, or where no multiple is on its side.
        """
        if count < self.k:
            return 0 if count == 0 and self.zeros_told else None
        nearest = (count + self.round_to // 2) // self.round_to * self.round_to
        lowest, public = self._multiple(self.k), self._multiple(self.public_k)
        if count >= self.public_k:
            return max(nearest, public)
        told = min(max(nearest, lowest), public - self.round_to)
        return told if told >= lowest else None

    def _multiple(self, count: int) -> int:
        return -(-count // self.round_to) * self.round_to

    def bounds(self, up_to: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Smallest and largest count with the same told number, for each count; for a count not told, no bound.

        Args:
            up_to: Largest count.

        Returns:
            Two (up_to + 1,) int32.
        """
        told = [self.told(count) for count in range(up_to + self.round_to + 1)]
        lowest, highest = np.full(up_to + 1, -UNBOUNDED, np.int32), np.full(up_to + 1, UNBOUNDED, np.int32)
        for count in range(up_to + 1):
            if told[count] is not None:
                same = [other for other, number in enumerate(told) if number == told[count]]
                lowest[count], highest[count] = same[0], same[-1]
        return lowest, highest
