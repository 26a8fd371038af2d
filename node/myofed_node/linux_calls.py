"""The few calls of Linux that Python 3.11 does not offer, each raising OSError where the kernel says no."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
"""linux/sched.h: a mount namespace, a user namespace of one's own."""
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
"""linux/mount.h."""
MNT_DETACH = 2
PR_SET_NO_NEW_PRIVS = 38
"""linux/prctl.h: from here on no program that is started has more rights than this process."""


def unshare(flags: int) -> None:
    """This process has its own namespaces of these kinds (unshare of Linux); it must have one thread only."""
    _checked(_libc().unshare(flags))


def mount_empty(folder: Path) -> None:
    """An empty folder that cannot be written lies over `folder` in this mount namespace, mount(2)."""
    flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
    _checked(_libc().mount(b"tmpfs", os.fsencode(folder), b"tmpfs", ctypes.c_ulong(flags), b"size=4k,mode=0500"))


def unmount(folder: Path) -> None:
    """What was mounted last over `folder` is gone from this mount namespace, umount2(2)."""
    _checked(_libc().umount2(os.fsencode(folder), MNT_DETACH))


def enter_namespace(descriptor: int) -> None:
    """This process is in the namespace of this descriptor, setns(2)."""
    _checked(_libc().setns(descriptor, 0))


def forbid_new_privileges() -> None:
    """No set-user-ID program gives this process or its children more rights, prctl(2)."""
    _checked(_libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def process_control(option: int, first: int, second: int = 0) -> None:
    """The kernel has done this about the process itself, prctl(2)."""
    _checked(_libc().prctl(option, ctypes.c_ulong(first), ctypes.c_ulong(second), 0, 0))


def system_call(number: int, *arguments: int | bytes | None) -> int:
    """What the system call of this number returned, syscall(2); bytes are passed by address, None as no address."""
    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    return _checked(_libc().syscall(ctypes.c_long(number), *wide))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
