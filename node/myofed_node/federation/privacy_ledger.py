"""What a study spent of its privacy budget at this site: written and synced BEFORE the noised update leaves.

A kill at any moment never under-counts. Before the entry nothing has left; after it the same bytes lie here, and a round that is
asked again gets exactly them and spends nothing. A new noised update of the same round would be a second look at the data.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from myofed_node.chained_lines import locked
from myofed_node.learning.accountant import Mechanism, epsilon, round_cost
from myofed_node.learning.protocol import Roles
from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import Instruction
from myofed_schemas.files import write_atomically
from myofed_schemas.ids import RunId, Sha256, StudyId, UtcTime
from myofed_schemas.study import StudyManifest
from myofed_schemas.study_options import Privacy
from myofed_schemas.wire import WireModel


class Spending(WireModel):
    """One line of `privacy.jsonl`: a noised update that may have left.

    Attributes:
        at: UTC.
        version: Of the study; all versions, runs and approvals share one budget.
        run_id: Run.
        round: Its round.
        question: Digest of the instruction.
        answer: Digest of the kept answer.
        noise: Standard deviation in units of the sensitivity.
        rate: Chance of a subject in a use.
        uses: Uses of the Gaussian mechanism.
    """

    at: UtcTime
    version: int = Field(ge=1)
    run_id: RunId
    round: int = Field(ge=1)
    question: Sha256
    answer: Sha256
    noise: float = Field(gt=0)
    rate: float = Field(gt=0, le=1)
    uses: int = Field(ge=1)

    @property
    def mechanism(self) -> Mechanism:
        """What the accountant adds up."""
        return Mechanism(noise=self.noise, rate=self.rate, uses=self.uses)


class PrivacyLedger:
    """The ledger of one study in its folder; nothing is kept in memory between two calls."""

    def __init__(self, study_folder: Path) -> None:
        self._path = study_folder / "privacy.jsonl"
        self._answers = study_folder / "private-answers"

    def entries(self) -> list[Spending]:
        """All whole lines; one that a kill cut short let nothing leave.

        Raises:
            MyofedError: PRIVACY_LEDGER_BROKEN.
        """
        if not self._path.exists():
            return []
        try:
            return [Spending.model_validate_json(line) for line in self._path.read_bytes().split(b"\n")[:-1]]
        except ValidationError:
            raise MyofedError(
                "PRIVACY_LEDGER_BROKEN",
                "expected a ledger of what was spent, found a damaged line",
                hint="nothing of this study leaves until privacy.jsonl is whole: restore it from the backup",
                exit_code=ExitCode.UNHEALTHY,
            ) from None

    def spent(self, *, delta: float) -> float:
        """Epsilon of everything that left so far."""
        return epsilon((entry.mechanism for entry in self.entries()), delta=delta)

    def check_affordable(self, cost: Mechanism, privacy: Privacy) -> None:
        """One more such round stays within the budget.

        Raises:
            MyofedError: PRIVACY_BUDGET_SPENT, PRIVACY_LEDGER_BROKEN.
        """
        after = epsilon([*(entry.mechanism for entry in self.entries()), cost], delta=privacy.delta)
        if after > privacy.epsilon:
            raise MyofedError(
                "PRIVACY_BUDGET_SPENT",
                f"expected a round within epsilon {privacy.epsilon:g}, found {after:.3g} after it",
                hint="the study has had its share of this site's data; a new study needs its own approval",
                exit_code=ExitCode.NOT_APPROVED,
            )

    def kept(self, question: str) -> bytes | None:
        """The answer that this question got, exactly; None where none was given or it is no longer whole."""
        known = [entry.answer for entry in self.entries() if entry.question == question]
        path = self._answers / question
        if not known or not path.exists():
            return None
        answer = path.read_bytes()
        return answer if hashlib.sha256(answer).hexdigest() == known[-1] else None

    def spend(self, entry: Spending, answer: bytes) -> None:
        """Answer and entry are on disk, in this order; from here on the answer may leave.

        Raises:
            OSError: The disk is full; nothing may leave then.
        """
        self._answers.mkdir(mode=0o700, exist_ok=True)
        write_atomically(self._answers / entry.question, answer)
        with locked(self._path) as stream:
            whole = stream.read().rfind(b"\n") + 1
            stream.truncate(whole)
            stream.seek(whole)
            stream.write(canonical_json(entry) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._forget_older_answers()

    def forget_answers(self, runs: Collection[str]) -> None:
        """No answer of these runs lies here any more; what they spent stays in the ledger.

        Raises:
            MyofedError: PRIVACY_LEDGER_BROKEN.
        """
        for entry in self.entries():
            if entry.run_id in runs:
                (self._answers / entry.question).unlink(missing_ok=True)

    def _forget_older_answers(self) -> None:
        """Each run's last answer stays: an earlier round is not asked again."""
        last = {entry.run_id: entry.question for entry in self.entries()}
        for path in self._answers.iterdir():
            if path.name not in last.values():
                path.unlink()


