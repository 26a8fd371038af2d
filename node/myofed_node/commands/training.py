"""Commands that keep studies from training at this site for a while, at once, or let them again."""

from __future__ import annotations

import getpass
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from myofed_node.commands.console import JsonOption, SiteOption, reporting
from myofed_schemas.clock import system_now
from myofed_schemas.wire import WireModel

if TYPE_CHECKING:
    from myofed_node.site_folder import SiteFolder

STOP_WITHIN_S = 20.0
"""A task ends at its next step; an evaluation, which has no steps, when it is done."""


class Turned(WireModel):
    """What `pause`, `resume` and `stop-training` print.

    Attributes:
        training: The switch now.
        task_under_way: Whether the worker still works on one; None where no worker runs.
    """

    training: Literal["open", "paused", "stopped"]
    task_under_way: bool | None


def register(app: typer.Typer) -> None:
    """The commands have their names in `app`."""
    app.command("pause", epilog="Example: myofed-node pause --site /srv/myofed")(pause)
    app.command("resume", epilog="Example: myofed-node resume --site /srv/myofed")(resume)
    app.command("stop-training", epilog="Example: myofed-node stop-training --site /srv/myofed")(stop_training)


def pause(site: SiteOption, as_json: JsonOption = False) -> None:
    """Refuse every new task of every study until resume; one under way ends as usual. Approvals stay."""
    with reporting(as_json=as_json) as console:
        turned = _turn(site, "paused", wait_s=0.0)
        console.result(turned, [f"paused{_still(turned)}; myofed-node resume lets studies train again"])


def resume(site: SiteOption, as_json: JsonOption = False) -> None:
    """Let approved studies train again after pause or stop-training."""
    with reporting(as_json=as_json) as console:
        console.result(_turn(site, "open", wait_s=0.0), ["approved studies may train again"])


def stop_training(site: SiteOption, as_json: JsonOption = False) -> None:
    """Kill switch: end the task under way at its next step, send nothing of it, and refuse all others until resume."""
    with reporting(as_json=as_json) as console:
        turned = _turn(site, "stopped", wait_s=STOP_WITHIN_S)
        console.result(turned, [f"stopped{_still(turned)}; myofed-node resume lets studies train again"])


def _turn(site: Path, to: Literal["open", "paused", "stopped"], *, wait_s: float) -> Turned:
    from myofed_node.federation.training_gate import turn
    from myofed_node.site_setup import open_site

    folder = open_site(site).folder
    state = turn(folder, to, by=getpass.getuser(), now=system_now())
    until = time.monotonic() + wait_s
    busy = _busy(folder)
    while busy and time.monotonic() < until:
        time.sleep(0.2)
        busy = _busy(folder)
    return Turned(training=state.state, task_under_way=busy)


def _busy(folder: SiteFolder) -> bool | None:
    from myofed_node.learning.worker_client import ping
    from myofed_schemas.errors import MyofedError

    try:
        return ping(folder.worker_socket).busy
    except MyofedError:
        return None


def _still(turned: Turned) -> str:
    return "; a task is still under way" if turned.task_under_way else ""
