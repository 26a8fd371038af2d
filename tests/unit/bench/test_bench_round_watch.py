"""How rounds are measured from outside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bench import round_watch
from bench.round_watch import Rounds, cpu_seconds, family, timeline, watch


def test_first_round_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wall is between ends; CPU from the first end on, shared out over the rounds after it."""
    used = iter([{"port": 8.0, "up": 2.0}, {"port": 8.0, "up": 6.0, "worker": 2.0}])
    monkeypatch.setattr(round_watch, "cpu_seconds", lambda processes, name: next(used))
    seen = iter([[], [5.0], [5.0, 7.0], [5.0, 7.0, 11.0]])
    measured = watch(lambda: next(seen), list, rounds=3)
    assert measured == Rounds((2.0, 4.0), 3.0, parts={"port": 0.0, "up": 2.0, "worker": 1.0})
    assert measured.figures("empty") == {"empty_wall_s": 3.0, "empty_cpu_s": 3.0}


def test_system_that_gave_up_ends_the_benchmark() -> None:
    """With what it said; no figure is made of fewer rounds."""
    with pytest.raises(SystemExit, match=r"1 of 3 rounds .*: QUORUM_LOST"):
        watch(lambda: [1.0], list, rounds=3, lost=lambda: "QUORUM_LOST")


def test_a_process_and_its_children_are_a_family(tmp_path: Path) -> None:
    """One that is gone is none."""
    assert os.getpid() in [process.pid for process in family(os.getpid(), 2**22 + 1)]
    assert cpu_seconds(family(os.getpid()), lambda words: "python" if words else "")["python"] > 0
    assert timeline(tmp_path / "none") == []