@dataclass(frozen=True)
class PrivateRound:
    """One round of a study with privacy, from the question to what may leave.

    Attributes:
        ledger: Of the study.
        instruction: The question.
        version: Of the manifest.
        privacy: The manifest's.
        cost: Of one such round here.
    """

    ledger: PrivacyLedger
    instruction: Instruction
    version: int
    privacy: Privacy
    cost: Mechanism

    def answered(self) -> tuple[str, bytes] | None:
        """Metrics and weights of the answer given before, byte by byte; None where the round is to be worked on, which the budget allows.

        Raises:
            MyofedError: PRIVACY_BUDGET_SPENT, PRIVACY_LEDGER_BROKEN.
        """
        kept = self.ledger.kept(digest(self.instruction))
        if kept is None:
            self.ledger.check_affordable(self.cost, self.privacy)
            return None
        metrics, _, packed = kept.partition(b"\n")
        return metrics.decode(), packed

    def release(self, metrics_json: str, packed: bytes | memoryview, *, at: str) -> None:
        """Metrics and weights may leave from here on: they are spent and kept.

        Args:
            metrics_json: Without a line break.
            packed: The noised weights.
            at: UTC.

        Raises:
            MyofedError: PRIVACY_BUDGET_SPENT, PRIVACY_LEDGER_BROKEN.
            OSError: The disk is full.
        """
        self.ledger.check_affordable(self.cost, self.privacy)
        answer = metrics_json.encode() + b"\n" + packed
        entry = Spending(
            at=at,
            version=self.version,
            run_id=self.instruction.run_id,
            round=self.instruction.round,
            question=digest(self.instruction),
            answer=hashlib.sha256(answer).hexdigest(),
            noise=self.cost.noise,
            rate=self.cost.rate,
            uses=self.cost.uses,
        )
        self.ledger.spend(entry, answer)


def private_round(
    instruction: Instruction, manifest: StudyManifest, roles: Roles, *, study_folder: Path
) -> PrivateRound | None:
    """The bookkeeping of this question; None where nothing trained leaves or the study asks for no privacy."""
    if instruction.kind != "train" or manifest.privacy is None:
        return None
    return PrivateRound(
        ledger=PrivacyLedger(study_folder),
        instruction=instruction,
        version=manifest.version,
        privacy=manifest.privacy,
        cost=round_cost(manifest, subjects=len(roles.train)),
    )


class PrivacyBudget(WireModel):
    """What one study spent here of what its newest version allows.

    Attributes:
        study_id: The study.
        level: `update` or `example`.
        clip_norm: Bound on the update, or on one subject's gradient.
        noise_multiplier: Noise in units of it.
        spent: Epsilon so far, over all versions and runs.
        epsilon: The budget.
        delta: Of both.
    """

    study_id: StudyId
    level: Literal["update", "example"]
    clip_norm: float = Field(gt=0)
    noise_multiplier: float = Field(gt=0)
    spent: float = Field(ge=0)
    epsilon: float = Field(gt=0)
    delta: float = Field(gt=0)

    def line(self) -> str:
        """The budget in words."""
        means = f"{self.level} level, clipped at {self.clip_norm:g}, noise {self.noise_multiplier:g} times that"
        spent = f"{self.spent:.3g} of epsilon {self.epsilon:g} spent here (delta {self.delta:g})"
        return f"  privacy of {self.study_id}: {means}; {spent}"


def privacy_budget(manifest: StudyManifest, *, study_folder: Path) -> PrivacyBudget | None:
    """The study's budget at this site; None for a study without privacy.

    Raises:
        MyofedError: PRIVACY_LEDGER_BROKEN.
    """
    privacy = manifest.privacy
    if privacy is None:
        return None
    return PrivacyBudget(
        study_id=manifest.study_id,
        level=privacy.level,
        clip_norm=privacy.clip_norm,
        noise_multiplier=privacy.noise_multiplier,
        spent=PrivacyLedger(study_folder).spent(delta=privacy.delta),
        epsilon=privacy.epsilon,
        delta=privacy.delta,
    )
