from __future__ import annotations

import gc
import os
import resource
import signal
import threading
from importlib import import_module
from multiprocessing import Pipe
from pathlib import Path

import pytest
from anonymization_factories import KEYS, UID, file_bytes, mr
from worker_sources import Misbehaving

from myofed_anonymization import default_policy
from myofed_anonymization.journal import Journal
from myofed_anonymization.one_file import Treated
from myofed_anonymization.output_folder import JOURNAL
from myofed_anonymization.pseudonym_sources import PseudonymSource
from myofed_anonymization.worker_process import ALLOCATIONS_A_COLLECTION, Reply, Setup, Task, Worker, main, serve
from myofed_schemas.deid import WithheldCode
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

MODULE = import_module("myofed_anonymization.worker_process")


def setup(folder: Path, *, pseudonyms: PseudonymSource | None = None, resume: bool = False) -> Setup:
    for name in ("out", "staging"):
        (folder / name).mkdir(exist_ok=True)
    return Setup(KEYS, default_policy(), pseudonyms, None, folder / "out", folder / "staging", resume)


def task(folder: Path, content: bytes, number: int = 1) -> Task:
    path = folder / f"{number}.dcm"
    path.write_bytes(content)
    return Task(number, path)


def test_it_answers_until_the_parent_hangs_up(tmp_path: Path) -> None:
    """Setup first, then one reply a task, as JSON."""
    ours, theirs = Pipe()
    thread = threading.Thread(target=serve, args=(theirs,))
    thread.start()
    ours.send(setup(tmp_path))
    assert ours.recv_bytes() == b"ready"
    ours.send(task(tmp_path, file_bytes(mr())))
    reply = Reply.model_validate_json(ours.recv_bytes())
    assert (reply.kind, reply.outcome and reply.outcome.code) == ("treated", None)
    ours.close()
    thread.join(10)
    assert not thread.is_alive()


def test_the_process_limits_itself_before_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory, core files, the parent's death and Ctrl-C are settled first."""
    limits: dict[int, tuple[int, int]] = {}
    monkeypatch.setattr(resource, "setrlimit", limits.__setitem__)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(MODULE, "die_with_parent", lambda number: limits.__setitem__(-1, (number, 0)))
    monkeypatch.setattr(MODULE, "serve", lambda connection: connection.close())
    collector: list[int] = []
    monkeypatch.setattr(gc, "freeze", lambda: collector.append(0))
    monkeypatch.setattr(gc, "set_threshold", collector.append)
    reader, writer = os.pipe()
    main([str(reader), str(1 << 30)])
    os.close(writer)
    assert limits == {
        -1: (signal.SIGKILL, 0),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_AS: (1 << 30, 1 << 30),
    }
    assert collector == [0, ALLOCATIONS_A_COLLECTION]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MyofedError("VAULT_CONFLICT", "expected", hint="ask", exit_code=ExitCode.BAD_INPUT), "VAULT_CONFLICT"),
        (OSError(28, "No space left on device: /home/Fantasia"), "OUT_NOT_WRITABLE"),
        (OSError("Fantasia"), "OUT_NOT_WRITABLE"),
    ],
)
def test_what_ends_the_run_is_told_by_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    """A full disk is no fault of the file, and its path is not told."""

    def failing(*_: object, **__: object) -> Treated:
        raise error

    monkeypatch.setattr(MODULE, "treat", failing)
    reply = Worker(setup(tmp_path)).answer(task(tmp_path, b"x"))
    assert (reply.kind, reply.code, reply.outcome) == ("failed", code, None)
    assert "Fantasia" not in reply.message


def test_memory_and_bugs_cost_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A code for each; of a bug its type and place, never its text."""

    def exhausted(*_: object, **__: object) -> Treated:
        raise MemoryError

    worker = Worker(setup(tmp_path, pseudonyms=Misbehaving()))
    reply = worker.answer(task(tmp_path, file_bytes(mr(PatientID="WRONG"))))
    assert reply.outcome
    assert reply.outcome.code is WithheldCode.WORKER_DIED
    assert reply.fault.startswith("ValueError at identity.py:")
    monkeypatch.setattr(MODULE, "treat", exhausted)
    reply = worker.answer(task(tmp_path, b"x"))
    assert reply.outcome
    assert reply.outcome.code is WithheldCode.MEMORY_LIMIT


def test_a_missing_input_is_withheld(tmp_path: Path) -> None:
    """It went away since the folder was walked."""
    reply = Worker(setup(tmp_path)).answer(Task(1, tmp_path / "gone.dcm"))
    assert reply.outcome
    assert reply.outcome.code is WithheldCode.NOT_A_REGULAR_FILE


def test_only_proven_outcomes_of_a_killed_run_are_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An output that lies there unchanged is; one that is gone or changed is made again; an unknown input is treated."""
    contents = [file_bytes(mr(SOPInstanceUID=f"{UID}{number}0")) for number in range(3)]
    worker = Worker(setup(tmp_path))
    first = [worker.answer(task(tmp_path, content, number)) for number, content in enumerate(contents, start=1)]
    journal = Journal.open(tmp_path / "staging" / JOURNAL, tools="same")
    for reply in first[:2]:
        assert reply.outcome
        journal.add(Treated(reply.outcome, {"B_value": (800.0,)}))
    journal.flush()
    journal.close()
    journal = Journal.open(tmp_path / "staging" / JOURNAL, tools="same")
    assert first[1].outcome
    (tmp_path / "out" / str(first[1].outcome.output)).write_bytes(b"changed")
    again = Worker(setup(tmp_path, resume=True))
    taken = again.answer(task(tmp_path, contents[0], 9))
    assert taken.outcome
    assert first[0].outcome
    assert taken.outcome == first[0].outcome.model_copy(update={"number": 9})
    assert taken.numbers == {"B_value": (800.0,)}
    for number in (1, 2):
        made = again.answer(task(tmp_path, contents[number], number + 1))
        assert (made.outcome, made.numbers) == (first[number].outcome, {})
    assert first[0].outcome
    (tmp_path / "out" / str(first[0].outcome.output)).unlink()
    assert again.answer(task(tmp_path, contents[0], 1)).outcome == first[0].outcome
    journal.close()
