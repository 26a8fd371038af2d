"""Brings the engine in line with what is decided: nodes of approved sites known, ordered runs running, lost ones again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from myofed_coordinator import certificates
from myofed_coordinator.audit import Deed
from myofed_coordinator.federation.engine import EngineNode, NodeRefusedError
from myofed_coordinator.federation.weights_transit import drop
from myofed_coordinator.models.lineage import RoundTrace, TracedRun
from myofed_coordinator.runs.folder import FINAL_STATES, RunEvent, RunFolder, Submission, read_events
from myofed_coordinator.runs.retention import prune
from myofed_coordinator.runs.service import RunsService
from myofed_coordinator.runs.watch import Watch, end
from myofed_coordinator.services import Services
from myofed_schemas.clock import utc_moment, utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import RunStatus

STARTS_WITHIN = timedelta(seconds=60)
"""A ServerApp that has not taken its run's lock by then is not coming."""
MAX_ATTEMPTS = 5
"""Submissions in a row without one finished round; then the run fails, as RUN_HUNG where the last was killed for that."""
HUNG = "RUN_HUNG"
PRUNE_EVERY = timedelta(hours=1)


class Control(Protocol):
    """What is asked of the engine; `flower_adapter.EngineControl` is the real one."""

    def nodes(self) -> list[EngineNode]:
        """All registered nodes."""

    def register(self, openssh_public_key: str, *, name: str) -> None:
        """The node with this key is accepted."""

    def unregister(self, node_id: int) -> None:
        """The node is not accepted any more."""

    def start(self, config: Mapping[str, str]) -> int:
        """A run was accepted; its number."""

    def has_ended(self, engine_run: int) -> bool:
        """The engine will do nothing more for it."""

    def stop(self, engine_run: int) -> None:
        """It is over."""


