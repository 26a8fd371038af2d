"""Hides one folder from this process and all its children: in their mount namespace an empty folder lies over it.

Exact where it works: whatever else is made, renamed or mounted later is seen as by everybody. The second pair of
namespaces locks the mount: who has no rights in the first pair can neither unmount it nor look below it
(mount_namespaces(7), "Restrictions on mount namespaces"). Processes outside cannot be traced, nor their memory, file
descriptors and roots be read, because that takes rights in their user namespace (user_namespaces(7)).
"""

from __future__ import annotations

import os
from pathlib import Path

from myofed_node import linux_calls


def hide(folder: Path) -> None:
    """`folder` is empty for this process and every process it starts, and none of them can change that.

    User and group stay the same numbers.

    Args:
        folder: An existing folder, no symbolic link in its path.

    Raises:
        OSError: This host allows no user namespaces, or no mounts in them; the process may be in a namespace of its own
            by then and should end.
    """
    _own_namespaces()
    linux_calls.mount_empty(folder)
    _own_namespaces()


def _own_namespaces() -> None:
    user, group = os.geteuid(), os.getegid()
    linux_calls.unshare(linux_calls.CLONE_NEWUSER | linux_calls.CLONE_NEWNS)
    process = Path("/proc/self")
    (process / "setgroups").write_text("deny", encoding="ascii")
    (process / "uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    (process / "gid_map").write_text(f"{group} {group} 1", encoding="ascii")
