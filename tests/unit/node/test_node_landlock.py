"""What is granted to the kernel's Landlock; that it holds is shown with real processes in test_node_confinement."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from myofed_node import landlock, linux_calls


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, tuple[object, ...]]]:
    """System calls in place of the kernel; the ruleset is a descriptor that may be closed."""
    seen = list[tuple[int, tuple[object, ...]]]()

    def system_call(number: int, *arguments: object) -> int:
        seen.append((number, arguments))
        if number != landlock.CREATE_RULESET:
            return 0
        return 7 if arguments[0] is None else os.open("/", os.O_PATH)

    monkeypatch.setattr(linux_calls, "system_call", system_call)
    monkeypatch.setattr(linux_calls, "forbid_new_privileges", lambda: seen.append((0, ())))
    return seen


def test_all_but_the_way_to_the_folder_is_granted(tmp_path: Path) -> None:
    """Neither the folder nor one above it; everything beside them, at every depth."""
    folder = tmp_path / "a" / "deid"
    folder.mkdir(parents=True)
    (tmp_path / "a" / "tls.key").touch()
    (tmp_path / "dataset").mkdir()
    beside = set(landlock.beside(folder))
    assert {tmp_path / "a" / "tls.key", tmp_path / "dataset", Path("/proc"), Path("/usr")} <= beside
    assert not {folder, *folder.parents} & beside


def test_rules_are_made_before_the_process_is_bound(
    calls: list[tuple[int, tuple[object, ...]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders may be read and renamed into, files read; links, and what is gone by now, get no rule."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    names = ("folder", "file", "link", "gone")
    monkeypatch.setattr(landlock, "beside", lambda _folder: [tmp_path / name for name in names])
    landlock.forbid(tmp_path / "deid")
    numbers = [number for number, _ in calls]
    assert numbers[-2:] == [0, landlock.RESTRICT_SELF]
    rules = [arguments[2] for number, arguments in calls if number == landlock.ADD_RULE]
    rights = [struct.unpack("=Qi", rule)[0] for rule in rules if isinstance(rule, bytes)]
    assert rights == [landlock.READ_FILE | landlock.REFER, landlock.READ_FILE]


def test_kernel_without_landlock_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Version 0 where the call does not exist; nothing is bound."""

    def refuse(*_: object) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(linux_calls, "system_call", refuse)
    assert landlock.version() == 0
    with pytest.raises(OSError, match="Landlock"):
        landlock.forbid(tmp_path)
