"""The rounds of one run, with an engine of a few lines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from wall_examples import SPEC, FakeClock, FakeEngine, add_one, make_run, metrics, tensors

from myofed_coordinator.federation.collect import Pace
from myofed_coordinator.federation.engine import Reply, Task
from myofed_coordinator.federation.rounds import RoundLoop
from myofed_coordinator.federation.weights import pack, unpack, weights_digest
from myofed_coordinator.runs.folder import RunFolder, RunSites, read_events
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import ExclusionCount, RunStatus

SITES = ("hospital-a", "hospital-b", "hospital-c")


def run(folder: RunFolder, engine: FakeEngine) -> RunStatus:
    clock = FakeClock()
    return RoundLoop(folder, engine, Pace(clock, lambda: clock.sleep(1.0))).run()


def everyone(**others: object) -> FakeEngine:
    return FakeEngine(answers=dict.fromkeys(SITES, add_one) | others)  # type: ignore[arg-type]


def good(value: float, **changes: object) -> Reply:
    return Reply(ticket="", code="OK", packed=pack(tensors(value)), metrics=metrics(**changes))


def test_round_below_quorum_fails_the_run_with_the_sites_codes(tmp_path: Path) -> None:
    """Two of three sites refuse, two are needed: failed, and the status and events say why."""
    folder = make_run(tmp_path)
    refuse = lambda site, task: Reply("", "NOT_APPROVED")  # noqa: E731
    with pytest.raises(MyofedError) as caught:
        run(folder, everyone(**{"hospital-a": refuse, "hospital-b": refuse}))
    assert caught.value.code == "QUORUM_LOST"
    assert "hospital-a NOT_APPROVED" in caught.value.message
    status = folder.status()
    assert (status.state, status.code, status.rounds) == ("failed", "QUORUM_LOST", ())
    errors = [(e.site, e.code) for e in read_events(folder) if e.event == "SITE_ERROR"]
    assert errors == [("hospital-a", "NOT_APPROVED"), ("hospital-b", "NOT_APPROVED")]


def test_run_without_enough_connected_sites_fails(tmp_path: Path) -> None:
    """Nobody is there: the run ends, it does not wait for ever."""
    folder = make_run(tmp_path)
    with pytest.raises(MyofedError) as caught:
        run(folder, FakeEngine(answers={"hospital-a": add_one}))
    assert caught.value.code == "QUORUM_ABSENT"
    assert folder.status().state == "failed"


BAD_REPLIES = {
    "WEIGHTS_SIZE": Reply("", "OK", b"", metrics()),
    "WEIGHTS_FORMAT": Reply("", "OK", b"x" * len(pack(tensors(1.0))), metrics()),
    "WEIGHTS_KEYS": Reply("", "OK", pack({"other": np.zeros(8, np.float32)}), metrics()),
    "WEIGHTS_SHAPE": Reply("", "OK", pack(tensors(1.0) | {"net.weight": np.zeros((3, 2), np.float32)}), metrics()),
    "WEIGHTS_NOT_FINITE": good(float("inf")),
    "METRICS_IMPLAUSIBLE": good(1.0, examples=10**9),
    "REPLY_INVALID": Reply("", "OK", pack(tensors(1.0)), None),
}


@pytest.mark.parametrize("code", BAD_REPLIES)
def test_bad_update_is_one_coded_error_and_never_in_the_mean(tmp_path: Path, code: str) -> None:
    """The round's weights are those of the two good sites alone."""
    folder = make_run(tmp_path, rounds=1)
    status = run(folder, everyone(**{"hospital-b": lambda site, task: BAD_REPLIES[code]}))
    (report,) = status.rounds
    assert [(e.site, e.code) for e in report.errors] == [("hospital-b", code)]
    assert report.sites == ("hospital-a", "hospital-c")
    assert unpack(folder.weights(1).read_bytes(), SPEC)["net.weight"].tolist() == [[1.0] * 3] * 2


def test_run_completes_with_a_checkpoint_per_round_and_a_final_evaluation(tmp_path: Path) -> None:
    """Three rounds of plus one give three; every checkpoint has the digest that its report names."""
    folder = make_run(tmp_path)
    engine = everyone()
    status = run(folder, engine)
    assert (status.state, status.code, len(status.rounds)) == ("completed", "OK", 3)
    assert unpack(folder.weights(3).read_bytes(), SPEC)["net.weight"][0, 0] == 3.0
    assert [r.weights_sha256 for r in status.rounds] == [
        weights_digest(folder.weights(n).read_bytes()) for n in (1, 2, 3)
    ]
    assert status.model_sha256 == status.rounds[-1].weights_sha256
    assert status.final is not None
    assert status.final.dice_per_site == dict.fromkeys(SITES, 0.5)
    assert [task.instruction.kind for _, task in engine.sent] == ["train"] * 9 + ["evaluate"] * 3
    assert list(folder.updates.iterdir()) == []


def test_silent_site_times_out_and_the_round_ends_with_the_others(tmp_path: Path) -> None:
    """A site that never answers costs its round the timeout, not the run."""
    folder = make_run(tmp_path, rounds=1)
    status = run(folder, everyone(**{"hospital-c": lambda site, task: None}))
    assert [(e.site, e.code) for e in status.rounds[0].errors] == [("hospital-c", "SITE_TIMEOUT")]
    assert status.state == "completed"


