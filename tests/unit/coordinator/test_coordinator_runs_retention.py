"""What stays of a run that has ended."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from wall_examples import make_run

from myofed_coordinator.runs.folder import RunFolder
from myofed_coordinator.runs.retention import KEEP_ALL_FOR, prune, rounds_to_keep
from myofed_schemas.federation import FinalEvaluation, RoundReport, RunStatus

ENDED = datetime(2026, 11, 1, tzinfo=UTC)
LATER = ENDED + KEEP_ALL_FOR


def report(number: int, dice: float | None) -> RoundReport:
    """Of a round that began with a model of this Dice."""
    return RoundReport(
        round=number,
        started_at="2026-10-22T10:00:00Z",
        seconds=1.0,
        sites=("hospital-a",),
        errors=(),
        loss=None,
        dice=dice,
        dice_per_site={},
        weights_sha256="0" * 64,
    )


def ended(root: Path, *dice: float | None, final: float | None = None, kept: int | None = None) -> RunFolder:
    """A closed run with all of its files; `dice` of the incoming model of each round."""
    folder = make_run(root)
    reports = tuple(report(number, value) for number, value in enumerate(dice, start=1))
    evaluation = FinalEvaluation(dice=final, dice_per_site={}, errors=()) if final is not None else None
    state = {"state": "completed" if kept else "failed", "rounds": reports, "final": evaluation, "kept_round": kept}
    folder.write_status(RunStatus.model_validate({**folder.status().model_dump(), **state}))
    for number in range(1, len(dice) + 1):
        for path in (folder.weights(number), folder.report(number), folder.record(number), folder.memory(number)):
            path.write_bytes(b"x")
    folder.closed.touch()
    os.utime(folder.closed, (ENDED.timestamp(), ENDED.timestamp()))
    return folder


def left(folder: RunFolder) -> list[int]:
    return [number for number in range(1, 20) if folder.weights(number).exists()]


def test_last_two_rounds_and_the_best_and_the_kept_one_stay(tmp_path: Path) -> None:
    """A round's report scores the model of the round before it."""
    folder = ended(tmp_path, None, 0.3, 0.8, 0.5, 0.6, 0.7, final=0.6, kept=3)
    assert rounds_to_keep(folder.status()) == {2, 3, 5, 6}
    assert prune(folder, now=LATER) == 2 + 6
    assert left(folder) == [2, 3, 5, 6]


def test_parent_of_the_kept_round_stays(tmp_path: Path) -> None:
    """The step that made the model can be looked at again: both ends of the last link of its lineage."""
    folder = ended(tmp_path, None, 0.3, 0.4, 0.9, 0.5, 0.6, 0.7, final=0.6, kept=3)
    assert rounds_to_keep(folder.status()) == {2, 3, 6, 7}
    assert rounds_to_keep(ended(tmp_path / "b", 0.1, 0.2, final=0.1, kept=1).status()) == {1, 2}


def test_digests_reports_and_initial_weights_stay_and_no_memory(tmp_path: Path) -> None:
    """What is needed to say where a model comes from."""
    folder = ended(tmp_path, 0.1, 0.2, 0.3, 0.4, final=0.5, kept=4)
    folder.weights(5).write_bytes(b"of a round whose report was never written")
    assert prune(folder, now=LATER) == 2 + 4 + 1
    assert left(folder) == [3, 4]
    numbers = range(1, 5)
    assert all(folder.report(n).exists() and folder.record(n).exists() for n in numbers)
    assert not any(folder.memory(n).exists() for n in numbers)
    assert folder.initial_weights.exists()
    assert prune(folder, now=LATER) == 0


@pytest.mark.parametrize("when", ["open", "ended lately"])
def test_run_that_may_be_looked_at_keeps_everything(tmp_path: Path, when: str) -> None:
    """One under way is resumed from its rounds; of one that ended lately people may want any."""
    folder = ended(tmp_path, 0.1, 0.2, 0.3, 0.4)
    if when == "open":
        folder.closed.unlink()
    assert prune(folder, now=LATER if when == "open" else LATER.replace(day=2)) == 0
    assert left(folder) == [1, 2, 3, 4]


@pytest.mark.parametrize("rounds", [0, 1])
def test_run_that_hardly_began_keeps_what_it_has(tmp_path: Path, rounds: int) -> None:
    """Its round, or nothing."""
    folder = ended(tmp_path, *([0.1] * rounds))
    prune(folder, now=LATER)
    assert left(folder) == list(range(1, rounds + 1))
