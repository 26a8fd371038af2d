"""Tries to get at a file in every way we know; run confined, it proves the confinement.

    python -m myofed_node.key_trial FILE PLACE KIND [KIND ...]

Exit status 0: every way failed. 3: one way worked, its name is printed; never a byte of the file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from myofed_node import linux_calls

GOT_IT = 3

Attempt = Callable[[Path, Path], None]
"""Reads the file or raises OSError; the second path is a new folder that it may use."""


def directly(target: Path, _place: Path) -> None:
    """By its name."""
    _read(target)


def by_symbolic_link(target: Path, place: Path) -> None:
    """By a link that points to it."""
    (place / "symbolic").symlink_to(target)
    _read(place / "symbolic")


def by_hard_link(target: Path, place: Path) -> None:
    """By another name of the same file, in a folder that may be read."""
    (place / "hard").hardlink_to(target)
    _read(place / "hard")


def by_rename(target: Path, place: Path) -> None:
    """By moving it, its folder or that one's folder into a folder that may be read; what was moved is put back."""
    for moved, rest in ((target, ""), (target.parent, target.name)):
        try:
            moved.rename(place / "moved")
        except OSError:
            continue
        try:
            return _read(place / "moved" / rest if rest else place / "moved")
        finally:
            (place / "moved").rename(moved)
    raise PermissionError


def by_own_root(target: Path, _place: Path) -> None:
    """Through /proc, by this process's own root."""
    _read(_below(Path("/proc/self/root"), target))


def by_parents_root(target: Path, _place: Path) -> None:
    """Through /proc, by the root of a process that is not confined."""
    _read(_below(Path("/proc", str(os.getppid()), "root"), target))


def by_parents_memory(_target: Path, _place: Path) -> None:
    """Through the memory of a process that is not confined, as one that de-identifies would be."""
    _read(Path("/proc", str(os.getppid()), "mem"), count=0)


def by_grandchild(target: Path, _place: Path) -> None:
    """By another program."""
    if subprocess.run(["cat", str(target)], capture_output=True, check=False).returncode:
        raise PermissionError


def by_unmounting(target: Path, _place: Path) -> None:
    """By taking away what lies over its folder."""
    linux_calls.unmount(target.parent)
    _read(target)


def by_namespace_of_parent(target: Path, _place: Path) -> None:
    """By going where the parent is."""
    descriptor = os.open(f"/proc/{os.getppid()}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        linux_calls.enter_namespace(descriptor)
    finally:
        os.close(descriptor)
    _read(target)


def by_new_namespaces(target: Path, place: Path) -> None:
    """By becoming root in a user namespace, and unmounting there; last, because this process stays there."""
    linux_calls.unshare(linux_calls.CLONE_NEWUSER | linux_calls.CLONE_NEWNS)
    by_unmounting(target, place)


ATTEMPTS: Mapping[str, tuple[Attempt, ...]] = {
    "file": (directly, by_symbolic_link, by_own_root, by_parents_root, by_grandchild),
    "link": (by_hard_link,),
    "move": (by_rename,),
    "process": (by_parents_memory, by_unmounting, by_namespace_of_parent, by_new_namespaces),
}
"""Kind -> ways. `link` and `move` change something if they succeed and then are killed: not for a key in use."""


def successful(target: Path, place: Path, kinds: Iterable[str]) -> str:
    """The name of the first way that got at the file; empty where none did.

    Args:
        target: The file; no symbolic link in its path.
        place: A folder that this process may write.
        kinds: Of `ATTEMPTS`.
    """
    with tempfile.TemporaryDirectory(dir=place, prefix=".key-trial-") as new:
        for attempt in (attempt for kind in kinds for attempt in ATTEMPTS[kind]):
            try:
                attempt(target, Path(new))
            except OSError:
                continue
            return attempt.__name__
    return ""


def main() -> int:
    """Every way was tried."""
    name = successful(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
    if name:
        sys.stdout.write(f"{name}\n")
    return GOT_IT if name else 0


def _read(path: Path, *, count: int = 1) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.read(descriptor, count)
    finally:
        os.close(descriptor)


def _below(root: Path, target: Path) -> Path:
    return root / target.relative_to("/")


if __name__ == "__main__":
    sys.exit(main())
