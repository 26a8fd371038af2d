"""`protocol`: how images were acquired, against the profiles a biomarker needs."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
