"""Starts the worker in a network namespace that holds nothing: no interface but a loopback that is down."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

PROBE_TIMEOUT_S = 10
SIOCGIFFLAGS = 0x8913
IFF_UP = 0x1
"""Linux, netdevice(7): interface is up."""
_INTERFACE_REQUEST = struct.Struct("16sH14x")


class Isolation(StrEnum):
    """How this host can take the network from a child."""

    ROOT = "unshare-net"
    """`unshare -n`: we have CAP_SYS_ADMIN."""
    USER = "unshare-user-net"
    """`unshare -rn`: through a user namespace."""
    NONE = "none"
    """Neither works; `doctor` says so, and the worker's own answer to a ping says `network: present`."""


_PREFIX = {Isolation.ROOT: ("unshare", "-n", "--"), Isolation.USER: ("unshare", "-r", "-n", "--"), Isolation.NONE: ()}


def find_isolation() -> Isolation:
    """The strongest way that works here, found by trying it on `true`."""
    ways = (Isolation.ROOT, Isolation.USER) if os.geteuid() == 0 else (Isolation.USER,)
    return next((way for way in ways if _works(way)), Isolation.NONE)


def without_network(argv: Sequence[str], *, isolation: Isolation) -> list[str]:
    """The command line that runs `argv` without a network, as the same process id; unchanged for `Isolation.NONE`."""
    return [*_PREFIX[isolation], *argv]


def visible_network() -> Literal["none", "present"]:
    """`none` where this process sees no interface that is up."""
    return "present" if any(_is_up(name) for _, name in socket.if_nameindex()) else "none"


def _is_up(interface: str) -> bool:
    """Asked by ioctl, because /sys still shows the namespace that mounted it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, SIOCGIFFLAGS, _INTERFACE_REQUEST.pack(interface.encode(), 0))
    return bool(_INTERFACE_REQUEST.unpack(answer)[1] & IFF_UP)


def _works(isolation: Isolation) -> bool:
    command = without_network(["true"], isolation=isolation)
    try:
        return subprocess.run(command, capture_output=True, timeout=PROBE_TIMEOUT_S, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
