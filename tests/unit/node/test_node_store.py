"""The site's SQLite file: a stored series never changes, a name is taken once, plans are whole."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from myofed_node.store import FileRow, IngestState, SeriesRow, SeriesState, SiteStore
from myofed_schemas.errors import MyofedError

NOW = "2026-01-01T00:00:00Z"
UID = "2.25.1"


@pytest.fixture
def store(tmp_path: Path) -> SiteStore:
    made = SiteStore(tmp_path / "site.sqlite")
    made.create()
    made.begin_ingest("f" * 64, now=NOW)
    return made


def _series(uid: str = UID, state: SeriesState = SeriesState.VALIDATED, code: str = "OK") -> SeriesRow:
    return SeriesRow(uid, 1, state, code, "S1", "A")


def _file(path: str, uid: str = UID) -> FileRow:
    return FileRow(path, uid, f"staged/{path}", "0" * 64)


def test_missing_store_is_refused_and_not_made(tmp_path: Path) -> None:
    """An empty new file would forget what is stored."""
    with pytest.raises(MyofedError) as caught:
        SiteStore(tmp_path / "site.sqlite").ingests()
    assert caught.value.code == "STORE_MISSING"
    assert not (tmp_path / "site.sqlite").exists()


def test_store_of_another_version_is_refused(store: SiteStore, tmp_path: Path) -> None:
    """An older myofed never writes into a newer store."""
    with sqlite3.connect(tmp_path / "site.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    for use in (store.create, store.ingests):
        with pytest.raises(MyofedError, match="version"):
            use()


def test_stored_series_never_changes(store: SiteStore) -> None:
    """A later outcome for the same series is not recorded."""
    store.record_outcome(_series(state=SeriesState.STORED))
    store.record_outcome(_series(state=SeriesState.QUARANTINED, code="LATE"))
    found = store.series(UID)
    assert found is not None
    assert (found.state, found.code) == (SeriesState.STORED, "OK")


def test_name_of_another_series_is_refused_and_the_plan_leaves_nothing(store: SiteStore) -> None:
    """A plan is taken whole or not at all."""
    store.plan_series(_series(), [_file("a.nii.gz")])
    with pytest.raises(MyofedError) as caught:
        store.plan_series(_series("2.25.2"), [_file("b.nii.gz", "2.25.2"), _file("a.nii.gz", "2.25.2")])
    assert caught.value.code == "NAME_TAKEN"
    assert store.series("2.25.2") is None
    assert store.file("b.nii.gz") is None


def test_quarantined_series_can_be_planned_later(store: SiteStore) -> None:
    """What was refused once may be released and stored."""
    store.record_outcome(_series(state=SeriesState.QUARANTINED, code="X1"))
    store.plan_series(_series(), [_file("a.json"), _file("a.nii.gz")])
    assert [file.path for file in store.files(UID)] == ["a.json", "a.nii.gz"]
    assert [row.state for row in store.all_series()] == [SeriesState.VALIDATED]


def test_same_fingerprint_is_the_same_ingest(store: SiteStore) -> None:
    """A second begin finds the first and its state."""
    store.advance_ingest(1, IngestState.CONVERTED, now=NOW)
    again = store.begin_ingest("f" * 64, now=NOW)
    assert (again.id, again.state) == (1, IngestState.CONVERTED)
    assert len(store.ingests()) == 1


def test_latest_card_is_the_newest_version(store: SiteStore) -> None:
    """Published or not, the newest counts; withdrawing clears its time."""
    assert store.latest_card() is None
    store.add_card(1, "{}")
    store.mark_card(1, published_at=NOW)
    store.add_card(2, "{}")
    latest = store.latest_card()
    assert latest is not None
    assert (latest.version, latest.published_at) == (2, "")
    store.mark_card(2, published_at=NOW)
    store.mark_card(2, published_at="")
    assert store.latest_card() == latest
