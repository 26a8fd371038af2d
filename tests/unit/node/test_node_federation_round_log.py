"""No round is replayed and no approval serves without end."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from site_factories import NOW, NOW_TEXT, study

from myofed_node.federation.round_log import MAX_ASKED, MAX_RUNS, SILENT_FOR, RoundLog
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import Instruction

MANIFEST = study(rounds=5)


def instruction(number: int, **changes: object) -> Instruction:
    values: dict[str, object] = {
        "kind": "train",
        "study_id": "thigh",
        "manifest_digest": "0" * 64,
        "run_id": "run-00000001",
        "round": number,
        "weights_sha256": f"{number:064d}",
    }
    return Instruction.model_validate(values | changes)


@pytest.fixture
def log(tmp_path: Path) -> RoundLog:
    return RoundLog(tmp_path / "rounds.jsonl")


def begin(log: RoundLog, asked: Instruction, *, approved_at: str = NOW_TEXT, at: datetime = NOW) -> int:
    return log.begin(asked, MANIFEST, approved_at=approved_at, at=utc_text(at)).asked


def refused(log: RoundLog, asked: Instruction, code: str, *, at: datetime = NOW) -> None:
    before = log.entries()
    with pytest.raises(MyofedError) as caught:
        begin(log, asked, at=at)
    assert caught.value.code == code
    assert log.entries() == before


def test_earlier_round_is_refused(log: RoundLog) -> None:
    """A coordinator cannot have an old round done again."""
    begin(log, instruction(1))
    begin(log, instruction(3))
    refused(log, instruction(1), "ROUND_REPLAYED")
    refused(log, instruction(2), "ROUND_REPLAYED")


def test_last_round_again_is_answered_for_the_same_weights_only(log: RoundLog) -> None:
    """A coordinator that resumes asks the same question; another question under the same number is refused."""
    assert [begin(log, instruction(2)) for _ in range(2)] == [1, 2]
    refused(log, instruction(2, weights_sha256="f" * 64), "ROUND_REPLAYED")


def test_same_question_is_answered_a_few_times_only(log: RoundLog) -> None:
    """Resuming is rare; asking on and on is not resuming."""
    for _ in range(MAX_ASKED):
        begin(log, instruction(1))
    refused(log, instruction(1), "ROUND_REPLAYED")


@pytest.mark.parametrize("kind", ["train", "evaluate"])
def test_round_beyond_the_manifest_is_refused(log: RoundLog, kind: str) -> None:
    """The manifest's rounds are all there are."""
    refused(log, instruction(6, kind=kind), "ROUND_OUT_OF_RANGE")


def test_evaluation_before_the_last_round_asked_is_refused(log: RoundLog) -> None:
    """The run cannot have ended before what it did here."""
    begin(log, instruction(3))
    refused(log, instruction(2, kind="evaluate"), "ROUND_REPLAYED")


def test_nothing_trains_in_a_run_after_its_evaluation(log: RoundLog) -> None:
    """Not a later round and not the last one again; another run is another one."""
    begin(log, instruction(3))
    assert begin(log, instruction(3, kind="evaluate")) == 1
    for number in (3, 4, 5):
        refused(log, instruction(number), "RUN_ENDED")
    assert begin(log, instruction(1, run_id="run-00000002")) == 1


def test_run_is_evaluated_once_after_one_round(log: RoundLog) -> None:
    """The same question again is answered, another round or other weights are not."""
    begin(log, instruction(2))
    assert [begin(log, instruction(4, kind="evaluate")) for _ in range(2)] == [1, 2]
    refused(log, instruction(5, kind="evaluate"), "ROUND_REPLAYED")
    refused(log, instruction(3, kind="evaluate"), "ROUND_REPLAYED")
    refused(log, instruction(4, kind="evaluate", weights_sha256="f" * 64), "ROUND_REPLAYED")


def test_site_that_was_in_no_round_may_be_asked_for_the_evaluation(log: RoundLog) -> None:
    """A run that samples sites, and stopped early."""
    assert begin(log, instruction(2, kind="evaluate")) == 1


def test_approval_serves_a_few_runs_and_a_new_decision_a_few_more(log: RoundLog) -> None:
    """The rounds of an earlier approval do not count against a new one."""
    for number in range(MAX_RUNS):
        begin(log, instruction(1, run_id=f"run-1000000{number}"))
    refused(log, instruction(1, run_id="run-20000000"), "RUNS_EXHAUSTED")
    assert begin(log, instruction(1, run_id="run-20000000"), approved_at="2026-02-01T00:00:00Z") == 1


def test_line_cut_short_by_a_kill_began_no_work(log: RoundLog, tmp_path: Path) -> None:
    """It is dropped, and the round may begin."""
    begin(log, instruction(1))
    with (tmp_path / "rounds.jsonl").open("ab") as stream:
        stream.write(b'{"at":"2026')
    assert begin(log, instruction(2)) == 1
    assert [e.instruction.round for e in log.entries()] == [1, 2]


def test_run_is_over_once_a_later_one_began(log: RoundLog) -> None:
    """What the guard knew of it may be gone: nothing of it is taken any more, under whatever approval."""
    begin(log, instruction(1))
    begin(log, instruction(1, run_id="run-00000002"))
    refused(log, instruction(2), "RUN_ENDED")
    refused(log, instruction(1, kind="evaluate"), "RUN_ENDED")
    assert log.over(now=NOW) == {"run-00000001"}
    assert begin(log, instruction(2, run_id="run-00000002")) == 1


def test_run_that_was_silent_for_long_is_over(log: RoundLog) -> None:
    """A later one may begin."""
    begin(log, instruction(1))
    begin(log, instruction(2), at=NOW + SILENT_FOR)
    late = NOW + 2 * SILENT_FOR + timedelta(seconds=1)
    assert log.over(now=NOW + 2 * SILENT_FOR) == set()
    assert log.over(now=late) == {"run-00000001"}
    refused(log, instruction(3), "RUN_ENDED", at=late)
    assert begin(log, instruction(1, run_id="run-00000002"), at=late) == 1
