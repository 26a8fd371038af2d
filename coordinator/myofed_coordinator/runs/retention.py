"""Which weights of an ended run stay: the last two rounds', the kept one and its parent, the best; reports, digests and lineage stay for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from myofed_coordinator.federation.selection import model_scores
from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.federation import RunStatus

KEEP_ALL_FOR = timedelta(days=7)
"""After the end people may want to look at any round."""
LAST_ROUNDS = 2


def rounds_to_keep(status: RunStatus) -> set[int]:
    """Rounds whose weights stay; the parent of the kept one among them, so that the last step of its lineage can be looked at."""
    last = len(status.rounds)
    scores = {number: dice for number, dice in model_scores(status.rounds, status.final).items() if number > 0}
    best = max(scores, key=lambda number: (scores[number], -number), default=last)
    kept = status.kept_round or last
    return {*range(max(1, last - LAST_ROUNDS + 1), last + 1), best, kept, kept - 1} - {0, -1}


def prune(folder: RunFolder, *, now: datetime) -> int:
    """Of a run that was closed KEEP_ALL_FOR ago, only these weights lie on disk, and no strategy's memory.

    Reports, records of digests, events, status, manifest and initial weights stay.

    Args:
        folder: Of any run; one that is open, or was closed lately, keeps everything.
        now: UTC.

    Returns:
        How many files went.

    Raises:
        MyofedError: RUN_INCOMPLETE.
    """
    if not folder.closed.exists():
        return 0
    closed_at = datetime.fromtimestamp(folder.closed.stat().st_mtime, tz=UTC)
    if now - closed_at < KEEP_ALL_FOR:
        return 0
    status = folder.status()
    kept = rounds_to_keep(status)
    numbers = range(1, len(status.rounds) + 2)  # one more: a round whose report was never written
    gone = [folder.weights(number) for number in numbers if number not in kept]
    gone = [path for path in (*gone, *(folder.memory(number) for number in numbers)) if path.exists()]
    for path in gone:
        path.unlink()
    return len(gone)
