"""Which rounds this site was asked for under an approval: no round is replayed, no approval serves without end."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import Field

from myofed_schemas.canonical import canonical_json
from myofed_schemas.clock import utc_moment
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import Instruction
from myofed_schemas.ids import UtcTime
from myofed_schemas.study import StudyManifest
from myofed_schemas.wire import WireModel

MAX_ASKED = 6
"""How often the same question is answered: a coordinator that resumes after a loss asks its last round again."""
SILENT_FOR = timedelta(days=30)
"""A run that asked nothing for so long is over, and what it left at the site may go (`retention.py`)."""
MAX_RUNS = 5
"""Runs under one approval; more need a new decision of the site's people."""


class RoundEntry(WireModel):
    """One line of `rounds.jsonl`, written and synced before the work begins."""

    at: UtcTime
    approved_at: UtcTime
    instruction: Instruction
    asked: int = Field(ge=1)


class RoundLog:
    """The log of one study."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, instruction: Instruction, manifest: StudyManifest, *, approved_at: str, at: str) -> RoundEntry:
        """The round may be done now, and the log says that it was asked for.

        A run is over once a later one of the study began, and once it was silent for SILENT_FOR.

        In a run, rounds only go up; the last one is asked again with the same weights only (the same question has the
        same answer). An evaluation says after which round the run ended, not before the last one asked of this site (a
        site that was not sampled was asked an earlier one); nothing trains in the run after it.

        Args:
            instruction: From the coordinator, its manifest already checked.
            manifest: The approved one.
            approved_at: When the approval in force was given; an earlier one's rounds do not count.
            at: Now, UTC.

        Raises:
            MyofedError: ROUND_OUT_OF_RANGE, ROUND_REPLAYED, RUN_ENDED, RUNS_EXHAUSTED.
        """
        if instruction.round not in range(1, manifest.rounds + 1):
            raise _refused("ROUND_OUT_OF_RANGE", f"a round of 1..{manifest.rounds}", str(instruction.round))
        every = self.entries()
        if instruction.run_id in _over(every, now=utc_moment(at)):
            raise _refused("RUN_ENDED", "the study's latest run, heard of within 30 days", "a run that is over")
        entries = [e for e in every if e.approved_at == approved_at]
        runs = {e.instruction.run_id for e in entries}
        if instruction.run_id not in runs and len(runs) >= MAX_RUNS:
            raise _refused("RUNS_EXHAUSTED", f"at most {MAX_RUNS} runs under one approval", f"run {len(runs) + 1}")
        asked = _times_asked(instruction, [e for e in entries if e.instruction.run_id == instruction.run_id])
        entry = RoundEntry(at=at, approved_at=approved_at, instruction=instruction, asked=asked)
        self._append(entry)
        return entry

    def over(self, *, now: datetime) -> set[str]:
        """Runs of which this site takes no message any more."""
        return _over(self.entries(), now=now)

    def entries(self) -> list[RoundEntry]:
        """All whole lines; one that a kill cut short began no work and is left out."""
        if not self._path.exists():
            return []
        return [RoundEntry.model_validate(json.loads(line)) for line in self._path.read_bytes().split(b"\n")[:-1]]

    def _append(self, entry: RoundEntry) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            whole = os.pread(descriptor, os.fstat(descriptor).st_size, 0).rfind(b"\n") + 1
            os.ftruncate(descriptor, whole)
            os.pwrite(descriptor, canonical_json(entry) + b"\n", whole)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _over(entries: Sequence[RoundEntry], *, now: datetime) -> set[str]:
    """All but the one asked for last, and that one too where it was long ago."""
    if not entries:
        return set()
    last = entries[-1]
    silent = now - utc_moment(last.at) > SILENT_FOR
    runs = {entry.instruction.run_id for entry in entries}
    return runs if silent else runs - {last.instruction.run_id}


def _times_asked(instruction: Instruction, run: list[RoundEntry]) -> int:
    """1 for a new question of this run, more for the last one asked again."""
    ended = any(e.instruction.kind == "evaluate" for e in run)
    if instruction.kind == "train" and ended:
        raise _refused("RUN_ENDED", "no round after a run's final evaluation", f"round {instruction.round}")
    earlier = [e for e in run if e.instruction.kind == instruction.kind]
    last = max((e.instruction.round for e in run), default=0)
    if instruction.round > last or not earlier:
        if instruction.round < last or (ended and earlier):
            raise _refused("ROUND_REPLAYED", f"a round after {last}", f"round {instruction.round}")
        return 1
    same = [e for e in earlier if e.instruction == instruction]
    others = [e for e in earlier if e.instruction.round == instruction.round and e.instruction != instruction]
    if instruction.round < last or others or len(same) >= MAX_ASKED:
        raise _refused("ROUND_REPLAYED", f"a round after {last}", f"round {instruction.round} again")
    return len(same) + 1


def _refused(code: str, expected: str, found: str) -> MyofedError:
    return MyofedError(code, f"expected {expected}, found {found}", exit_code=ExitCode.NOT_APPROVED)
