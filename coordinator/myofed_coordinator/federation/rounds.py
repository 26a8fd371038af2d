"""The rounds of one run: ask, check, average, keep; from the last checkpoint to a stated end."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from myofed_coordinator.federation.aggregation import Contribution, check_metrics, federated_average, weight_of
from myofed_coordinator.federation.checkpoint import load_progress, save_checkpoint
from myofed_coordinator.federation.collect import Answers, Pace, StopRequestedError, ask, check_stop, gather
from myofed_coordinator.federation.engine import Engine, Reply, Task
from myofed_coordinator.federation.weights import Tensors, pack, unpack, weights_digest
from myofed_coordinator.runs.folder import FINAL_STATES, RunEvent, RunFolder
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import FinalEvaluation, Instruction, RoundReport, RunStatus, TaskMetrics, mean_dice
from myofed_schemas.files import write_atomically


@dataclass
class _Question:
    """One question under way: which weights went out, and what each site said so far."""

    kind: Literal["train", "evaluate"]
    round: int
    packed: bytes
    metrics: dict[str, TaskMetrics] = field(default_factory=dict)

    def dice_per_site(self) -> dict[str, float]:
        """Mean Dice of the weights that went out on each site's validation subjects, where a site has any."""
        means = {site: mean_dice(metrics.scores) for site, metrics in sorted(self.metrics.items())}
        return {site: mean for site, mean in means.items() if mean is not None}


class RoundLoop:
    """Runs one run to its end; the caller holds the folder's lock."""

    def __init__(self, folder: RunFolder, engine: Engine, pace: Pace) -> None:
        self._folder = folder
        self._engine = engine
        self._pace = pace
        self._signed = folder.manifest()
        self._manifest = self._signed.manifest

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
        progress = load_progress(self._folder, initial_sha256=self._manifest.initial_weights_sha256)
        reports, packed = progress.reports, progress.packed
        self._note("RUN_RESUMED" if reports else "RUN_STARTED", number=len(reports))
        self._write("running", "OK", reports)
        gather(self._folder, self._engine, self._pace, quorum=self._manifest.min_sites)
        for number in range(progress.next_round, self._manifest.rounds + 1):
            report, packed = self._one_round(number, packed)
            reports = (*reports, report)
            self._write("running", "OK", reports)
        return self._complete(reports, packed)

    def _one_round(self, number: int, packed: bytes) -> tuple[RoundReport, bytes]:
        clock = self._pace.clock
        started, started_at = clock.monotonic(), utc_text(clock.now())
        self._note("ROUND_STARTED", number=number)
        self._empty_updates()
        question = _Question("train", number, packed)
        answers = self._ask(question)
        self._leave_out_revoked(question, answers)
        self._check_quorum(question, answers)
        averaged = pack(self._average(question))
        report = RoundReport(
            round=number,
            started_at=started_at,
            seconds=round(clock.monotonic() - started, 3),
            sites=tuple(sorted(question.metrics)),
            errors=answers.site_errors(),
            loss=_mean([metrics.loss for metrics in question.metrics.values()]),
            dice=_mean(list(question.dice_per_site().values())),
            dice_per_site=question.dice_per_site(),
            weights_sha256=weights_digest(averaged),
        )
        save_checkpoint(self._folder, report, averaged)
        self._empty_updates()
        self._note("ROUND_FINISHED", number=number)
        return report, averaged

    def _complete(self, reports: tuple[RoundReport, ...], packed: bytes) -> RunStatus:
        """The final model is evaluated; a site that cannot is named, and the run is completed all the same."""
        question = _Question("evaluate", self._manifest.rounds, packed)
        answers = self._ask(question)
        per_site = question.dice_per_site()
        final = FinalEvaluation(
            dice=_mean(list(per_site.values())), dice_per_site=per_site, errors=answers.site_errors()
        )
        self._note("RUN_COMPLETED", number=len(reports))
        return self._write("completed", "OK", reports, final=final, model_sha256=weights_digest(packed))

    def _ask(self, question: _Question) -> Answers:
        instruction = Instruction(
            kind=question.kind,
            study_id=self._manifest.study_id,
            manifest_digest=self._signed.digest,
            run_id=self._folder.run_id,
            round=question.round,
            weights_sha256=weights_digest(question.packed),
        )
        task = Task(instruction, question.packed, float(self._manifest.round_timeout_s))
        accept = partial(self._accept, question)
        answers = ask(self._folder, self._engine, self._pace, task=task, accept=accept)
        for error in answers.site_errors():
            self._note("SITE_ERROR", number=question.round, site=error.site, code=error.code)
        return answers

    def _accept(self, question: _Question, site: str, reply: Reply) -> None:
        """The site's answer is good whole: checked, its weights on disk until their turn, its numbers kept."""
        if reply.metrics is None:
            raise MyofedError("REPLY_INVALID", "expected metrics in a reply, found none")
        trained = question.kind == "train"
        check_metrics(reply.metrics, self._manifest, trained=trained)
        if trained:
            unpack(reply.packed, self._manifest.state_dict)
            write_atomically(self._folder.updates / f"{site}.safetensors", reply.packed)
        question.metrics[site] = reply.metrics

    def _average(self, question: _Question) -> Tensors:
        contributions = [
            Contribution(site, weight_of(metrics, self._manifest), partial(self._read_update, site))
            for site, metrics in question.metrics.items()
        ]
        return federated_average(contributions, self._manifest.state_dict)

    def _read_update(self, site: str) -> Tensors:
        return unpack((self._folder.updates / f"{site}.safetensors").read_bytes(), self._manifest.state_dict)

    def _leave_out_revoked(self, question: _Question, answers: Answers) -> None:
        """A site that was revoked after it answered is not averaged and does not count."""
        for site in question.metrics.keys() - self._folder.sites().node_keys.keys():
            del question.metrics[site]
            answers.errors[site] = "SITE_REVOKED"
            self._note("SITE_ERROR", number=question.round, site=site, code="SITE_REVOKED")

    def _check_quorum(self, question: _Question, answers: Answers) -> None:
        if len(question.metrics) < self._manifest.min_sites:
            codes = ", ".join(f"{error.site} {error.code}" for error in answers.site_errors())
            raise MyofedError(
                "QUORUM_LOST",
                f"round {question.round}: expected {self._manifest.min_sites} valid updates, found {len(question.metrics)} ({codes})",
                hint="ask the named sites; `study start` begins a new run",
                exit_code=ExitCode.QUORUM_LOST,
            )

    def _empty_updates(self) -> None:
        shutil.rmtree(self._folder.updates, ignore_errors=True)
        self._folder.updates.mkdir(mode=0o700)

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
        model_sha256: str | None = None,
    ) -> RunStatus:
        status = RunStatus(
            run_id=self._folder.run_id,
            study_id=self._manifest.study_id,
            manifest_digest=self._signed.digest,
            state=state,
            code=code,
            rounds=tuple(reports),
            final=final,
            model_sha256=model_sha256,
        )
        self._folder.write_status(status)
        return status


def _mean(values: Sequence[float]) -> float | None:
    """None where there is no value: a mean of nothing is not 0. Exact sum, so that the order of arrival has no say."""
    return math.fsum(values) / len(values) if values else None
