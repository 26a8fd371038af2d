"""Takes the right to read one folder from this process and all its children, by Linux Landlock (landlock(7)).

Landlock knows only what is allowed: the grants stand on everything beside the path down to the folder, as it is when the
call is made. What is made later directly in a folder of that path cannot be read; what is made deeper can. So it suits a
folder whose ancestors take no new files, and not one inside the folder in which a service writes.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from myofed_node import linux_calls

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""System calls, the same numbers on every architecture."""
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1
READ_FILE = 1 << 2
REFER = 1 << 13
"""linux/landlock.h. REFER: link or rename into another folder; the kernel refuses where that would give more rights."""
LEAST_VERSION = 2
"""The first that knows REFER (Linux 5.19): without it no file could be renamed into another folder at all."""

_RULESET = struct.Struct("=Q")
_FILE_RIGHTS = {2: 14, 3: 15, 4: 15, 5: 16}
"""Version -> number of rights on files: REFER came with 2, TRUNCATE with 3, IOCTL_DEV with 5."""
_WORDS = {2: 1, 3: 1, 4: 2, 5: 2, 6: 3}
"""Version -> fields of the ruleset: files, from 4 TCP, from 6 scopes."""
_RULESETS = {known: struct.Struct("=" + "Q" * words) for known, words in _WORDS.items()}
_BEYOND_FILES = (0b11, 0b11)
"""Bind and connect TCP; abstract Unix sockets and signals."""
_ON_PLAIN_FILES = 0b110_0001_1011_1110
"""Write, read, list, remove, make folders and plain files, link within, truncate; no execution, device, socket or pipe."""
_PATH_BENEATH = struct.Struct("=Qi")


def version() -> int:
    """The version of Landlock that this kernel offers; 0 for none."""
    try:
        return linux_calls.system_call(CREATE_RULESET, None, 0, CREATE_RULESET_VERSION)
    except OSError:
        return 0


def forbid(folder: Path) -> None:
    """This process and every process it starts can read and link no file in `folder`, for good.

    Nor can they trace a process outside, read its memory, or mount anything: the kernel keeps that from every process
    under Landlock.

    Args:
        folder: An existing folder, no symbolic link in its path.

    Raises:
        OSError: This kernel has no Landlock, or one before version 2.
    """
    if version() < LEAST_VERSION:
        raise OSError(errno.EOPNOTSUPP, f"no Landlock of version {LEAST_VERSION} or newer")
    handled = _RULESET.pack(READ_FILE | REFER)
    ruleset = linux_calls.system_call(CREATE_RULESET, handled, len(handled), 0)
    try:
        for path in beside(folder):
            _grant(ruleset, path)
        linux_calls.forbid_new_privileges()
        linux_calls.system_call(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def keep_only(folder: Path) -> None:
    """This process and every process it starts has no right on any file but those below `folder`, for good.

    Where the kernel's Landlock knows them, TCP is taken too, and signals and abstract sockets to processes outside.

    Args:
        folder: An existing folder.

    Raises:
        OSError: This kernel has no Landlock, or one before version 2.
    """
    known = version()
    if known < LEAST_VERSION:
        raise OSError(errno.EOPNOTSUPP, f"no Landlock of version {LEAST_VERSION} or newer")
    files = (1 << _FILE_RIGHTS.get(known, max(_FILE_RIGHTS.values()))) - 1
    handled = _RULESETS[min(known, max(_RULESETS))].pack(*(files, *_BEYOND_FILES)[: _WORDS[min(known, max(_WORDS))]])
    ruleset = linux_calls.system_call(CREATE_RULESET, handled, len(handled), 0)
    try:
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            rule = _PATH_BENEATH.pack(files & _ON_PLAIN_FILES, descriptor)
            linux_calls.system_call(ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0)
        finally:
            os.close(descriptor)
        linux_calls.forbid_new_privileges()
        linux_calls.system_call(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def beside(folder: Path) -> Iterator[Path]:
    """Every entry of the folders above `folder`, but for those that lead to it."""
    for path in (folder, *folder.parents[:-1]):
        yield from (path.parent / name for name in sorted(os.listdir(path.parent)) if name != path.name)  # noqa: PTH208  names, also of what cannot be looked at


def _grant(ruleset: int, path: Path) -> None:
    """What lies at `path` and below may be read; what is gone by now, or is a link, needs no grant."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights = READ_FILE | REFER if path.is_dir() else READ_FILE
        rule = _PATH_BENEATH.pack(rights, descriptor)
        if not path.is_symlink():
            linux_calls.system_call(ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)
