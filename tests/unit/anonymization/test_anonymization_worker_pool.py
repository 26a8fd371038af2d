from __future__ import annotations

import logging
import os
from pathlib import Path

import psutil
import pytest
from anonymization_factories import KEYS, NOW, UID, file_bytes, mr, policy_with
from worker_sources import Misbehaving, Unloadable

from myofed_anonymization import Options, default_policy, deidentify, read_report
from myofed_schemas.deid import WithheldCode
from myofed_schemas.errors import MyofedError

FAST = policy_with(max_seconds=3)


@pytest.fixture(autouse=True)
def _workers_find_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))


def sources(folder: Path, *patients: str) -> Path:
    folder.mkdir(exist_ok=True)
    for number, patient in enumerate(patients):
        dataset = mr(PatientID=patient, SOPInstanceUID=f"{UID}{number}00")
        (folder / f"{number}.dcm").write_bytes(file_bytes(dataset))
    return folder


def test_a_file_that_hangs_kills_or_confuses_its_worker_costs_that_file_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each has its code, the others are released, and no log names a value."""
    folder = sources(tmp_path / "in", "Q1", "SLOW", "Q2", "DEAD", "Q3", "WRONG", "Q4")
    options = Options(pseudonyms=Misbehaving(), processes=2)
    with caplog.at_level(logging.ERROR):
        deidentify(folder, tmp_path / "out", keys=KEYS, policy=FAST, now=NOW, options=options)
    codes = [file.code for file in read_report(tmp_path / "out").files]
    assert codes == [
        None,
        WithheldCode.TIME_LIMIT,
        None,
        WithheldCode.WORKER_DIED,
        None,
        WithheldCode.WORKER_DIED,
        None,
    ]
    assert "file 6 met a fault of ours: ValueError at identity.py:" in caplog.text
    assert "Fantasia" not in caplog.text
    assert not [child for child in psutil.Process().children() if "worker_process" in " ".join(child.cmdline())]


def test_a_file_that_needs_too_much_memory_is_withheld(tmp_path: Path) -> None:
    """The limit is the process's own, and the next file is treated by the same or a new one."""
    folder = sources(tmp_path / "in", "A", "B")
    with (folder / "00-large.dcm").open("wb") as stream:
        stream.write(bytes(128) + b"DICM")
        stream.truncate(1 << 29)
    deidentify(folder, tmp_path / "out", keys=KEYS, policy=policy_with(max_memory_bytes=1 << 29), now=NOW)
    report = read_report(tmp_path / "out")
    assert [file.code for file in report.files] == [None, WithheldCode.MEMORY_LIMIT, None]


def test_a_worker_that_cannot_start_ends_the_run(tmp_path: Path) -> None:
    """Instead of withholding every file for a reason that is not theirs."""
    options = Options(pseudonyms=Unloadable())
    with pytest.raises(MyofedError, match="WORKER_START"):
        deidentify(
            sources(tmp_path / "in", "A"),
            tmp_path / "out",
            keys=KEYS,
            policy=default_policy(),
            now=NOW,
            options=options,
        )


def test_no_worker_outlives_an_interrupted_run(tmp_path: Path) -> None:
    """Whatever ends the run ends its processes."""

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deidentify(
            sources(tmp_path / "in", "A", "B"),
            tmp_path / "out",
            keys=KEYS,
            policy=default_policy(),
            now=NOW,
            progress=interrupt,
        )
    assert not [child for child in psutil.Process().children() if "worker_process" in " ".join(child.cmdline())]


def test_the_task_beside_a_lost_one_is_its_successors(tmp_path: Path) -> None:
    """One worker has the next file's task already when the file in hand kills it or takes too long."""
    folder = sources(tmp_path / "in", "DEAD", "Q1", "SLOW", "DEAD", "Q2")
    options = Options(pseudonyms=Misbehaving(), processes=1)
    deidentify(folder, tmp_path / "out", keys=KEYS, policy=FAST, now=NOW, options=options)
    died, late = WithheldCode.WORKER_DIED, WithheldCode.TIME_LIMIT
    assert [file.code for file in read_report(tmp_path / "out").files] == [died, None, late, died, None]
