"""Workers of a conversion: the same report, one coded series for a death, no worker left, errors told by code."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest
from mids_factories import NOW, Kind, classic, write_deidentified

from myofed_node.mids import convert as conversion
from myofed_node.mids import convert_pool, convert_worker
from myofed_node.mids.convert import ConvertOptions, convert
from myofed_node.mids.convert_pool import ConvertPool, _Worker
from myofed_node.mids.convert_worker import Setup, Told, serve
from myofed_node.mids.dicom_input.source import open_source
from myofed_node.mids.series_writer import RunFacts
from myofed_node.mids.session_task import SessionTask
from myofed_schemas.conversion import ConversionReport
from myofed_schemas.errors import MyofedError


def source_of(folder: Path, sessions: int = 3) -> Path:
    files = []
    for study in range(sessions):
        files += classic(Kind(study=study)) + classic(Kind(study=study, series=2))
        files += classic(Kind(study=study, series=3, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")))
    return write_deidentified(folder, files)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def pooled(monkeypatch: pytest.MonkeyPatch, source: Path, out: Path, processes: int = 2) -> ConversionReport:
    monkeypatch.setattr(conversion, "IN_PROCESS_FILES", 0)
    return convert(source, out, now=NOW, options=ConvertOptions(processes=processes))


def killed_once(monkeypatch: pytest.MonkeyPatch, when: Callable[[str, str], bool]) -> list[str]:
    """A worker is killed, as the kernel does, the first time it tells this; the UIDs at which that was."""
    honest, victims = ConvertPool._heard, []

    def heard(pool: ConvertPool, worker: object, tell: object) -> object:
        answer = honest(pool, worker, lambda what, uid: seen.append((what, uid)))  # type: ignore[arg-type]
        if not victims and seen and when(*seen[-1]):
            victims.append(seen[-1][1])
            worker.process.kill()  # type: ignore[attr-defined]
            worker.process.wait()  # type: ignore[attr-defined]
        return answer

    seen: list[tuple[str, str]] = []
    monkeypatch.setattr(ConvertPool, "_heard", heard)
    return victims


def test_worker_that_does_not_start_stops_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Told by its code, with no worker left."""
    monkeypatch.setattr(convert_pool.sys, "executable", "/bin/false")
    with pytest.raises(MyofedError) as refusal:
        pooled(monkeypatch, source_of(tmp_path / "clean"), tmp_path / "mids")
    assert refusal.value.code == "WORKER_START"


def test_worker_that_dies_before_its_first_series_stops_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No series can be blamed, and the next worker would die as well."""
    clean = source_of(tmp_path / "clean", 1)
    setup = Setup(RunFacts(tmp_path, "3" * 64, {}), ConvertOptions())
    with open_source(clean) as source, ConvertPool(setup, processes=1) as pool:
        (study,) = source.sessions()
        worker = pool._start()
        pool._workers.append(worker)
        pool._await_ready(worker)
        worker.task = SessionTask(study, source.session(study))
        with pytest.raises(MyofedError) as refusal:
            pool._replace(worker)
    assert refusal.value.code == "WORKER_START"


def test_changed_file_stops_the_run_from_a_worker_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Code, message and hint are those of the same refusal in one process."""
    clean = source_of(tmp_path / "clean")
    victim = next(clean.rglob("*.dcm"))
    victim.write_bytes(victim.read_bytes() + b"\0\0")
    told = []
    for run in (lambda: convert(clean, tmp_path / "a", now=NOW), lambda: pooled(monkeypatch, clean, tmp_path / "b")):
        with pytest.raises(MyofedError) as refusal:
            run()
        told.append((refusal.value.code, refusal.value.message, refusal.value.hint, refusal.value.exit_code))
    assert told[0] == told[1]
    assert told[0][0] == "DEID_FILE_CHANGED"


@pytest.mark.parametrize("moment", ["reading", "writing"])
def test_worker_that_is_killed_costs_one_coded_series(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, moment: str
) -> None:
    """The kernel ends a process for its memory: the series it had in hand is refused, all others are converted."""
    begun: list[str] = []

    def when(what: str, uid: str) -> bool:
        begun.append(uid) if what == "begun" else None
        return what == "begun" and begun.count(uid) == (1 if moment == "reading" else 2)

    clean = source_of(tmp_path / "clean")
    victims = killed_once(monkeypatch, when)
    report = pooled(monkeypatch, clean, tmp_path / "mids", 1)
    outcomes = {series.series_instance_uid: (series.outcome, series.code) for series in report.series}
    assert len(victims) == 1
    killed = outcomes.pop(victims[0])
    others = {("converted", None): 6, ("skipped", "LOCALIZER"): 3}
    assert [*outcomes.values()].count(("quarantined", "CONVERTER_DIED")) + (killed[1] == "CONVERTER_DIED") <= 1
    assert len(outcomes) == sum(others.values()) - 1
    assert not [path for path in (tmp_path / "mids").rglob("*") if path.name.startswith(".")]
    images = {image.path for series in report.series for image in series.images}
    assert {str(p.relative_to(tmp_path / "mids")) for p in (tmp_path / "mids").rglob("*.nii.gz")} == images


