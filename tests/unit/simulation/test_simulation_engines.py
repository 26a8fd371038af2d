"""Errands out and answers in: the pool, and Flower's simulation engine behind a stand-in without ray."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import flwr.simulation
import pytest
from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.supercore.task_identity import TaskIdentity
from simulation_factories import NAMES, job, quiet, study, write_sites

from myofed_coordinator.federation.engine import Task
from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import Instruction
from myofed_simulation import flower_engine, run
from myofed_simulation.clock import SimulationClock
from myofed_simulation.courier import Courier, Means
from myofed_simulation.errand import Answer, Desk
from myofed_simulation.flower_engine import FlowerEngine
from myofed_simulation.plan import Folders
from myofed_simulation.pool_engine import PoolEngine, worker_processes
from myofed_simulation.run import Prepared, prepare, simulate


class BrokenPool(Executor):
    """Its processes are dead."""

    def submit(self, fn: Callable[..., object], /, *args: object, **kwargs: object) -> Future[object]:
        future: Future[object] = Future()
        future.set_exception(BrokenProcessPool())
        return future


def prepared(folders: Folders, out: Path) -> Prepared:
    return prepare(job(folders, out / "out", study(out)), told=quiet())


def task(ready: Prepared, packed: bytes) -> Task:
    asked = Instruction(
        kind="train",
        study_id=ready.manifest.study_id,
        manifest_digest=ready.manifest.digest(),
        run_id=ready.run.run_id,
        round=1,
        weights_sha256=ready.manifest.initial_weights_sha256,
    )
    return Task(asked, packed, 10.0)


def courier(ready: Prepared, told: Callable[[str], None] | None = None) -> Courier:
    return Courier(ready.run, ready.sites, Means(), clock=SimulationClock(), told=told or quiet())


def test_dead_worker_process_stops_the_simulation_with_a_code_and_the_run_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a hundred sites that fail, and no failed run: the machine had too little memory."""
    asked = job(write_sites(tmp_path / "data", NAMES[:2]), tmp_path / "out", study(tmp_path, rounds=1))
    with monkeypatch.context() as patch:
        patch.setattr(run, "_workers", lambda _: nullcontext(BrokenPool()))
        with pytest.raises(MyofedError) as error:
            simulate(asked, told=quiet())
    assert error.value.code == "SIMULATION_WORKER_LOST"
    assert simulate(asked, told=quiet()).state == "completed"