def test_site_revoked_while_it_is_awaited_is_out_at_once(tmp_path: Path) -> None:
    """Nobody waits for a site that was taken out of the run, and the run goes on."""
    folder = make_run(tmp_path, rounds=2)

    def revoke_and_stay_silent(site: str, task: Task) -> None:
        keys = folder.sites().node_keys
        folder.write_sites(RunSites(node_keys={s: k for s, k in keys.items() if s != site}))

    status = run(folder, everyone(**{"hospital-b": revoke_and_stay_silent}))
    assert [[(e.site, e.code) for e in r.errors] for r in status.rounds] == [[("hospital-b", "SITE_REVOKED")], []]
    assert [r.sites for r in status.rounds] == [("hospital-a", "hospital-c")] * 2


def test_site_revoked_after_it_answered_is_not_averaged(tmp_path: Path) -> None:
    """hospital-a answers ten, and is taken out of the run while hospital-b is awaited."""
    folder = make_run(tmp_path, rounds=1)

    def revoke_the_first(site: str, task: Task) -> Reply:
        keys = folder.sites().node_keys
        folder.write_sites(RunSites(node_keys={s: k for s, k in keys.items() if s != "hospital-a"}))
        return good(1.0)

    others = {"hospital-a": lambda site, task: good(10.0), "hospital-b": revoke_the_first}
    (report,) = run(folder, everyone(**others)).rounds
    assert report.sites == ("hospital-b", "hospital-c")
    events = [(e.site, e.code) for e in read_events(folder) if e.event == "SITE_ERROR"]
    assert ("hospital-a", "SITE_REVOKED") in events
    assert unpack(folder.weights(1).read_bytes(), SPEC)["net.weight"].tolist() == [[1.0] * 3] * 2


def test_run_that_has_ended_is_not_begun_again(tmp_path: Path) -> None:
    """A ServerApp that comes late, or twice, finds the end and leaves it."""
    folder = make_run(tmp_path, rounds=1)
    ended = run(folder, everyone())
    engine = everyone()
    assert run(folder, engine) == ended
    assert engine.sent == []


def test_offline_site_is_named_and_the_run_goes_on(tmp_path: Path) -> None:
    """After the time to gather, the run starts with a quorum."""
    folder = make_run(tmp_path, rounds=1)
    status = run(folder, FakeEngine(answers=dict.fromkeys(SITES[:2], add_one)))
    assert [(e.site, e.code) for e in status.rounds[0].errors] == [("hospital-c", "SITE_OFFLINE")]


def test_run_cut_short_goes_on_from_the_last_checkpoint_and_ends_with_the_same_weights(tmp_path: Path) -> None:
    """Killed in round 2 and started again: rounds 1 is not asked again, and the result equals an undisturbed run's."""

    class KilledError(BaseException):
        pass

    def killed_in_round_2(site: str, task: Task) -> Reply:
        if task.instruction.round == 2:
            raise KilledError
        return add_one(site, task)

    folder, undisturbed = make_run(tmp_path / "one"), make_run(tmp_path / "two")
    with pytest.raises(KilledError):
        run(folder, everyone(**{"hospital-c": killed_in_round_2}))
    assert folder.status().state == "running"
    engine = everyone()
    status = run(folder, engine)
    assert {task.instruction.round for _, task in engine.sent} == {2, 3}
    assert status.model_sha256 == run(undisturbed, everyone()).model_sha256
    assert [e.event for e in read_events(folder)].count("RUN_RESUMED") == 1


def test_stop_request_ends_the_run_as_stopped(tmp_path: Path) -> None:
    """A person's stop is a stated end, with the finished rounds kept."""
    folder = make_run(tmp_path)

    def stop_in_round_2(site: str, task: Task) -> Reply | None:
        if task.instruction.round == 2:
            folder.stop_request.touch()
            return None
        return add_one(site, task)

    status = run(folder, everyone(**{"hospital-a": stop_in_round_2}))
    assert (status.state, status.code, len(status.rounds)) == ("stopped", "STOPPED", 1)


def test_every_message_names_manifest_round_and_digest_of_its_weights(tmp_path: Path) -> None:
    """A site can check what it got against what it approved."""
    folder = make_run(tmp_path)
    engine = everyone()
    run(folder, engine)
    assert engine.sent
    for _, task in engine.sent:
        assert task.instruction.manifest_digest == folder.manifest().digest
        assert task.instruction.weights_sha256 == weights_digest(task.packed)
        assert task.instruction.run_id == folder.run_id


def test_subjects_that_sites_left_out_stand_in_the_report_of_the_round_and_of_the_evaluation(tmp_path: Path) -> None:
    """Each as the sites told it of that task; a site that told nothing is not named."""
    folder = make_run(tmp_path, rounds=1)
    told = {"train": ("LABEL_GRID", 20), "evaluate": ("IMAGE_UNREADABLE", 5)}

    def damaged(site: str, task: Task) -> Reply:
        code, subjects = told[task.instruction.kind]
        reply = add_one(site, task)
        return replace(reply, metrics=metrics(exclusions=(ExclusionCount(code=code, subjects=subjects),)))

    status = run(folder, everyone(**{"hospital-b": damaged}))
    assert status.rounds[0].exclusions == {"hospital-b": (ExclusionCount(code="LABEL_GRID", subjects=20),)}
    assert status.final is not None
    assert status.final.exclusions == {"hospital-b": (ExclusionCount(code="IMAGE_UNREADABLE", subjects=5),)}
    assert folder.status() == status
    assert b"exclusions" in folder.report(1).read_bytes()
    plain = run(make_run(tmp_path / "plain", rounds=1), everyone())
    assert "exclusions" not in plain.model_dump_json()