def test_report_and_data_set_are_the_same_however_many_processes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In this process, with one worker and with three."""
    clean = source_of(tmp_path / "clean")
    alone = convert(clean, tmp_path / "alone", now=NOW)
    assert [series.number for series in alone.series] == list(range(1, 10))
    for processes in (1, 3):
        assert pooled(monkeypatch, clean, tmp_path / str(processes), processes) == alone
        assert tree(tmp_path / str(processes)) == tree(tmp_path / "alone")


def test_no_worker_outlives_its_parent(tmp_path: Path) -> None:
    """Killed with SIGKILL, the parent can tell nobody."""
    script = (
        "import sys, time; from pathlib import Path\n"
        "from myofed_node.mids.convert_pool import ConvertPool, _Worker; from myofed_node.mids.convert_worker import Setup\n"
        "from myofed_node.mids.series_writer import RunFacts; from myofed_node.mids.session_task import ConvertOptions\n"
        "pool = ConvertPool(Setup(RunFacts(Path('.'), '', {}), ConvertOptions()), processes=1)\n"
        "worker = pool._start(); pool._await_ready(worker); print(worker.process.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 10
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, "a worker outlived its parent"
        time.sleep(0.02)


class Ends:
    """Both ends of a worker's connection; `serve` runs in this process on what was sent before."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.parent, self.worker = Connection(ours.detach()), Connection(theirs.detach())

    def answers(self, *sent: object) -> list[Told]:
        for one in sent:
            self.parent.send(one)
        socket.socket(fileno=os.dup(self.parent.fileno())).shutdown(socket.SHUT_WR)
        serve(self.worker)
        self.worker.close()
        told = []
        while True:
            try:
                told.append(Told.model_validate_json(self.parent.recv_bytes()))
            except EOFError:
                return told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MyofedError("SESSION_NOT_OURS", "m", hint="h"), ("failed", "SESSION_NOT_OURS", "m", "h")),
        (OSError(28, "No space left on device"), ("failed", "SYSTEM_ERROR", "No space left on device", "")),
        (OSError(), ("failed", "SYSTEM_ERROR", "no reason given", "")),
        (KeyError("PatientName"), ("fault", "", "", "")),
    ],
)
def test_worker_tells_what_stopped_it_by_code_or_place_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, told: tuple[str, str, str, str]
) -> None:
    """Never the text of an error that is not ours, which may hold what a header says."""

    def broken(*_args: object, **_kwargs: object) -> None:
        raise error

    monkeypatch.setattr(convert_worker, "convert_session", broken)
    setup = Setup(RunFacts(tmp_path, "3" * 64, {}), ConvertOptions())
    ready, answer = Ends().answers(setup, SessionTask("2.25.1", {}))
    assert ready.kind == "done"
    kind, code, message, hint = told
    assert (answer.kind, answer.code, answer.hint) == (kind, code, hint)
    assert message in answer.message
    assert "PatientName" not in answer.model_dump_json()
    assert answer.fault.startswith("KeyError at convert_worker.py:") == (kind == "fault")


def test_worker_serves_session_after_session(tmp_path: Path) -> None:
    """What it tells is what the session gave, series by series."""
    clean = source_of(tmp_path / "clean", 1)
    (tmp_path / "mids").mkdir()
    with open_source(clean) as source:
        (study,) = source.sessions()
        setup = Setup(RunFacts(tmp_path / "mids", "3" * 64, {}), ConvertOptions())
        told = Ends().answers(setup, SessionTask(study, source.session(study)))
    assert [one.kind for one in told].count("done") == 1 + 3
    assert [one.kind for one in told].count("begun") == 3 + 2
    assert [judged.outcome.code for judged in told[-1].judged()] == ["LOCALIZER", None, None]
    assert sorted(judged.series_number for judged in told[-1].judged()) == [1, 2, 3]


class FakeConnection:
    """Says one thing, and keeps what it is given."""

    def __init__(self, told: Told) -> None:
        self.told, self.given = told, []

    def recv_bytes(self) -> bytes:
        return self.told.model_dump_json().encode()

    def send(self, task: SessionTask) -> None:
        self.given.append(task)


def test_fault_of_ours_costs_the_series_it_was_met_at(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """A defect of the converter is logged by place; the session is done again one by one, and then without the one to blame."""
    connection = FakeConnection(Told(kind="fault", fault="KeyError at pixels.py:1"))
    worker = _Worker(None, connection, SessionTask("2.25.1", {}, writers=2), begun="2.25.8")  # type: ignore[arg-type]
    pool = ConvertPool(Setup(RunFacts(tmp_path, "3" * 64, {}), ConvertOptions()), processes=1)
    assert pool._heard(worker, lambda _what, _uid: None) is None
    worker.begun = "2.25.9"
    assert pool._heard(worker, lambda _what, _uid: None) is None
    again = SessionTask("2.25.1", {}, writers=1)
    assert connection.given == [again, replace(again, died=frozenset({"2.25.9"}))]
    assert "KeyError at pixels.py:1" in caplog.text
