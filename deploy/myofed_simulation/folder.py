"""Where a simulation writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class OutFolder:
    """Everything a simulation writes."""

    root: Path

    @property
    def plan(self) -> Path:
        """What was asked; another plan needs another folder."""
        return self.root / "plan.json"

    @property
    def record(self) -> Path:
        """See `RunRecord`."""
        return self.root / "run.json"

    @property
    def initial(self) -> Path:
        """The weights that the run begins with."""
        return self.root / "initial.safetensors"

    @property
    def model(self) -> Path:
        """The weights that the run keeps."""
        return self.root / "model.safetensors"

    @property
    def rounds(self) -> Path:
        """One line a finished round."""
        return self.root / "rounds.jsonl"

    @property
    def data(self) -> Path:
        """Synthetic patients."""
        return self.root / "data"
