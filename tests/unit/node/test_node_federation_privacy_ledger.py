"""The privacy budget of a study: refused when spent, spent before anything leaves, never counted too low."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from site_factories import NOW_TEXT, refusal_code, study

from myofed_node.federation.privacy_ledger import PrivacyLedger, PrivateRound, privacy_budget, private_round
from myofed_node.learning.accountant import Mechanism, epsilon
from myofed_node.learning.protocol import Roles
from myofed_schemas.federation import Instruction
from myofed_schemas.study_options import Privacy

PRIVACY = Privacy(level="update", clip_norm=1.0, noise_multiplier=8.0, delta=1e-5, epsilon=2.5)
"""Costs 1.01 once, 1.48 twice, ...; see the tests for what the budget holds."""
ROLES = Roles(train=("S1", "S2", "S3"))


def instruction(number: int = 1, run: str = "run-00000001", **changes: Any) -> Instruction:
    values = {
        "kind": "train",
        "study_id": "thigh",
        "manifest_digest": "0" * 64,
        "run_id": run,
        "round": number,
        "weights_sha256": "1" * 64,
    }
    return Instruction.model_validate(values | changes)


def a_round(folder: Path, number: int = 1, **changes: Any) -> PrivateRound:
    found = private_round(instruction(number, **changes), study(privacy=PRIVACY, rounds=50), ROLES, study_folder=folder)
    assert found is not None
    return found


def affordable_rounds() -> int:
    count = 0
    while epsilon([Mechanism(4.0, 1.0, count + 1)], delta=1e-5) <= PRIVACY.epsilon:
        count += 1
    return count


def test_round_beyond_the_budget_is_refused_and_the_budget_is_not_passed(tmp_path: Path) -> None:
    """As many rounds as the accountant allows, over two runs and two versions; not one more, asked before any work."""
    allowed = affordable_rounds()
    assert allowed >= 3
    for number in range(1, allowed + 1):
        work = replace(a_round(tmp_path, number, run=f"run-0000000{number % 2}"), version=1 + number % 2)
        assert work.answered() is None
        work.release("{}", b"noised", at=NOW_TEXT)
    last = a_round(tmp_path, allowed + 1)
    assert refusal_code(last.answered) == "PRIVACY_BUDGET_SPENT"
    assert refusal_code(lambda: last.release("{}", b"noised", at=NOW_TEXT)) == "PRIVACY_BUDGET_SPENT"
    spent = PrivacyLedger(tmp_path).spent(delta=PRIVACY.delta)
    assert spent <= PRIVACY.epsilon
    assert len(PrivacyLedger(tmp_path).entries()) == allowed


def test_damaged_ledger_lets_nothing_leave(tmp_path: Path) -> None:
    """A line that cannot be read may hide what was spent."""
    a_round(tmp_path).release("{}", b"noised", at=NOW_TEXT)
    ledger = tmp_path / "privacy.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b'"noise":4', b'"noise":-4'))
    assert refusal_code(a_round(tmp_path, 2).answered) == "PRIVACY_LEDGER_BROKEN"
    manifest = study(privacy=PRIVACY)
    assert refusal_code(lambda: privacy_budget(manifest, study_folder=tmp_path)) == "PRIVACY_LEDGER_BROKEN"


def test_same_question_gets_the_same_bytes_and_spends_nothing(tmp_path: Path) -> None:
    """A second draw of the noise would be a second look at the data."""
    a_round(tmp_path).release('{"loss":0.0}', b"noised\nbytes", at=NOW_TEXT)
    before = PrivacyLedger(tmp_path).spent(delta=1e-5)
    assert a_round(tmp_path).answered() == ('{"loss":0.0}', b"noised\nbytes")
    assert PrivacyLedger(tmp_path).spent(delta=1e-5) == before
    assert a_round(tmp_path, weights_sha256="2" * 64).answered() is None


def test_answer_that_was_changed_or_lost_is_not_sent_again(tmp_path: Path) -> None:
    """Then the round costs once more."""
    a_round(tmp_path).release("{}", b"noised", at=NOW_TEXT)
    (answer,) = (tmp_path / "private-answers").iterdir()
    answer.write_bytes(b"{}\nothers")
    assert a_round(tmp_path).answered() is None
    answer.unlink()
    assert a_round(tmp_path).answered() is None


def test_answer_without_its_entry_is_not_sent(tmp_path: Path) -> None:
    """Killed between the two writes: nothing had left, and nothing of it leaves later unpaid."""
    a_round(tmp_path).release("{}", b"noised", at=NOW_TEXT)
    (tmp_path / "privacy.jsonl").write_bytes(b"")
    assert a_round(tmp_path).answered() is None


def test_half_written_entry_is_cut_off_by_the_next(tmp_path: Path) -> None:
    """It let nothing leave; what follows is whole."""
    a_round(tmp_path).release("{}", b"noised", at=NOW_TEXT)
    ledger = tmp_path / "privacy.jsonl"
    ledger.write_bytes(ledger.read_bytes() + b'{"at":"2026')
    assert len(PrivacyLedger(tmp_path).entries()) == 1
    a_round(tmp_path, 2).release("{}", b"noised", at=NOW_TEXT)
    assert [entry.round for entry in PrivacyLedger(tmp_path).entries()] == [1, 2]


def test_each_runs_last_answer_is_kept_and_no_other(tmp_path: Path) -> None:
    """Only the last round of a run is ever asked again."""
    for run, number in (("run-00000001", 1), ("run-00000001", 2), ("run-00000002", 1)):
        a_round(tmp_path, number, run=run).release("{}", b"noised", at=NOW_TEXT)
    assert a_round(tmp_path, 2, run="run-00000001").answered() is not None
    assert a_round(tmp_path, 1, run="run-00000002").answered() is not None
    assert len(list((tmp_path / "private-answers").iterdir())) == 2


def test_what_needs_no_budget_has_none(tmp_path: Path) -> None:
    """An evaluation, and a study that asks for no privacy."""
    private = study(privacy=PRIVACY, rounds=3)
    assert private_round(instruction(3, kind="evaluate"), private, ROLES, study_folder=tmp_path) is None
    assert private_round(instruction(), study(), ROLES, study_folder=tmp_path) is None
    assert privacy_budget(study(), study_folder=tmp_path) is None


def test_budget_is_told_in_words(tmp_path: Path) -> None:
    """Spent, allowed, delta and level."""
    a_round(tmp_path).release("{}", b"noised", at=NOW_TEXT)
    budget = privacy_budget(study(privacy=PRIVACY), study_folder=tmp_path)
    assert budget is not None
    assert budget.spent == pytest.approx(1.01, abs=0.01)
    assert budget.line() == (
        "  privacy of thigh: update level, clipped at 1, noise 8 times that; 1.01 of epsilon 2.5 spent here (delta 1e-05)"
    )


SENDER = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
from test_node_federation_privacy_ledger import NOW_TEXT, a_round
folder = Path({folder!r})
for number in range(1, 10_000):
    work = a_round(folder, number)
    object.__setattr__(work.privacy, "epsilon", 1e6)
    work.release("{{}}", b"noised" * 1000, at=NOW_TEXT)
    sys.stdout.write(f"{{number}}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("after", [1, 2, 4])
def test_killed_sender_has_paid_for_all_that_left(tmp_path: Path, after: int) -> None:
    """SIGKILL while rounds are released: the ledger, read anew, holds at least as many as were sent."""
    program = SENDER.format(paths=[str(Path(__file__).parent), *sys.path], folder=str(tmp_path))
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for _ in range(after):
        assert child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    sent = after + len(child.stdout.read().split())
    child.wait()
    assert len(PrivacyLedger(tmp_path).entries()) >= sent
