"""The rounds of one run: ask, check, combine, keep; from the last checkpoint to a stated end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from myofed_coordinator.federation.again import Persistence
from myofed_coordinator.federation.aggregation import (
    Aggregate,
    aggregate,
    capped,
    check_enough,
    check_metrics,
    weight_of,
)
from myofed_coordinator.federation.checkpoint import Checkpoint, Progress, load_progress, save_checkpoint
from myofed_coordinator.federation.collect import (
    Answers,
    Pace,
    Question,
    StopRequestedError,
    check_stop,
    gather,
)
from myofed_coordinator.federation.engine import Engine, Reply, Task
from myofed_coordinator.federation.sampling import turn_of
from myofed_coordinator.federation.selection import has_stalled, kept_round
from myofed_coordinator.federation.strategies import strategy_of
from myofed_coordinator.federation.strategies.base import RoundInputs
from myofed_coordinator.federation.updates import RoundUpdates
from myofed_coordinator.federation.weights import ReadTensor, is_as_packed, pack, unpack, weights_digest
from myofed_coordinator.runs.folder import FINAL_STATES, RunEvent, RunFolder
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import (
    ExclusionCount,
    FinalEvaluation,
    Instruction,
    RoundReport,
    RunStatus,
    TaskMetrics,
    mean_dice,
)


@dataclass
class _Inquiry:
    """One question under way: which weights went out, and what each site said so far.

    Attributes:
        number: The round.
        packed: What went out.
        sha256: Of it.
        updates: Where trained weights go; None for an evaluation.
        metrics: Site -> what it said, of accepted replies.
        file: Where the weights that went out lie.
    """

    number: int
    packed: bytes
    sha256: str
    updates: RoundUpdates | None = None
    metrics: dict[str, TaskMetrics] = field(default_factory=dict)
    file: Path | None = None

    def dice_per_site(self) -> dict[str, float]:
        """Mean Dice of the weights that went out on each site's validation subjects, where a site has any."""
        means = {site: mean_dice(metrics.scores) for site, metrics in sorted(self.metrics.items())}
        return {site: mean for site, mean in means.items() if mean is not None}

    def exclusions(self) -> dict[str, tuple[ExclusionCount, ...]]:
        """Whom the sites left out, where they told."""
        return {site: metrics.exclusions for site, metrics in sorted(self.metrics.items()) if metrics.exclusions}


