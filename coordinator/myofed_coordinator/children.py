"""The processes of `up`, as it last wrote their states."""

from __future__ import annotations

from pydantic import ValidationError

from myofed_coordinator.home import HomeFolder
from myofed_schemas.wire import WireModel


class ChildrenStatus(WireModel):
    """`run/status.json` as `up` writes it."""

    children: dict[str, str]
    pids: dict[str, int]


def children_of(home: HomeFolder) -> dict[str, str]:
    """Process -> state as `up` last wrote it; empty while `up` does not run, and where the file is of another version."""
    try:
        return ChildrenStatus.model_validate_json(home.status.read_bytes()).children
    except (FileNotFoundError, ValidationError):
        return {}
