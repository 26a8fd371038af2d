"""The folder of one run."""

from __future__ import annotations

from pathlib import Path

import pytest
from wall_examples import make_run

from myofed_coordinator.runs.folder import RunEvent, RunFolder, RunSites, Submission, read_events
from myofed_schemas.errors import MyofedError


def test_folder_that_lacks_a_document_is_refused(tmp_path: Path) -> None:
    """Nothing is made up for a file that is not there."""
    for read in (RunFolder(tmp_path).manifest, RunFolder(tmp_path).sites, RunFolder(tmp_path).status):
        with pytest.raises(MyofedError) as caught:
            read()
        assert caught.value.code == "RUN_INCOMPLETE"


def test_documents_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Also a run number that no JSON number can hold."""
    folder = make_run(tmp_path)
    assert folder.submission() is None
    submission = Submission(engine_run=str(2**64 - 1), attempts=1, rounds=0, submitted_at="2026-11-22T10:00:00Z")
    folder.write_submission(submission)
    assert folder.submission() == submission
    folder.write_sites(RunSites(node_keys={}))
    assert folder.sites().node_keys == {}


def test_event_cut_short_by_a_kill_is_left_out(tmp_path: Path) -> None:
    """The others are there, in order."""
    folder = make_run(tmp_path)
    assert read_events(folder) == []
    events = [RunEvent(at="2026-11-22T10:00:00Z", event="ROUND_STARTED", round=n) for n in (1, 2)]
    for event in events:
        folder.note(event)
    with folder.events.open("ab") as stream:
        stream.write(b'{"at":"2026')
    assert read_events(folder) == events
    folder.note(events[0])
    assert read_events(folder) == [*events, events[0]], "the next event does not end the torn line"


def test_damaged_document_is_refused(tmp_path: Path) -> None:
    """With a code, so that a supervisor of many runs goes on with the others."""
    folder = make_run(tmp_path)
    (folder.root / "status.json").write_bytes(b'{"run_id":')
    with pytest.raises(MyofedError) as caught:
        folder.status()
    assert caught.value.code == "RUN_INCOMPLETE"
    assert "status.json" in caught.value.message
