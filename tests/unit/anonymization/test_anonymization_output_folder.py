from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest
from anonymization_factories import KEYS, NOW, UID, mr, output, policy_with, run

from myofed_anonymization import SiteKeys, default_policy, deidentify
from myofed_anonymization.output_folder import OutputFolder, read_summary
from myofed_schemas.deid import PAGE_NAME, REPORT_NAME
from myofed_schemas.errors import MyofedError

MARK = f"{KEYS.check()}--{default_policy().digest()[:16]}"


def refusal(folder: Path, mark: str = MARK) -> str:
    with pytest.raises(MyofedError) as found:
        OutputFolder.open(folder, mark=mark)
    return found.value.code


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    """Nothing of anyone else is mixed with our output."""
    (tmp_path / "notes.txt").touch()
    assert refusal(tmp_path) == "OUT_NOT_EMPTY"


def test_only_real_folders_and_files_of_our_layout_are_taken(tmp_path: Path) -> None:
    """A file in place of the folder, links, folders too deep and files too high are refused before anything is removed."""
    file = tmp_path / "file"
    file.touch()
    assert refusal(file) == "OUT_NOT_EMPTY"
    elsewhere = tmp_path / "elsewhere" / "2.25.6"
    elsewhere.mkdir(parents=True)
    (elsewhere / "precious.dcm").touch()
    for number, make in enumerate(
        (
            lambda out: (out / "2.25.5").symlink_to(tmp_path / "elsewhere"),
            lambda out: (out / "2.25.5" / "2.25.6" / "sub").mkdir(parents=True),
            lambda out: ((out / "2.25.5").mkdir(), (out / "2.25.5" / "x").touch()),
            lambda out: ((out / "2.25.5").mkdir(), (out / "2.25.5" / "2.25.6").symlink_to(elsewhere)),
            lambda out: ((out / ".unverified-x" / "sub").mkdir(parents=True),),
        )
    ):
        out = tmp_path / str(number)
        out.mkdir()
        make(out)
        assert refusal(out) == "OUT_NOT_EMPTY"
    assert (elsewhere / "precious.dcm").exists()


def test_a_folder_of_another_key_or_policy_is_refused(tmp_path: Path) -> None:
    """Two keys in one folder would give one patient two names."""
    run(tmp_path, mr())
    assert refusal(tmp_path / "out", "another-mark") == "OUT_OF_ANOTHER_RUN"
    with pytest.raises(MyofedError, match="OUT_OF_ANOTHER_RUN"):
        run(tmp_path, mr(), keys=SiteKeys(b"z" * 32))
    with pytest.raises(MyofedError, match="OUT_OF_ANOTHER_RUN"):
        run(tmp_path, mr(), policy=policy_with(age_cap_years=80))


def test_an_unfinished_run_of_another_key_is_refused(tmp_path: Path) -> None:
    """The staging folder's name tells whose run was killed."""
    OutputFolder.open(tmp_path / "out", mark="one").close()
    assert refusal(tmp_path / "out", "other") == "OUT_OF_ANOTHER_RUN"


def test_files_without_any_mark_and_foreign_reports_are_refused(tmp_path: Path) -> None:
    """Study folders that no run claims, or a report that is none, are not ours to replace."""
    (tmp_path / "2.25.1").mkdir()
    assert refusal(tmp_path) == "OUT_OF_ANOTHER_RUN"
    other = tmp_path / "other"
    other.mkdir()
    (other / REPORT_NAME).write_text("{}")
    assert refusal(other) == "OUT_OF_ANOTHER_RUN"


def test_a_killed_run_leaves_no_report_and_the_next_one_completes(tmp_path: Path) -> None:
    """A run stopped after any file, and run again, gives what an undisturbed run gives."""
    files = [mr(SOPInstanceUID=f"{UID}{number}") for number in (1, 10, 11)]
    undisturbed = run(tmp_path, *files)
    wanted = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.dcm")}

    class Killed(BaseException):
        pass

    def kill(done: int, _: int) -> None:
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        deidentify(tmp_path / "in", tmp_path / "out", keys=KEYS, policy=default_policy(), now=NOW, progress=kill)
    assert not (tmp_path / "out" / REPORT_NAME).exists()
    assert run(tmp_path) == undisturbed
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.dcm")} == wanted


def test_what_the_run_did_not_make_is_removed(tmp_path: Path) -> None:
    """A file in our layout that no report vouches for, and its empty folders, do not stay."""
    run(tmp_path, mr())
    stale = tmp_path / "out" / "2.25.5" / "2.25.6" / "2.25.7.dcm"
    stale.parent.mkdir(parents=True)
    stale.touch()
    (next((tmp_path / "out").glob(f"{REPORT_NAME}"))).touch()
    report = run(tmp_path)
    assert not stale.parent.parent.exists()
    assert output(tmp_path, report.files[0]).exists()


def test_nothing_unverified_stays_behind(tmp_path: Path) -> None:
    """After a run the folder holds studies and the report, readable by their owner alone; left-overs of a kill go."""
    folder = OutputFolder.open(tmp_path / "out", mark=MARK)
    (folder.staging / "candidate-1.dcm").touch()
    folder.close()
    report = run(tmp_path, mr())
    names = {entry.name for entry in (tmp_path / "out").iterdir()}
    assert names == {REPORT_NAME, PAGE_NAME, report.files[0].output.split("/")[0] if report.files[0].output else ""}
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "out").rglob("*")} == {0}


def test_one_run_at_a_time_writes_to_a_folder(tmp_path: Path) -> None:
    """A second one is told, and may start when the first has ended, however it ended."""
    folder = OutputFolder.open(tmp_path / "out", mark=MARK)
    assert refusal(tmp_path / "out") == "OUT_BUSY"
    folder.close()
    OutputFolder.open(tmp_path / "out", mark=MARK).close()


def test_the_summary_is_read_without_the_list_of_files(tmp_path: Path) -> None:
    """Of our reports, and of those that 0.1 wrote on one line a value, without what came later."""
    report = run(tmp_path, mr())
    path = tmp_path / "out" / REPORT_NAME
    assert read_summary(path).model_dump() == report.model_dump(exclude={"files"})
    old = report.model_dump(mode="json", exclude={"options", "notes", "actions", "checks", "side_records"})
    path.write_text(json.dumps(old, indent=1))
    assert read_summary(path).received == 1


def test_two_runs_that_start_at_once_do_not_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another key's run that came between the look and the lock is seen after it."""
    module = import_module("myofed_anonymization.output_folder")
    real = module._locked

    def late(staging: Path) -> object:
        (tmp_path / "out" / ".unverified-other").mkdir()
        return real(staging)

    monkeypatch.setattr(module, "_locked", late)
    assert refusal(tmp_path / "out") == "OUT_OF_ANOTHER_RUN"