class RoundLoop:
    """Runs one run to its end; the caller holds the folder's lock."""

    def __init__(self, folder: RunFolder, engine: Engine, pace: Pace) -> None:
        self._folder = folder
        self._engine = engine
        self._pace = pace
        self._signed = folder.manifest()
        self._manifest = self._signed.manifest
        self._schedule = self._manifest.schedule
        self._strategy = strategy_of(self._manifest)
        self._members: set[str] = set()

    def run(self) -> RunStatus:
        """The run has ended, and its status says how: completed, failed with a code, or stopped.

        Raises:
            MyofedError: The run failed; the same code is in the status.
        """
        if self._folder.closed.exists() or self._folder.status().state in FINAL_STATES:
            return self._folder.status()  # submitted twice, or ended while this process started
        try:
            check_stop(self._folder)
            return self._rounds()
        except StopRequestedError:
            return self._write("stopped", "STOPPED", self._folder.status().rounds)
        except MyofedError as error:
            self._note("RUN_FAILED", code=error.code)
            self._write("failed", error.code, self._folder.status().rounds)
            raise

    def _rounds(self) -> RunStatus:
        initial = self._manifest.initial_weights_sha256
        progress = load_progress(self._folder, initial_sha256=initial, remembers=self._strategy.remembers)
        self._note("RUN_RESUMED" if progress.reports else "RUN_STARTED", number=len(progress.reports))
        self._write("running", "OK", progress.reports)
        self._members = set(self._folder.sites().node_keys)
        self._check_possible()
        gather(self._folder, self._engine, self._pace, quorum=self._quorum())
        for number in range(progress.next_round, self._manifest.rounds + 1):
            if has_stalled(progress.reports, self._schedule):
                self._note("EARLY_STOP", number=len(progress.reports))
                break
            progress = self._one_round(number, progress)
            self._write("running", "OK", progress.reports)
        return self._complete(progress)

    def _quorum(self) -> int:
        return max(self._manifest.min_sites, self._strategy.min_updates)

    def _check_possible(self) -> None:
        """Nobody trains for a round that could not be combined."""
        sample = self._schedule.sites_per_round if self._schedule else None
        check_enough(min(len(self._members), sample or len(self._members)), least=self._strategy.min_updates)

    def _one_round(self, number: int, progress: Progress) -> Progress:
        clock = self._pace.clock
        started, started_at = clock.monotonic(), utc_text(clock.now())
        self._note("ROUND_STARTED", number=number)
        self._note_members(number)
        outgoing = unpack(progress.packed, self._manifest.state_dict).__getitem__
        sha256 = self._sha256(progress)
        updates = RoundUpdates(
            self._folder,
            self._manifest,
            outgoing,
            progress.seen,
            round_number=number,
            untrained=sha256 if is_as_packed(progress.packed, self._manifest.state_dict) else None,
        )
        inquiry = _Inquiry(number, progress.packed, sha256, updates, file=self._file(progress))
        answers = self._ask(inquiry, "train")
        self._leave_out_revoked(inquiry, answers)
        self._check_quorum(inquiry, answers)
        made = self._combine(inquiry, updates, outgoing, progress)
        packed = pack(made.weights)
        report = RoundReport(
            round=number,
            started_at=started_at,
            seconds=round(clock.monotonic() - started, 3),
            sites=tuple(sorted(inquiry.metrics)),
            errors=answers.site_errors(),
            loss=_mean([metrics.loss for metrics in inquiry.metrics.values()]),
            dice=_mean(list(inquiry.dice_per_site().values())),
            dice_per_site=inquiry.dice_per_site(),
            weights_sha256=weights_digest(packed),
            exclusions=inquiry.exclusions(),
        )
        examples = {site: metrics.examples for site, metrics in inquiry.metrics.items()}
        checkpoint = Checkpoint(report, packed, updates.digests, made.memory, examples)
        progress = save_checkpoint(self._folder, checkpoint, progress)
        updates.clear()
        self._note("ROUND_FINISHED", number=number)
        return progress

    def _sha256(self, progress: Progress) -> str:
        """Of the weights it has come to; they were held to it when they were made or read."""
        return progress.reports[-1].weights_sha256 if progress.reports else self._manifest.initial_weights_sha256

    def _file(self, progress: Progress) -> Path:
        """Where they lie; they were written there, or read from there and held to their digest."""
        return self._folder.weights(len(progress.reports)) if progress.reports else self._folder.initial_weights

    def _combine(self, inquiry: _Inquiry, updates: RoundUpdates, outgoing: ReadTensor, progress: Progress) -> Aggregate:
        weights = capped([weight_of(metrics, self._manifest) for metrics in inquiry.metrics.values()])
        inputs = RoundInputs(
            updates=[updates.update(site, weight=w) for site, w in zip(inquiry.metrics, weights, strict=True)],
            outgoing=outgoing,
            memory=progress.remembered if progress.memory else None,
        )
        return aggregate(self._strategy, inputs, self._manifest.state_dict)

    def _complete(self, progress: Progress) -> RunStatus:
        """The last model is evaluated; a site that cannot is named, and the run is completed all the same."""
        reports = progress.reports
        inquiry = _Inquiry(len(reports), progress.packed, self._sha256(progress), file=self._file(progress))
        answers = self._ask(inquiry, "evaluate")
        per_site = inquiry.dice_per_site()
        final = FinalEvaluation(
            dice=_mean(list(per_site.values())),
            dice_per_site=per_site,
            errors=answers.site_errors(),
            exclusions=inquiry.exclusions(),
        )
        self._note("RUN_COMPLETED", number=len(reports))
        kept = kept_round(reports, final, self._schedule)
        return self._write("completed", "OK", reports, final=final, kept=kept)

    def _ask(self, inquiry: _Inquiry, kind: Literal["train", "evaluate"]) -> Answers:
        instruction = Instruction(
            kind=kind,
            study_id=self._manifest.study_id,
            manifest_digest=self._signed.digest,
            run_id=self._folder.run_id,
            round=inquiry.number,
            weights_sha256=inquiry.sha256,
        )
        question = Question(
            task=Task(instruction, inquiry.packed, float(self._manifest.round_timeout_s), inquiry.file),
            accept=lambda site, reply: self._accept(inquiry, site, reply),
            quorum=self._quorum(),
            straggler_wait_s=self._schedule.straggler_wait_s if self._schedule else None,
            turn=turn_of(self._schedule if kind == "train" else None, inquiry.number),
        )

        def told(site: str, code: str) -> None:
            self._note("SITE_ASKED_AGAIN", number=inquiry.number, site=site, code=code)

        answers = Persistence(self._folder, self._engine, self._pace, told).ask(question)
        for error in answers.site_errors():
            self._note("SITE_ERROR", number=inquiry.number, site=error.site, code=error.code)
        return answers

    def _accept(self, inquiry: _Inquiry, site: str, reply: Reply) -> None:
        """The site's answer is good whole: checked, its weights on disk until their turn, its numbers kept."""
        if reply.metrics is None:
            raise MyofedError("REPLY_INVALID", "expected metrics in a reply, found none")
        check_metrics(reply.metrics, self._manifest, trained=inquiry.updates is not None)
        if inquiry.updates is not None:
            inquiry.updates.accept(site, reply.packed, file=reply.file, sha256=reply.sha256)
        inquiry.metrics[site] = reply.metrics

    def _leave_out_revoked(self, inquiry: _Inquiry, answers: Answers) -> None:
        """A site that was revoked after it answered is not combined and does not count."""
        for site in sorted(inquiry.metrics.keys() & answers.revoked(self._folder)):
            del inquiry.metrics[site]
            answers.errors[site] = "SITE_REVOKED"
            self._note("SITE_ERROR", number=inquiry.number, site=site, code="SITE_REVOKED")

    def _check_quorum(self, inquiry: _Inquiry, answers: Answers) -> None:
        found = len(inquiry.metrics)
        if found < self._manifest.min_sites:
            codes = ", ".join(f"{error.site} {error.code}" for error in answers.site_errors())
            raise MyofedError(
                "QUORUM_LOST",
                f"round {inquiry.number}: expected {self._manifest.min_sites} valid updates, found {found} ({codes})",
                hint="ask the named sites; `study start` begins a new run",
                exit_code=ExitCode.QUORUM_LOST,
            )
        check_enough(found, least=self._strategy.min_updates)

    def _note_members(self, number: int) -> None:
        """Who came into the run or left it since the round before."""
        now = set(self._folder.sites().node_keys)
        for event, sites in (("SITE_JOINED", now - self._members), ("SITE_LEFT", self._members - now)):
            for site in sorted(sites):
                self._note(event, number=number, site=site)
        self._members = now

    def _note(self, event: str, *, number: int = 0, site: str | None = None, code: str = "OK") -> None:
        at = utc_text(self._pace.clock.now())
        self._folder.note(RunEvent(at=at, event=event, round=number, site=site, code=code))

    def _write(
        self,
        state: Literal["running", "completed", "failed", "stopped"],
        code: str,
        reports: Sequence[RoundReport],
        *,
        final: FinalEvaluation | None = None,
        kept: int | None = None,
    ) -> RunStatus:
        status = RunStatus(
            run_id=self._folder.run_id,
            study_id=self._manifest.study_id,
            manifest_digest=self._signed.digest,
            state=state,
            code=code,
            rounds=tuple(reports),
            final=final,
            model_sha256=reports[kept - 1].weights_sha256 if kept else None,
            kept_round=kept,
        )
        self._folder.write_status(status)
        return status


def _mean(values: Sequence[float]) -> float | None:
    """None where there is no value: a mean of nothing is not 0. Exact sum, so that the order of arrival has no say."""
    return math.fsum(values) / len(values) if values else None
