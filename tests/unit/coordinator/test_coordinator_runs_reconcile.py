"""The runs' supervisor: what it tells the engine, step by step."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from coordinator_factories import NOW, FakeSite, make_manifest, make_weights

from myofed_coordinator.certificates import node_key_sha256
from myofed_coordinator.federation.engine import EngineNode
from myofed_coordinator.runs.folder import RoundRecord, RunEvent, RunFolder, ServerProcess, read_events, started_ticks
from myofed_coordinator.runs.reconcile import MAX_ATTEMPTS, STARTS_WITHIN, Reconciler
from myofed_coordinator.runs.retention import KEEP_ALL_FOR
from myofed_coordinator.runs.service import RunsService
from myofed_coordinator.runs.watch import MARGIN_S, SILENT_S, end
from myofed_coordinator.services import Services
from myofed_coordinator.studies.leads import Doer
from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import RoundReport

WEIGHTS = make_weights()
BIG = 2**64 - 5
"""Flower numbers its runs up to 2**64."""


@dataclass
class FakeControl:
    """An engine that remembers what it was told."""

    known: dict[str, int] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    stopped: list[int] = field(default_factory=list)
    ended: bool = False
    away: bool = False
    listed: int = 0

    def nodes(self) -> list[EngineNode]:
        if self.away:
            raise MyofedError("ENGINE_AWAY", "away")
        self.listed += 1
        return [EngineNode(number, digest) for digest, number in self.known.items()]

    def register(self, openssh_public_key: str, *, name: str) -> None:
        self.known[node_key_sha256(openssh_public_key)] = len(self.known) + 1

    def unregister(self, node_id: int) -> None:
        self.known = {digest: number for digest, number in self.known.items() if number != node_id}

    def start(self, config: Mapping[str, str]) -> int:
        self.started.append(config["run-id"])
        return BIG

    def has_ended(self, engine_run: int) -> bool:
        assert engine_run == BIG
        return self.ended

    def stop(self, engine_run: int) -> None:
        self.stopped.append(engine_run)


@dataclass
class Bench:
    services: Services
    control: FakeControl
    folder: RunFolder
    sites: list[FakeSite]
    now: datetime = NOW
    seconds: float = 1000.0

    def reconciler(self) -> Reconciler:
        return Reconciler(self.services, self.control, now=lambda: self.now, monotonic=lambda: self.seconds)

    def actions(self) -> list[str]:
        return [entry.action for entry in self.services.audit.entries()]


@pytest.fixture
def bench(services: Services, enrol: Callable[[str], FakeSite]) -> Bench:
    sites = [enrol(f"hospital-{letter}") for letter in "ab"]
    manifest = make_manifest(WEIGHTS, sites=("hospital-a", "hospital-b"), min_sites=1)
    services.studies.create(manifest, WEIGHTS, actor=Doer("admin"), now=NOW)
    for site in sites:
        services.studies.record_decision(site.decide(manifest), site=site.name, now=NOW)
    runs = RunsService(services)
    folder = runs.folder(runs.start("thigh-muscles", actor="admin", now=NOW).run_id)
    return Bench(services, FakeControl(), folder, sites)


def report(number: int) -> RoundReport:
    return RoundReport(
        round=number,
        started_at="2026-11-22T10:00:00Z",
        seconds=1.0,
        sites=("hospital-a",),
        errors=(),
        loss=None,
        dice=None,
        dice_per_site={},
        weights_sha256="0" * 64,
    )


def test_engine_that_is_away_changes_nothing(bench: Bench) -> None:
    """The step fails with a code, and the next one does everything."""
    bench.control.away = True
    reconciler = bench.reconciler()
    with pytest.raises(MyofedError):
        reconciler.step()
    assert bench.folder.submission() is None
    bench.control.away = False
    reconciler.step()
    assert bench.control.started == [bench.folder.run_id]


def test_engine_knows_the_nodes_of_approved_sites_and_no_others(bench: Bench) -> None:
    """Registered once, and taken out when the site is revoked; the engine is not asked again without a change."""
    bench.control.known = {"f" * 64: 99}
    reconciler = bench.reconciler()
    for _ in range(3):
        reconciler.step()
    assert len(bench.control.known) == 2
    assert 99 not in bench.control.known.values()
    assert bench.control.listed == 1
    bench.services.enrolment.revoke("hospital-b", actor="admin", now=NOW)
    reconciler.step()
    assert len(bench.control.known) == 1


def test_revoked_site_is_taken_out_of_the_run(bench: Bench) -> None:
    """The ServerApp reads the run's sites at every look."""
    reconciler = bench.reconciler()
    reconciler.step()
    bench.services.enrolment.revoke("hospital-b", actor="admin", now=NOW)
    reconciler.step()
    assert set(bench.folder.sites().node_keys) == {"hospital-a"}