def test_thread_of_a_flower_engine_that_has_ended_ends_too(
    tmp_path: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C nobody answers any more; the round loop would wait for ever."""
    given_up = threading.Event()
    given_up.set()
    engine = FlowerEngine(StandInGrid(ClientApp(), 5), courier(prepared(folders, tmp_path)), sites=5, given_up=given_up)
    with pytest.raises(SystemExit):
        list(engine.replies(["ticket"]))


def test_all_sites_are_online_until_the_run_has_another_list(tmp_path: Path, folders: Folders) -> None:
    """Numbered in the manifest's order, by the keys that the run's folder names."""
    ready = prepared(folders, tmp_path)
    keys = ready.run.sites().node_keys
    assert courier(ready).online() == {keys[name]: number for number, name in enumerate(NAMES)}


def test_update_that_is_not_what_the_site_said_is_no_update(tmp_path: Path, folders: Folders) -> None:
    """A file that changed between site and round loop is refused there, and does not stay."""
    ready, lines = prepared(folders, tmp_path), []
    carried = courier(ready, lines.append)
    carried.errands([(0, task(ready, b"weights"))])
    carried.sent(0, "t")
    arrival = Desk(ready.run).arrival(NAMES[0])
    arrival.parent.mkdir()
    arrival.write_bytes(b"other")
    reply = carried.reply("t", Answer(code="OK", update_sha256="0" * 64).model_dump_json())
    assert reply.packed == b""
    assert not arrival.exists()
    assert lines == ["round 1 of 2: 1 of 1 sites"]


def test_worker_processes_start_afresh_and_none_is_left(tmp_path: Path) -> None:
    """Spawned: a fork of a process with torch in it may hang."""
    with worker_processes(1) as pool:
        assert pool.submit(abs, -2).result() == 2
    with pytest.raises(RuntimeError):
        pool.submit(abs, -2)


class StandInGrid(Grid):
    """Plays Flower's simulation engine: nodes in no order, one of which fails where asked."""

    def __init__(self, client: ClientApp, nodes: int, *, failing: int | None = None) -> None:
        self._client, self._nodes, self._failing = client, [1000 - n for n in range(nodes)], failing
        self._replies: dict[str, Message] = {}
        self._looks = 0

    def set_run(self, run: object) -> None:
        raise NotImplementedError

    @property
    def run(self) -> object:
        raise NotImplementedError

    def create_message(self, *_: object, **__: object) -> Message:
        raise NotImplementedError

    def get_nodes(self, *_: object, **__: object) -> Iterable[object]:
        raise NotImplementedError

    def get_node_ids(self) -> list[int]:
        self._looks += 1
        return self._nodes if self._looks > 1 else self._nodes[:1]

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        tickets = []
        for message in messages:
            ticket = f"message-{len(self._replies)}"
            message.metadata.__dict__["_message_id"] = ticket
            message.metadata.__dict__["_src_node_id"] = 1
            self._replies[ticket] = self._play(message)
            tickets.append(ticket)
        return tickets

    def _play(self, message: Message) -> Message:
        if message.metadata.dst_node_id == self._failing:
            return Message(Error(code=2, reason="secret text"), reply_to=message)
        context = Context(run_id=1, node_id=2, node_config={}, state=RecordDict(), run_config={})
        return self._client(message, context)

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        return [self._replies[ticket] for ticket in reversed(list(message_ids))]

    def send_and_receive(self, *_: object, **__: object) -> Iterable[Message]:
        raise NotImplementedError


def stand_in(monkeypatch: pytest.MonkeyPatch, failing: int | None = None) -> None:
    """Flower's simulation engine, without ray, threads or waiting."""

    def run_simulation(
        *, server_app: ServerApp, client_app: ClientApp, num_supernodes: int, backend_config: dict[str, object]
    ) -> None:
        assert backend_config["client_resources"] == {"num_cpus": 1, "num_gpus": 0.0}
        context = Context(run_id=1, node_id=0, node_config={}, state=RecordDict(), run_config={})
        server_app(StandInGrid(client_app, num_supernodes, failing=failing), context)

    for name in ("_task_id", "_run_id", "_node_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)
    for name, value in flower_engine.QUIET.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(flwr.simulation, "run_simulation", run_simulation)
    monkeypatch.setattr(flower_engine, "find_spec", lambda _: True)
    monkeypatch.setattr(flower_engine, "LOOK_S", 0.0)
    monkeypatch.setattr(flower_engine, "start_ray", lambda _: None)


def test_flower_and_pool_give_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine has no say in the weights, and a message carries no weights."""
    source = write_sites(tmp_path / "data", NAMES[:2])
    asked = job(source, tmp_path / "pool", study(tmp_path))
    stand_in(monkeypatch)
    pool = simulate(asked, told=quiet())
    flower = simulate(replace(job(source, tmp_path / "flower", study(tmp_path)), engine="flower"), told=quiet())
    assert flower.rounds_sha256 == pool.rounds_sha256


def test_node_that_flower_lost_is_one_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its error text nothing is kept."""
    source = write_sites(tmp_path / "data", NAMES[:3])
    stand_in(monkeypatch, failing=1000)
    asked = replace(job(source, tmp_path / "out", study(tmp_path, rounds=1)), engine="flower")
    record = simulate(asked, told=quiet())
    report = RunFolder(asked.out.root / record.run_id).status().rounds[0]
    assert [(error.site, error.code) for error in report.errors] == [("hospital-c", "SITE_FAILED")]


def test_pool_of_threads_answers_as_sites_finish(tmp_path: Path, folders: Folders) -> None:
    """Every ticket once."""
    ready = prepared(folders, tmp_path)
    asked = task(ready, (tmp_path / "initial.safetensors").read_bytes())
    with ThreadPoolExecutor(1) as threads:
        engine = PoolEngine(courier(ready), threads)
        tickets = engine.send([(0, asked), (1, asked)])
        left, found = list(tickets), []
        while left:
            found += engine.replies(left)
            left = [ticket for ticket in tickets if ticket not in {reply.ticket for reply in found}]
    assert sorted(reply.ticket for reply in found) == sorted(tickets)
    assert all(reply.code == "OK" and reply.packed for reply in found)


def test_ray_does_not_keep_the_stop_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's own handler ends the process as if it had crashed; ours is back once ray runs, with its CPUs."""
    asked: dict[str, object] = {}

    def init(**options: object) -> None:
        asked.update(options)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    monkeypatch.setattr(flower_engine, "import_module", lambda _: SimpleNamespace(init=init))
    before = signal.getsignal(signal.SIGTERM)
    flower_engine.start_ray(3)
    assert signal.getsignal(signal.SIGTERM) == before
    assert (asked["num_cpus"], asked["include_dashboard"]) == (3, False)
