"""Reading a session: what is kept of it, and what keeps a series from being read."""

from __future__ import annotations

from pathlib import Path

import pytest
from mids_factories import Kind, classic, write_deidentified

from myofed_node.mids import session_reading
from myofed_node.mids.convert import ConvertOptions
from myofed_node.mids.dicom_input.source import open_source
from myofed_node.mids.session_reading import SeriesRead, read_all
from myofed_node.mids.session_task import SessionTask


def read(tmp_path: Path, count: int, writers: int = 1, **kind: object) -> tuple[list[SeriesRead], list[str]]:
    told: list[str] = []
    files = [file for number in range(1, count + 1) for file in classic(Kind(series=number, **kind))]  # type: ignore[arg-type]
    with open_source(write_deidentified(tmp_path / "clean", files)) as source:
        (study,) = source.sessions()
        task = SessionTask(study, source.session(study), writers=writers)
        found = read_all(task, ConvertOptions(), lambda what, uid: told.append(f"{what} {uid}"))
    assert list(found) == sorted(found)
    return list(found.values()), told


def room_for_one(tmp_path: Path) -> int:
    """Bytes that hold one series and not two; UIDs, which are part of the files, differ in length."""
    (item,), _ = read(tmp_path, 1)
    return sum(one.held_bytes for one in item.pixels or ()) * 3 // 2


@pytest.mark.parametrize("writers", [1, 3])
def test_each_series_is_begun_and_read_with_its_pixels(tmp_path: Path, writers: int) -> None:
    """However many at a time."""
    items, told = read(tmp_path, 4, writers)
    assert told == [f"begun {item.uid}" for item in items]
    assert [(item.series is not None, item.refusal) for item in items] == [(True, None)] * 4
    assert [len(item.pixels or ()) for item in items] == [len(item.files) for item in items]


@pytest.mark.parametrize("writers", [1, 2])
def test_no_more_than_the_bound_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writers: int) -> None:
    """A series that does not fit is not kept at all, makes room for others, and is read again when it is asked for."""
    bound = room_for_one(tmp_path / "a")
    monkeypatch.setattr(session_reading, "MOST_HELD_BYTES", bound)
    items, _ = read(tmp_path / "b", 3, writers)
    held = [sum(one.held_bytes for one in item.pixels or ()) for item in items]
    assert sum(held) <= bound
    assert [len(item.pixels) for item in items if item.pixels is not None] in ([], [len(items[0].files)])
    if writers == 1:
        assert [size > 0 for size in held] == [True, False, False]
    assert [len(item.all_pixels()) for item in items] == [len(item.files) for item in items]


def test_pixels_of_a_series_that_is_refused_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A label that no subject can have is seen after all files were read."""
    monkeypatch.setattr(session_reading, "MOST_HELD_BYTES", room_for_one(tmp_path / "a"))
    honest, calls = session_reading.subject_label, []

    def refused_once(series: object) -> str:
        calls.append(1)
        if len(calls) == 1:
            raise session_reading.SeriesRefusedError("SUBJECT_LABEL_INVALID", "PatientID=no label")
        return honest(series)  # type: ignore[arg-type]

    monkeypatch.setattr(session_reading, "subject_label", refused_once)
    items, _ = read(tmp_path / "b", 2)
    assert [item.refusal.code if item.refusal else None for item in items] == ["SUBJECT_LABEL_INVALID", None]
    assert [item.pixels is not None for item in items] == [False, True]
