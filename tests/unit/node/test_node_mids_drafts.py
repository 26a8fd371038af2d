"""Files of a series before they have their names, and the order in which they get them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from myofed_node.mids import drafts as module
from myofed_node.mids.drafts import Drafts

IMAGE, SIDECAR = Path("mr-anat/x.nii.gz"), Path("mr-anat/x.json")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_draft_that_is_not_placed_is_gone_and_what_lay_there_stays(tmp_path: Path) -> None:
    """After a refusal what an earlier call wrote is as it was."""
    (tmp_path / "mr-anat").mkdir()
    (tmp_path / IMAGE).write_bytes(b"earlier")
    with Drafts() as drafts:
        draft = drafts.write(tmp_path / IMAGE, b"new")
        assert draft.temporary.read_bytes() == b"new"
        assert draft.temporary.name.startswith(".")
        assert draft.temporary.name.endswith(".tmp")
    assert files(tmp_path) == ["x.nii.gz"]
    assert (tmp_path / IMAGE).read_bytes() == b"earlier"


def test_placed_files_are_whole_private_and_told_by_their_digest(tmp_path: Path) -> None:
    """Nothing else is left."""
    content = bytes(range(256)) * 999
    with Drafts() as drafts:
        image, sidecar = drafts.write(tmp_path / IMAGE, content), drafts.write(tmp_path / SIDECAR, b"{}")
        drafts.place([image], [sidecar])
    assert files(tmp_path) == ["x.json", "x.nii.gz"]
    assert (tmp_path / IMAGE).read_bytes() == content
    assert image.digest.result() == hashlib.sha256(content).hexdigest()
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in (IMAGE, SIDECAR)} == {0o600}


def test_files_are_on_disk_before_their_names_and_images_before_sidecars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two images: every file synced, images named, the folder synced, sidecars named, the folder synced."""
    told: list[str] = []
    sync, replace, folder = module._sync_and_close, os.replace, module.fsync_folder
    monkeypatch.setattr(module, "_sync_and_close", lambda number: (sync(number), told.append("sync"))[0])
    monkeypatch.setattr(module.os, "replace", lambda a, b: (replace(a, b), told.append(Path(b).name))[0])
    monkeypatch.setattr(module, "fsync_folder", lambda path: (folder(path), told.append("folder"))[0])
    with Drafts() as drafts:
        images = [drafts.write(tmp_path / f"mr-anat/{name}.nii.gz", b"image") for name in "ab"]
        sidecars = [drafts.write(tmp_path / f"mr-anat/{name}.json", b"{}") for name in "ab"]
        drafts.place(images, sidecars)
    assert told == [*["sync"] * 4, "a.nii.gz", "b.nii.gz", "folder", "a.json", "b.json", "folder"]


def test_a_file_that_the_disk_does_not_take_gives_no_file_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of the sync, which comes in another thread, stops the series."""

    def full(descriptor: int) -> None:
        os.close(descriptor)
        raise OSError(28, "No space left on device")

    with Drafts() as drafts:
        image = drafts.write(tmp_path / IMAGE, b"image")
        monkeypatch.setattr(module, "_sync_and_close", full)
        sidecar = drafts.write(tmp_path / SIDECAR, b"{}")
        with pytest.raises(OSError, match="No space left"):
            drafts.place([image], [sidecar])
    assert files(tmp_path) == []


def test_a_write_that_stops_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full at the second piece."""
    honest, calls = os.write, []

    def full(descriptor: int, content: memoryview) -> int:
        calls.append(len(content))
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return honest(descriptor, content[:3])

    monkeypatch.setattr(module.os, "write", full)
    with pytest.raises(OSError, match="No space left"), Drafts() as drafts:
        drafts.write(tmp_path / IMAGE, b"12345")
    assert calls == [5, 2]
    assert files(tmp_path) == []


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    """Nobody else's file is written to."""
    (tmp_path / "mr-anat").mkdir()
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / "mr-anat" / ".x.nii.gz.unproven.tmp").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic links"), Drafts() as drafts:
        drafts.write(tmp_path / IMAGE, b"image")
    assert (tmp_path / "other").read_bytes() == b"other"