def test_site_that_approves_during_a_run_is_in_it(bench: Bench) -> None:
    """And one that takes its approval back is out, and may come again by a new decision."""
    manifest = bench.folder.manifest().manifest
    site = bench.sites[0]
    reconciler = bench.reconciler()
    said = (
        ("revoked", "2026-11-22T12:01:00Z", {"hospital-b"}),
        ("approved", "2026-11-22T12:02:00Z", {"hospital-a", "hospital-b"}),
    )
    for decision, at, members in said:
        signed = site.decide(manifest, decision=decision, decided_at=at)
        bench.services.studies.record_decision(signed, site=site.name, now=NOW)
        reconciler.step()
        assert set(bench.folder.sites().node_keys) == members


def test_run_that_has_ended_takes_nobody_in_or_out(bench: Bench) -> None:
    """Who took part is part of what is kept."""
    bench.folder.write_status(bench.folder.status().model_copy(update={"state": "failed", "code": "QUORUM_LOST"}))
    bench.services.enrolment.revoke("hospital-b", actor="admin", now=NOW)
    with bench.folder.locked():
        bench.reconciler().step()
    assert set(bench.folder.sites().node_keys) == {"hospital-a", "hospital-b"}


def test_broken_folder_of_one_run_does_not_hold_up_the_others(bench: Bench) -> None:
    """The step says what is wrong, after everything else was done."""
    broken = RunFolder(bench.folder.root.with_name("run-00000000"))
    broken.root.mkdir()
    reconciler = bench.reconciler()
    for _ in range(2):
        with pytest.raises(MyofedError) as caught:
            reconciler.step()
        assert caught.value.code == "RUN_INCOMPLETE"
    assert bench.control.started == [bench.folder.run_id]


def test_submission_that_was_not_noted_is_made_again(bench: Bench) -> None:
    """Killed between the engine's answer and the note of it: a ServerApp that lives is left alone, a lost one replaced."""
    reconciler = bench.reconciler()
    with bench.folder.locked():
        reconciler.step()
    assert bench.control.started == []
    reconciler.step()
    assert bench.control.started == [bench.folder.run_id]


def test_run_is_submitted_once(bench: Bench) -> None:
    """A submission that has not started yet is waited for; one that runs is left alone."""
    reconciler = bench.reconciler()
    for _ in range(3):
        reconciler.step()
    with bench.folder.locked():
        reconciler.step()
    assert bench.control.started == [bench.folder.run_id]
    submission = bench.folder.submission()
    assert submission is not None
    assert submission.engine_run == str(BIG)


@pytest.mark.parametrize("finished", [0, 1, 3], ids=["submitted", "in round 2", "all rounds done, not evaluated"])
@pytest.mark.parametrize("how", ["died", "never came", "engine says ended", "supervisor restarted"])
def test_lost_run_is_submitted_again(bench: Bench, how: str, finished: int) -> None:
    """Whatever took the ServerApp away and wherever the run stood, the old engine run is ended first."""
    reconciler = bench.reconciler()
    reconciler.step()
    if finished:
        reports = tuple(report(number) for number in range(1, finished + 1))
        bench.folder.write_status(bench.folder.status().model_copy(update={"state": "running", "rounds": reports}))
    if how == "died":
        with bench.folder.locked():
            reconciler.step()
    bench.control.ended = how == "engine says ended"
    bench.now += STARTS_WITHIN + timedelta(seconds=1) if how == "never came" else timedelta()
    if how == "supervisor restarted":
        reconciler = bench.reconciler()
    reconciler.step()
    assert bench.control.started == [bench.folder.run_id] * 2
    assert bench.control.stopped == [BIG]


def test_run_that_is_lost_again_and_again_fails(bench: Bench) -> None:
    """A stated end, not an endless loop; a finished round starts the count anew."""
    bench.control.ended = True
    reconciler = bench.reconciler()
    reconciler.step()
    for _ in range(MAX_ATTEMPTS - 1):
        reconciler.step()
    bench.folder.write_status(bench.folder.status().model_copy(update={"state": "running", "rounds": (report(1),)}))
    reconciler.step()
    assert bench.folder.status().state == "running"
    for _ in range(MAX_ATTEMPTS):
        reconciler.step()
    status = bench.folder.status()
    assert (status.state, status.code) == ("failed", "RUN_LOST")
    assert len(status.rounds) == 1


