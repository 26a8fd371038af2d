"""Whether the site lets anybody train right now: its pause, its kill switch and its hours, before any study is asked about."""

from __future__ import annotations

from datetime import datetime, time
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from myofed_node.audit import SiteAudit
from myofed_node.config import SitePolicy
from myofed_node.site_folder import SiteFolder
from myofed_schemas.canonical import canonical_json
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.files import write_atomically
from myofed_schemas.ids import UtcTime
from myofed_schemas.wire import WireModel

Gate = Literal["open", "paused", "stopped", "outside-window", "damaged"]


class TrainingState(WireModel):
    """`training.json`; absent where nobody ever paused.

    Attributes:
        state: `open`; `paused`: no new task; `stopped`: no new task, and one under way ends.
    """

    state: Literal["open", "paused", "stopped"]
    since: UtcTime


def state_path(folder: SiteFolder) -> Path:
    """Where the switch lies: not below `run`, for it outlives a restart."""
    return folder.root / "training.json"


def gate(folder: SiteFolder, policy: SitePolicy, *, local: datetime) -> Gate:
    """What stands in the way of a task now; a switch that cannot be read is closed.

    Args:
        folder: The site's.
        policy: Its training window.
        local: The site's own wall clock.
    """
    state = _state(folder)
    if state != "open":
        return state
    window = policy.training_window
    return "open" if window is None or inside(window, local.time()) else "outside-window"


def check_gate(folder: SiteFolder, policy: SitePolicy, *, local: datetime) -> None:
    """A task may begin now.

    Raises:
        MyofedError: SITE_PAUSED, OUTSIDE_WINDOW.
    """
    found = gate(folder, policy, local=local)
    if found == "outside-window":
        raise _refused("OUTSIDE_WINDOW", "a task within the site's training window", "one outside it")
    if found != "open":
        raise _refused("SITE_PAUSED", "a site that trains", f"one that is {found}")


def stopped(folder: SiteFolder) -> bool:
    """A task under way must end."""
    return _state(folder) in ("stopped", "damaged")


def inside(window: str, now: time) -> bool:
    """`now` lies in `HH:MM-HH:MM`, the first minute included and the last not; a window may go over midnight."""
    start, end = (time.fromisoformat(part) for part in window.split("-"))
    minute = now.replace(second=0, microsecond=0, tzinfo=None)
    return start <= minute < end if start < end else minute >= start or minute < end


def turn(folder: SiteFolder, to: Literal["open", "paused", "stopped"], *, by: str, now: datetime) -> TrainingState:
    """The switch is there, and the audit chain says who turned it.

    Closing comes before its entry, opening after it: a full disk never leaves a site that trains without anybody on record.
    """
    state = TrainingState(state=to, since=utc_text(now))
    action = {"open": "TRAINING_RESUMED", "paused": "TRAINING_PAUSED", "stopped": "TRAINING_STOPPED"}[to]
    if to == "open":
        SiteAudit(folder).append(action, now=now, actor=by)
        write_atomically(state_path(folder), canonical_json(state))
    else:
        write_atomically(state_path(folder), canonical_json(state))
        SiteAudit(folder).append(action, now=now, actor=by)
    return state


def _state(folder: SiteFolder) -> Literal["open", "paused", "stopped", "damaged"]:
    try:
        return TrainingState.model_validate_json(state_path(folder).read_bytes()).state
    except FileNotFoundError:
        return "open"
    except (OSError, ValidationError):
        return "damaged"


def _refused(code: str, expected: str, found: str) -> MyofedError:
    return MyofedError(
        code,
        f"expected {expected}, found {found}",
        hint="myofed-node status says why; myofed-node resume ends a pause",
        exit_code=ExitCode.NOT_APPROVED,
    )
