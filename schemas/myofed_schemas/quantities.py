"""Physical quantities whose unit is in the type; ORMIR-MIDS times are milliseconds (BIDS and dcm2niix use seconds)."""

from __future__ import annotations

from typing import NewType

Milliseconds = NewType("Milliseconds", float)
Millimetres = NewType("Millimetres", float)
Tesla = NewType("Tesla", float)
Degrees = NewType("Degrees", float)
Megahertz = NewType("Megahertz", float)


def milliseconds_from_seconds(seconds: float) -> Milliseconds:
    """The same time in milliseconds: the only place where seconds of BIDS-like sidecars become ours."""
    return Milliseconds(round(seconds * 1000.0, 9))