def test_stopped_run_is_not_submitted(bench: Bench) -> None:
    """A person's stop holds, whether a ServerApp lives or not."""
    bench.folder.stop_request.touch()
    bench.reconciler().step()
    assert bench.control.started == []
    assert bench.folder.status().state == "stopped"


def test_completed_run_has_its_model_registered_and_its_end_in_the_chain_once(bench: Bench) -> None:
    """The last checkpoint is the model; a closed run is not looked at again."""
    bench.folder.weights(1).write_bytes(WEIGHTS)
    digest = bench.folder.manifest().manifest.initial_weights_sha256
    final = {"state": "completed", "rounds": (report(1),), "model_sha256": digest}
    bench.folder.write_status(bench.folder.status().model_copy(update=final))
    for _ in range(2):
        bench.reconciler().step()
    assert bench.services.models.show(digest).statement.run_id == bench.folder.run_id
    assert bench.actions().count("RUN_ENDED") == 1
    assert bench.control.started == []


def test_model_of_the_kept_round_is_registered(bench: Bench) -> None:
    """A run that keeps its best may have done more rounds."""
    for number, packed in ((1, WEIGHTS), (2, b"not the one")):
        bench.folder.weights(number).write_bytes(packed)
    digest = bench.folder.manifest().manifest.initial_weights_sha256
    final = {"state": "completed", "rounds": (report(1), report(2)), "model_sha256": digest, "kept_round": 1}
    bench.folder.write_status(bench.folder.status().model_copy(update=final))
    bench.reconciler().step()
    assert bench.services.models.show(digest).statement.rounds == 1


def test_finished_rounds_have_a_signed_record_before_the_run_is_closed(bench: Bench) -> None:
    """As they come, and the last one at the latest when the run ends; what the sites told is in them."""
    bench.folder.record(1).write_bytes(
        canonical_json(RoundRecord(digests={"hospital-a": "a" * 64}, examples={"hospital-a": 20}))
    )
    reconciler = bench.reconciler()
    bench.folder.write_status(bench.folder.status().model_copy(update={"rounds": (report(1),)}))
    reconciler.step()
    lineage = bench.services.lineage
    assert [u.examples for u in lineage.of_run(bench.folder.run_id).records[0].statement.updates] == [20]
    failed = {"state": "failed", "code": "QUORUM_LOST", "rounds": (report(1), report(2))}
    bench.folder.write_status(bench.folder.status().model_copy(update=failed))
    for _ in range(3):
        bench.reconciler().step()
    assert len(lineage.of_run(bench.folder.run_id).records) == 2
    assert bench.actions().count("ROUND_RECORDED") == 2


def test_failed_run_is_closed_without_a_model(bench: Bench) -> None:
    """The engine is told to end it, the chain has the code."""
    bench.reconciler().step()
    bench.folder.write_status(bench.folder.status().model_copy(update={"state": "failed", "code": "QUORUM_LOST"}))
    for place in (bench.folder.updates, bench.folder.root / "transit" / "in" / "hospital-a"):
        place.mkdir(parents=True)
        (place / "update").write_bytes(b"a site's own")
    with bench.folder.locked():
        bench.reconciler().step()
    assert not bench.folder.closed.exists(), "the ServerApp is about to leave"
    bench.reconciler().step()
    assert bench.folder.closed.exists()
    assert bench.control.stopped == [BIG]
    assert bench.services.models.list_models() == []
    assert not bench.folder.updates.exists(), "no update of a site outlives its run"
    assert not (bench.folder.root / "transit").exists()
    assert list(bench.services.audit.entries())[-1].detail["code"] == "QUORUM_LOST"


HANGING = """
import sys, time
from pathlib import Path
from myofed_coordinator.runs.folder import RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    time.sleep(600)
"""


