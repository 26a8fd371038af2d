"""What is done to hide a folder, in which order; that it works is shown with real processes in test_node_confinement."""

from __future__ import annotations

from pathlib import Path

import pytest

from myofed_node import hidden_folder, linux_calls


def test_mount_is_made_in_namespaces_that_are_then_left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The second pair locks the mount of the first; ids are mapped to themselves in both."""
    done = list[str]()
    monkeypatch.setattr(linux_calls, "unshare", lambda flags: done.append(f"unshare {flags:#x}"))
    monkeypatch.setattr(linux_calls, "mount_empty", lambda folder: done.append(f"mount {folder.name}"))
    monkeypatch.setattr(Path, "write_text", lambda path, text, **_: done.append(f"{path.name} {text}"))
    monkeypatch.setattr(hidden_folder.os, "geteuid", lambda: 7)
    monkeypatch.setattr(hidden_folder.os, "getegid", lambda: 8)
    hidden_folder.hide(tmp_path / "deid")
    own = ["unshare 0x10020000", "setgroups deny", "uid_map 7 7 1", "gid_map 8 8 1"]
    assert done == [*own, "mount deid", *own]
