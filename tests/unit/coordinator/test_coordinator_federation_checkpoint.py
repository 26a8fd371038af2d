"""Checkpoints survive a kill at any moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from wall_examples import make_run, tensors

from myofed_coordinator.federation.checkpoint import Checkpoint, Progress, load_progress, save_checkpoint
from myofed_coordinator.federation.weights import pack, weights_digest
from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import RoundReport


def report(number: int, packed: bytes) -> RoundReport:
    return RoundReport(
        round=number,
        started_at="2026-11-22T10:00:00Z",
        seconds=1.0,
        sites=("hospital-a",),
        errors=(),
        loss=None,
        dice=None,
        dice_per_site={},
        weights_sha256=weights_digest(packed),
    )


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = make_run(tmp_path)
    save_rounds(folder, 2)
    return folder


INITIAL = pack(tensors(0.0))


def save_rounds(folder: RunFolder, rounds: int, *, remembers: bool = False) -> Progress:
    """Checkpoints of so many rounds; in round n hospital-a sent the digest n, and the memory is n thirds."""
    progress = Progress(reports=(), packed=INITIAL)
    for number in range(1, rounds + 1):
        packed = pack(tensors(float(number)))
        memory = {"first/net.weight": np.full((2, 3), number / 3)} if remembers else {}
        checkpoint = Checkpoint(report(number, packed), packed, {"hospital-a": f"{number:064x}"}, memory)
        progress = save_checkpoint(folder, checkpoint, progress)
    return progress


def load(folder: RunFolder, *, remembers: bool = False) -> Progress:
    return load_progress(folder, initial_sha256=weights_digest(INITIAL), remembers=remembers)


def progress(folder: RunFolder, *, remembers: bool = False) -> tuple[int, bytes]:
    found = load(folder, remembers=remembers)
    return found.next_round, found.packed


def test_other_initial_weights_are_refused(folder: RunFolder) -> None:
    """A run does not start from weights that nobody approved."""
    folder.initial_weights.write_bytes(pack(tensors(9.0)))
    with pytest.raises(MyofedError) as caught:
        progress(folder)
    assert caught.value.code == "INITIAL_WEIGHTS"


def test_report_that_names_other_weights_is_refused(folder: RunFolder) -> None:
    """A report cannot vouch for weights it does not belong to."""
    with pytest.raises(MyofedError) as caught:
        save_checkpoint(folder, Checkpoint(report(3, pack(tensors(3.0))), pack(tensors(4.0))), load(folder))
    assert caught.value.code == "CHECKPOINT_DIGEST"
    assert not folder.weights(3).exists()


def test_last_whole_checkpoint_is_where_a_run_goes_on(folder: RunFolder) -> None:
    """Two whole rounds: the third is next, from the second's weights."""
    assert progress(folder) == (3, pack(tensors(2.0)))


def test_weights_without_their_report_do_not_count(folder: RunFolder) -> None:
    """Killed between the two files: the round is done again."""
    folder.report(2).unlink()
    assert progress(folder) == (2, pack(tensors(1.0)))


def test_altered_or_torn_checkpoint_does_not_count(folder: RunFolder) -> None:
    """One byte lost or changed, and the round is done again."""
    whole = folder.weights(2).read_bytes()
    for damaged in (whole[:-1], whole[:-1] + b"x"):
        folder.weights(2).write_bytes(damaged)
        assert progress(folder) == (2, pack(tensors(1.0)))
    folder.weights(2).write_bytes(whole)
    folder.report(2).write_bytes(folder.report(2).read_bytes()[:-5])
    assert progress(folder) == (2, pack(tensors(1.0)))


def test_rounds_after_a_damaged_one_do_not_count(folder: RunFolder) -> None:
    """Progress has no gap."""
    folder.weights(1).unlink()
    assert progress(folder) == (1, pack(tensors(0.0)))


def test_digests_of_what_sites_sent_outlive_the_process(folder: RunFolder) -> None:
    """Of all whole rounds, and of no other."""
    assert load(folder).seen == {"hospital-a": frozenset({f"{1:064x}", f"{2:064x}"})}
    folder.report(2).unlink()
    assert load(folder).seen == {"hospital-a": frozenset({f"{1:064x}"})}


def test_damaged_record_does_not_count_and_one_of_an_earlier_release_may_be_absent(folder: RunFolder) -> None:
    """An absent record is a round whose updates cannot be told from later ones; a torn one is no whole round."""
    folder.record(1).unlink()
    assert load(folder).seen == {"hospital-a": frozenset({f"{2:064x}"})}
    folder.record(2).write_bytes(b'{"digests":')
    assert progress(folder) == (2, pack(tensors(1.0)))


def test_memory_of_a_strategy_comes_back_bit_by_bit(tmp_path: Path) -> None:
    """In float64; what is loaded is what a process that lived on would have."""
    folder = make_run(tmp_path)
    lived_on = save_rounds(folder, 3, remembers=True)
    loaded = load(folder, remembers=True)
    assert loaded == lived_on
    assert loaded.remembered("first/net.weight").tobytes() == np.full((2, 3), 3 / 3).tobytes()
    assert not folder.memory(1).exists(), "of the last two rounds only"


def test_round_without_its_strategys_memory_does_not_count(tmp_path: Path) -> None:
    """Damaged: the round is done again from the one before. Both lost: from the beginning, not with a false memory."""
    folder = make_run(tmp_path)
    save_rounds(folder, 3, remembers=True)
    folder.memory(3).write_bytes(folder.memory(3).read_bytes()[:-1] + b"x")
    assert progress(folder, remembers=True) == (3, pack(tensors(2.0)))
    assert load(folder, remembers=True).remembered("first/net.weight")[0, 0] == 2 / 3
    assert progress(folder) == (4, pack(tensors(3.0)))
    folder.memory(2).unlink()
    assert progress(folder, remembers=True) == (1, INITIAL)


def test_checkpoint_of_a_strategy_without_memory_does_not_serve_one_that_has_one(folder: RunFolder) -> None:
    """Never a step from moments that are not there."""
    assert progress(folder, remembers=True) == (1, INITIAL)


def test_two_server_apps_never_run_one_run(folder: RunFolder) -> None:
    """The second finds the lock held; once the first is gone, it is free."""
    with folder.locked():
        assert folder.is_locked()
        with pytest.raises(MyofedError) as caught, folder.locked():
            pass
        assert caught.value.code == "RUN_LOCKED"
    assert not folder.is_locked()
