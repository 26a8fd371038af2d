"""Checkpoints survive a kill at any moment."""

from __future__ import annotations

from pathlib import Path

import pytest
from wall_examples import make_run, tensors

from myofed_coordinator.federation.checkpoint import load_progress, save_checkpoint
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
    for number in (1, 2):
        packed = pack(tensors(float(number)))
        save_checkpoint(folder, report(number, packed), packed)
    return folder


def progress(folder: RunFolder) -> tuple[int, bytes]:
    found = load_progress(folder, initial_sha256=weights_digest(pack(tensors(0.0))))
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
        save_checkpoint(folder, report(3, pack(tensors(3.0))), pack(tensors(4.0)))
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


def test_two_server_apps_never_run_one_run(folder: RunFolder) -> None:
    """The second finds the lock held; once the first is gone, it is free."""
    with folder.locked():
        assert folder.is_locked()
        with pytest.raises(MyofedError) as caught, folder.locked():
            pass
        assert caught.value.code == "RUN_LOCKED"
    assert not folder.is_locked()
