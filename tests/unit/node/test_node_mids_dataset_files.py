"""Tables of a data set, and who may write to it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mids_factories import NOW, Kind, classic, write_deidentified

from myofed_node.mids import dataset_lock
from myofed_node.mids.convert import convert
from myofed_node.mids.dataset_files import write_dataset_files, write_description
from myofed_node.mids.dataset_lock import holding
from myofed_schemas.errors import MyofedError

TOOLS = {"myofed": "1.0"}


def refused(dataset: Path) -> str:
    with pytest.raises(MyofedError) as refusal, holding(dataset):
        pass
    return refusal.value.code


def image(dataset: Path, name: str) -> None:
    path = dataset / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")


@pytest.mark.parametrize("content", [None, "no json", "[]", '{"Profile": "another"}'])
def test_folder_that_is_no_data_set_of_ours_is_refused(tmp_path: Path, content: str | None) -> None:
    """Nothing of it is touched."""
    (tmp_path / "thesis.docx").write_text("months of work")
    if content:
        (tmp_path / "dataset_description.json").write_text(content)
    before = sorted(tmp_path.iterdir())
    assert refused(tmp_path) == "OUT_NOT_EMPTY"
    assert sorted(tmp_path.iterdir()) == before


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    """Also a link that leads nowhere."""
    (tmp_path / "a").write_text("")
    (tmp_path / "b").symlink_to(tmp_path / "nowhere")
    assert [refused(tmp_path / name) for name in "ab"] == ["OUT_NOT_EMPTY", "OUT_NOT_EMPTY"]


def test_data_set_at_which_another_call_works_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once would give one name twice."""
    monkeypatch.setattr(dataset_lock, "PATIENCE_SECONDS", 0.1)
    with holding(tmp_path):
        assert refused(tmp_path) == "OUT_BUSY"
    with holding(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_lock_lasts_as_long_as_a_worker_that_inherited_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that outlives its parent by a moment still writes."""
    monkeypatch.setattr(dataset_lock, "PATIENCE_SECONDS", 0.1)
    with holding(tmp_path) as descriptor:
        worker = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[descriptor])
    assert refused(tmp_path) == "OUT_BUSY"
    worker.communicate(b"\n")
    with holding(tmp_path):
        assert worker.returncode == 0


def test_what_a_killed_call_left_beside_the_sessions_is_gone(tmp_path: Path) -> None:
    """A call that was killed at its first file leaves an empty folder."""
    (tmp_path / "sub-A").mkdir()
    write_description(tmp_path, tools=TOOLS)
    for name in (".dataset_description.json.x.tmp", "sub-A/.sub-A_sessions.tsv.x.tmp"):
        (tmp_path / name).write_text("")
    with holding(tmp_path):
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "dataset_description.json"]


def test_tables_name_subjects_and_sessions_that_hold_images(tmp_path: Path) -> None:
    """One column each, sorted; no date, no sex, no age, and nothing of a session that came to nothing."""
    image(tmp_path, "sub-B/ses-2/mr-anat/x.json")
    image(tmp_path, "sub-B/ses-1/mr-quant/x.json")
    image(tmp_path, "sub-A/ses-3/mr-anat/x.json")
    (tmp_path / "sub-C/ses-4/mr-anat").mkdir(parents=True)
    write_dataset_files(tmp_path, tools=TOOLS)
    assert (tmp_path / "participants.tsv").read_text() == "participant_id\nsub-A\nsub-B\n"
    assert (tmp_path / "sub-B/sub-B_sessions.tsv").read_text() == "session_id\nses-1\nses-2\n"
    assert not (tmp_path / "sub-C/sub-C_sessions.tsv").exists()
    description = json.loads((tmp_path / "dataset_description.json").read_bytes())
    assert (description["Profile"], description["GeneratedBy"]) == ("myofed-1", [{"Name": "myofed", "Version": "1.0"}])


def test_tables_that_say_it_already_are_not_written_again(tmp_path: Path) -> None:
    """A second call touches nothing."""
    image(tmp_path, "sub-B/ses-2/mr-anat/x.json")
    write_dataset_files(tmp_path, tools=TOOLS)
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*.*")}
    write_dataset_files(tmp_path, tools=TOOLS)
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*.*")} == before


def test_a_data_set_of_ours_grows_by_a_session(tmp_path: Path) -> None:
    """Both sessions stand in the subject's table."""
    for study in (1, 2):
        clean = write_deidentified(tmp_path / f"clean-{study}", classic(Kind(study=study)))
        convert(clean, tmp_path / "mids", now=NOW)
    table = (tmp_path / "mids/sub-SUBJECTA/sub-SUBJECTA_sessions.tsv").read_text().splitlines()
    assert table == ["session_id", *sorted(path.name for path in (tmp_path / "mids/sub-SUBJECTA").glob("ses-*"))]
    assert len(table) == 3
