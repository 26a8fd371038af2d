"""`export-dicom`: converted images back as DICOM."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