@contextmanager
def hanging_server_app(folder: RunFolder) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has the run's lock and does nothing with it."""
    with subprocess.Popen([sys.executable, "-c", HANGING, str(folder.root)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        try:
            yield process
        finally:
            process.kill()


def test_server_app_that_hangs_is_killed_and_the_run_submitted_again(bench: Bench) -> None:
    """It holds the lock and would hold the run for ever: no look for ten minutes, and its process is ended."""
    reconciler = bench.reconciler()
    reconciler.step()
    with hanging_server_app(bench.folder) as process:
        reconciler.step()
        bench.seconds += SILENT_S - 1
        reconciler.step()
        assert process.poll() is None, "it has its time"
        bench.seconds += 2
        reconciler.step()
        assert process.wait(timeout=20) == -9
        reconciler.step()
    assert bench.control.started == [bench.folder.run_id] * 2
    assert bench.control.stopped == [BIG]
    last = read_events(bench.folder)[-1]
    assert (last.event, last.code) == ("RUN_HUNG", "RUN_HUNG")


def test_server_app_that_looks_is_left_alone_until_its_round_is_overdue(bench: Bench) -> None:
    """Looks alone are no progress: after the round's timeout and a margin without an event it is ended as well."""
    reconciler = bench.reconciler()
    reconciler.step()
    limit = bench.folder.manifest().manifest.round_timeout_s + MARGIN_S
    began = bench.seconds
    with hanging_server_app(bench.folder) as process:
        while bench.seconds <= began + limit:
            reconciler.step()
            assert process.poll() is None
            bench.seconds += SILENT_S / 2
            bench.folder.look()
        reconciler.step()
        assert process.wait(timeout=20) == -9


def test_event_starts_the_time_of_a_round_anew(bench: Bench) -> None:
    """A run of many rounds may take days."""
    reconciler = bench.reconciler()
    reconciler.step()
    limit = bench.folder.manifest().manifest.round_timeout_s + MARGIN_S
    with hanging_server_app(bench.folder) as process:
        for number in range(4):
            bench.folder.look()
            bench.folder.note(RunEvent(at="2026-11-22T10:00:00Z", event="ROUND_FINISHED", round=number))
            reconciler.step()
            bench.seconds += limit * 0.9
            bench.folder.look()
            reconciler.step()
        assert process.poll() is None


def test_run_that_hangs_again_and_again_fails_with_that_code(bench: Bench) -> None:
    """A stated end, told apart from a ServerApp that died."""
    reconciler = bench.reconciler()
    reconciler.step()
    for _ in range(MAX_ATTEMPTS):
        with hanging_server_app(bench.folder) as process:
            reconciler.step()
            bench.seconds += SILENT_S + 1
            reconciler.step()
            process.wait(timeout=20)
        reconciler.step()
    status = bench.folder.status()
    assert (status.state, status.code) == ("failed", "RUN_HUNG")
    assert len(bench.control.started) == MAX_ATTEMPTS


def test_run_that_hangs_after_its_end_is_closed(bench: Bench) -> None:
    """Its status is final; the process that keeps it open is ended."""
    reconciler = bench.reconciler()
    reconciler.step()
    bench.folder.write_status(bench.folder.status().model_copy(update={"state": "failed", "code": "QUORUM_LOST"}))
    with hanging_server_app(bench.folder) as process:
        reconciler.step()
        bench.seconds += SILENT_S + 1
        reconciler.step()
        process.wait(timeout=20)
    reconciler.step()
    assert bench.folder.closed.exists()


def test_process_that_only_has_the_number_of_a_dead_server_app_lives_on() -> None:
    """Numbers are given out again; the time of start tells them apart."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        ticks = started_ticks(process.pid)
        assert ticks is not None
        end(ServerProcess(pid=process.pid, started_ticks=ticks - 1))
        assert process.poll() is None
        end(ServerProcess(pid=process.pid, started_ticks=ticks))
        assert process.wait(timeout=20) == -9
    assert started_ticks(process.pid) is None
    end(ServerProcess(pid=process.pid, started_ticks=ticks))


def test_weights_of_a_run_that_ended_long_ago_go(bench: Bench) -> None:
    """The reconciler looks at its start and every hour."""
    bench.folder.write_status(
        bench.folder.status().model_copy(
            update={"state": "failed", "code": "QUORUM_LOST", "rounds": tuple(report(n) for n in range(1, 5))}
        )
    )
    for number in range(1, 5):
        bench.folder.weights(number).write_bytes(WEIGHTS)
    reconciler = bench.reconciler()
    reconciler.step()
    ended = bench.now.timestamp()
    os.utime(bench.folder.closed, (ended, ended))
    bench.now += KEEP_ALL_FOR - timedelta(minutes=1)
    reconciler.step()
    assert bench.folder.weights(1).exists()
    bench.now += timedelta(minutes=2)
    reconciler.step()
    assert bench.folder.weights(1).exists(), "it looked less than an hour ago"
    bench.now += timedelta(hours=1)
    reconciler.step()
    assert [number for number in range(1, 5) if bench.folder.weights(number).exists()] == [3, 4]