class Reconciler:
    """One step after the other; every step may be the last before a kill and the first after one."""

    def __init__(
        self,
        services: Services,
        control: Control,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services = services
        self._runs = RunsService(services)
        self._control = control
        self._now = now
        self._registered: list[tuple[str, str]] | None = None
        self._alive: set[str] = set()
        self._watch = Watch(monotonic)
        self._pruned_at: datetime | None = None
        self._first = True
        self._recorded: dict[str, int] = {}

    def step(self) -> None:
        """Whatever could be done now is done; one run's trouble does not hold up the others.

        Raises:
            MyofedError: ENGINE_AWAY, or what is wrong with a run's folder; the next step tries again.
        """
        every = self._runs.folders()
        open_runs = [folder for folder in every if not folder.closed.exists()]
        failures = self._each(open_runs, self._update_sites)  # before the engine drops a node: its run must know why
        self._sync_nodes()
        failures += self._each(open_runs, self._record_lineage)
        failures += self._each(open_runs, self._advance_or_close)
        failures += self._prune(every)
        self._first = False
        if failures:
            raise failures[0]

    def _each(self, folders: Sequence[RunFolder], do: Callable[[RunFolder], object]) -> list[MyofedError]:
        failures = []
        for folder in folders:
            try:
                do(folder)
            except MyofedError as error:
                failures.append(error)
        return failures

    def _record_lineage(self, folder: RunFolder) -> None:
        """Every round that has finished has its signed record."""
        status = folder.status()
        if len(status.rounds) > self._recorded.get(folder.run_id, 0):
            run = traced(folder, status)
            self._recorded[folder.run_id] = self._services.lineage.record(run, now=self._now())

    def _prune(self, folders: Sequence[RunFolder]) -> list[MyofedError]:
        """Once an hour: weights of runs that ended long ago."""
        now = self._now()
        if self._pruned_at is not None and now - self._pruned_at < PRUNE_EVERY:
            return []
        self._pruned_at = now
        return self._each(folders, lambda folder: prune(folder, now=now))

    def _advance_or_close(self, folder: RunFolder) -> None:
        if folder.status().state in FINAL_STATES:
            self._close(folder)
        else:
            self._advance(folder)

    def _sync_nodes(self) -> None:
        approved = self._services.enrolment.approved_node_keys()
        if approved == self._registered:
            return
        wanted = {certificates.node_key_sha256(key): (site, key) for site, key in approved}
        known = {node.key_sha256: node.node_id for node in self._control.nodes()}
        for digest in sorted(wanted.keys() - known.keys()):
            self._register(*wanted[digest])
        for digest in known.keys() - wanted.keys():
            self._control.unregister(known[digest])
        self._registered = approved

    def _register(self, site: str, key: str) -> None:
        try:
            self._control.register(key, name=site)
        except NodeRefusedError as refusal:  # one bad key must not stop the others' runs; the audit chain says so
            self._services.audit.append(Deed("system", refusal.code, site, {}), now=self._now())

    def _update_sites(self, folder: RunFolder) -> None:
        """Sites that are revoked, or took their approval back, are out at once; one that approves is in from the next round."""
        if folder.status().state in FINAL_STATES:
            return
        allowed = self._runs.participants(folder.manifest())
        if allowed != folder.sites():
            folder.write_sites(allowed)

    def _advance(self, folder: RunFolder) -> None:
        if self._is_worked_on(folder):
            self._alive.add(folder.run_id)
            return
        status = folder.status()
        if status.state in FINAL_STATES:
            return  # it ended between two looks
        submission = folder.submission()
        if folder.stop_request.exists():
            folder.write_status(_ended(status, "stopped", "STOPPED"))
        elif submission is None:
            self._submit(folder, attempts=1)
        elif self._is_lost(folder, submission):
            self._resubmit(folder, status, submission)

    def _is_worked_on(self, folder: RunFolder) -> bool:
        """A live ServerApp has the run; one that hangs has been killed, and the next look finds its lock free."""
        if not folder.is_locked():
            self._watch.forget(folder)
            return False
        server = folder.server()
        if server is not None and self._watch.hangs(folder):
            end(server)
            self._watch.forget(folder)
            rounds = len(folder.status().rounds)
            folder.note(RunEvent(at=utc_text(self._now()), event=HUNG, round=rounds, code=HUNG))
        return True

    def _is_lost(self, folder: RunFolder, submission: Submission) -> bool:
        """No ServerApp works on the run and none is about to."""
        if self._first or folder.run_id in self._alive:
            return True
        late = self._now() - utc_moment(submission.submitted_at) > STARTS_WITHIN
        return late or self._control.has_ended(int(submission.engine_run))

    def _resubmit(self, folder: RunFolder, status: RunStatus, submission: Submission) -> None:
        self._control.stop(int(submission.engine_run))
        progressed = len(status.rounds) > submission.rounds
        attempts = 1 if progressed else submission.attempts + 1
        if attempts > MAX_ATTEMPTS:
            events = read_events(folder)
            hung = bool(events) and events[-1].event == HUNG
            folder.write_status(_ended(status, "failed", HUNG if hung else "RUN_LOST"))
            return
        self._submit(folder, attempts=attempts)

    def _submit(self, folder: RunFolder, *, attempts: int) -> None:
        self._alive.discard(folder.run_id)
        engine_run = self._control.start({"run-id": folder.run_id})
        folder.write_submission(
            Submission(
                engine_run=str(engine_run),
                attempts=attempts,
                rounds=len(folder.status().rounds),
                submitted_at=utc_text(self._now()),
            )
        )

    def _close(self, folder: RunFolder) -> None:
        """The engine is told, the model is registered, the end is in the audit chain; then the run is closed for good."""
        status, now = folder.status(), self._now()
        if self._is_worked_on(folder):
            return  # the ServerApp is about to leave
        self._record_lineage(folder)  # before the run is closed for good
        submission = folder.submission()
        if submission is not None and status.state != "completed":
            self._control.stop(int(submission.engine_run))
        if status.state == "completed":
            kept = status.kept_round or len(status.rounds)  # a run of an earlier release kept its last
            self._services.models.register(
                status.run_id, folder.weights(kept), manifest_digest=status.manifest_digest, rounds=kept, now=now
            )
        detail: dict[str, str | int] = {"state": status.state, "code": status.code, "rounds": len(status.rounds)}
        self._services.audit.append(Deed("system", "RUN_ENDED", status.run_id, detail), now=now)
        drop(folder)
        folder.closed.touch(mode=0o600)


def traced(folder: RunFolder, status: RunStatus) -> TracedRun:
    """The run with what each site put into its rounds."""
    records = [folder.round_record(report.round) for report in status.rounds]
    traces = [RoundTrace(record.digests, record.examples) for record in records]
    return TracedRun(status, folder.manifest().manifest, traces)


def _ended(status: RunStatus, state: str, code: str) -> RunStatus:
    return RunStatus.model_validate({**status.model_dump(), "state": state, "code": code})
