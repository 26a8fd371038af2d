"""Rounds under what goes wrong: hostile and slow sites, sites that come and go, a coordinator that is lost anywhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from strategy_examples import OPTIONS
from wall_examples import SPEC, Answer, FakeClock, FakeEngine, add_one, key_of, make_run, metrics, tensors

from myofed_coordinator.federation import checkpoint, updates
from myofed_coordinator.federation.collect import Pace
from myofed_coordinator.federation.engine import Reply, Task
from myofed_coordinator.federation.rounds import RoundLoop
from myofed_coordinator.federation.weights import pack, unpack
from myofed_coordinator.runs import folder as folder_module
from myofed_coordinator.runs.folder import RunFolder, RunSites, read_events
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import MuscleScore, RunStatus

FIVE = tuple(f"hospital-{letter}" for letter in "abcde")
THREE = FIVE[:3]


def run(folder: RunFolder, engine: FakeEngine, clock: FakeClock | None = None) -> RunStatus:
    time = clock or FakeClock()
    return RoundLoop(folder, engine, Pace(time, lambda: time.sleep(1.0))).run()


def engine_of(sites: Sequence[str], **others: Answer) -> FakeEngine:
    return FakeEngine(answers=dict.fromkeys(sites, add_one) | {f"hospital-{k}": v for k, v in others.items()})


def trained(values: np.ndarray, **changes: object) -> Reply:
    return Reply(
        "", "OK", pack({"net.weight": values.astype(np.float32), "net.steps": np.array([1])}), metrics(**changes)
    )


def honest(site: str, task: Task) -> Reply:
    """Goes half the way to its own place, which differs a little from the other sites'."""
    if task.instruction.kind == "evaluate":
        return Reply("", "OK", b"", metrics())
    came = unpack(task.packed, SPEC)["net.weight"].astype(np.float64)
    place = np.arange(6.0).reshape(2, 3) + FIVE.index(site) / 10
    return trained(came + (place - came) / 2)


def codes(status: RunStatus) -> list[list[tuple[str, str]]]:
    return [[(error.site, error.code) for error in report.errors] for report in status.rounds]


def hostile(attack: str) -> Answer:
    """hospital-e, by what it does in every round."""
    first: dict[str, bytes] = {}

    def answer(site: str, task: Task) -> Reply:
        good = honest(site, task)
        if task.instruction.kind == "evaluate":
            return good
        came, weights = (unpack(packed, SPEC)["net.weight"].astype(np.float64) for packed in (task.packed, good.packed))
        first.setdefault(site, good.packed)
        return {
            "x100": trained(came + 100 * (weights - came)),
            "sign flip": trained(came - (weights - came)),
            "largest float": trained(np.full((2, 3), np.finfo(np.float32).max)),
            "NaN": trained(np.full((2, 3), np.nan)),
            "Inf": trained(np.full((2, 3), -np.inf)),
            "wrong shape": Reply(
                "", "OK", pack(tensors(1.0) | {"net.weight": np.zeros((3, 2), np.float32)}), metrics()
            ),
            "10^9 examples": trained(weights, examples=10**9),
            "replayed": Reply("", "OK", first[site], metrics()),
            "untrained": Reply("", "OK", task.packed, metrics()),
        }[attack]

    return answer


MALFORMED = {
    "NaN": "WEIGHTS_NOT_FINITE",
    "Inf": "WEIGHTS_NOT_FINITE",
    "wrong shape": "WEIGHTS_SHAPE",
    "10^9 examples": "METRICS_IMPLAUSIBLE",
    "untrained": "UPDATE_REPLAYED",
}
ATTACKS = [*MALFORMED, "replayed", "x100", "sign flip", "largest float"]


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("attack", MALFORMED)
def test_malformed_update_is_one_coded_error_with_every_strategy(tmp_path: Path, name: str, attack: str) -> None:
    """One hostile site of five: named in every round, and the model equals that of the four others alone."""
    changes = {"sites": FIVE, "strategy": name, **OPTIONS[name]}
    folder, without = make_run(tmp_path / "five", **changes), make_run(tmp_path / "four", **changes)
    status = run(folder, FakeEngine(answers=dict.fromkeys(FIVE, honest) | {"hospital-e": hostile(attack)}))
    assert status.state == "completed"
    assert codes(status) == [[("hospital-e", MALFORMED[attack])]] * 3
    assert status.model_sha256 == run(without, FakeEngine(answers=dict.fromkeys(FIVE[:4], honest))).model_sha256


def test_old_update_that_is_sent_again_is_refused(tmp_path: Path) -> None:
    """The first time it is new; from then on it is a replay, also after the coordinator was lost."""
    folder = make_run(tmp_path, sites=FIVE)
    engine = FakeEngine(answers=dict.fromkeys(FIVE, honest) | {"hospital-e": hostile("replayed")})
    with pytest.raises(KilledError):
        run(folder, KilledIn(engine.answers, round=2))
    assert codes(run(folder, engine)) == [[], *[[("hospital-e", "UPDATE_REPLAYED")]] * 2]


@pytest.mark.parametrize("attack", ATTACKS)
def test_trimmed_mean_stays_with_the_honest_sites(tmp_path: Path, attack: str) -> None:
    """Whatever one of five does, each weight of the final model lies between the honest sites' last ones."""
    folder = make_run(tmp_path, sites=FIVE, strategy="trimmed-mean", strategy_options={"trim_percent": 20})
    status = run(folder, FakeEngine(answers=dict.fromkeys(FIVE, honest) | {"hospital-e": hostile(attack)}))
    assert status.state == "completed"
    last = unpack(folder.weights(3).read_bytes(), SPEC)["net.weight"]
    came = unpack(folder.weights(2).read_bytes(), SPEC)["net.weight"].astype(np.float64)
    ends = [(came + (np.arange(6.0).reshape(2, 3) + k / 10 - came) / 2).astype(np.float32) for k in (0, 3)]
    assert (last >= ends[0]).all()
    assert (last <= ends[1]).all()


def test_update_that_no_step_can_reach_is_an_error_of_its_site(tmp_path: Path) -> None:
    """A plain mean is protected from magnitude by what the study's local steps can do, with no option of the manifest."""
    folder = make_run(tmp_path, sites=FIVE)
    status = run(folder, FakeEngine(answers=dict.fromkeys(FIVE, honest) | {"hospital-e": hostile("x100")}))
    assert codes(status) == [[("hospital-e", "UPDATE_IMPLAUSIBLE")]] * 3


@pytest.mark.parametrize(
    "changes", [{"sites": FIVE[:2]}, {"sites": FIVE, "schedule": {"sites_per_round": 2}}], ids=["sites", "sample"]
)
def test_run_that_could_never_be_combined_asks_nobody(tmp_path: Path, changes: dict[str, object]) -> None:
    """A trimmed mean of two is refused before anybody trains; the end is stated."""
    options = {"strategy": "trimmed-mean", "strategy_options": {"trim_percent": 20}}
    folder, engine = make_run(tmp_path, **options, **changes), engine_of(FIVE)
    with pytest.raises(MyofedError) as caught:
        run(folder, engine)
    assert caught.value.code == "STRATEGY_TOO_FEW_SITES"
    assert (folder.status().state, folder.status().code) == ("failed", "STRATEGY_TOO_FEW_SITES")
    assert engine.sent == []


def test_round_with_too_few_updates_for_its_strategy_ends_the_run(tmp_path: Path) -> None:
    """Two of three answered, which is the quorum but not enough for a trimmed mean."""
    folder = make_run(tmp_path, strategy="trimmed-mean", strategy_options={"trim_percent": 20})
    with pytest.raises(MyofedError) as caught:
        run(folder, engine_of(THREE, c=lambda site, task: Reply("", "NOT_APPROVED")))
    assert caught.value.code == "STRATEGY_TOO_FEW_SITES"
    assert folder.status().state == "failed"


@dataclass
class SlowEngine(FakeEngine):
    """Nodes whose replies come some seconds after they were asked."""

    clock: FakeClock = field(default_factory=FakeClock)
    delays: dict[str, float] = field(default_factory=dict)
    due: dict[str, float] = field(default_factory=dict)

    def send(self, tasks: Sequence[tuple[int, Task]]) -> list[str]:
        tickets = super().send(tasks)
        asked = [site for site, _ in self.sent[-len(tickets) :]]
        self.due |= {t: self.clock.seconds + self.delays.get(s, 0.0) for t, s in zip(tickets, asked, strict=True)}
        return tickets

    def replies(self, tickets: Sequence[str]) -> Iterator[Reply]:
        return super().replies([ticket for ticket in tickets if self.due[ticket] <= self.clock.seconds])


@pytest.mark.parametrize(
    ("wait", "delay", "code", "most"),
    [(5, 20.0, "SITE_STRAGGLER", 7), (5, 4.0, None, 5), (None, 20.0, None, 21), (None, 99.0, "SITE_TIMEOUT", 37)],
    ids=["too slow", "slow, in time", "nobody hurries", "never"],
)
def test_slow_site_is_waited_for_as_the_study_says(
    tmp_path: Path, wait: int | None, delay: float, code: str | None, most: float
) -> None:
    """After two of three answered; without `straggler_wait_s` until the round's timeout of 30 s (and 5 of grace)."""
    folder = make_run(tmp_path, rounds=1, schedule={"straggler_wait_s": wait})
    clock = FakeClock()
    engine = SlowEngine(answers=dict.fromkeys(THREE, add_one), clock=clock, delays={"hospital-c": delay})
    status = run(folder, engine, clock)
    assert codes(status) == [[("hospital-c", code)] if code else []]
    assert status.rounds[0].seconds <= most
    assert status.state == "completed"


def test_patience_begins_with_the_quorum_not_with_the_question(tmp_path: Path) -> None:
    """Two slow sites of three: the second makes the quorum at 12 s, and the third has 5 s from then on."""
    folder = make_run(tmp_path, rounds=1, schedule={"straggler_wait_s": 5})
    clock = FakeClock()
    delays = {"hospital-b": 12.0, "hospital-c": 16.0}
    status = run(folder, SlowEngine(answers=dict.fromkeys(THREE, add_one), clock=clock, delays=delays), clock)
    assert codes(status) == [[]]


def test_reply_that_comes_after_its_round_is_no_part_of_the_next(tmp_path: Path) -> None:
    """The straggler's old answer waits at the engine; the next round takes its answer to the new question only."""
    folder = make_run(tmp_path, rounds=2, schedule={"straggler_wait_s": 2})
    clock = FakeClock()
    engine = SlowEngine(answers=dict.fromkeys(THREE, honest), clock=clock, delays={"hospital-c": 4.0})
    status = run(folder, engine, clock)
    assert codes(status) == [[("hospital-c", "SITE_STRAGGLER")]] * 2
    assert [report.sites for report in status.rounds] == [THREE[:2]] * 2


def test_sample_of_sites_trains_and_everyone_evaluates(tmp_path: Path) -> None:
    """Three of five in each of four rounds, not the same ones; a second run of the study has the same samples."""
    changes = {"sites": FIVE, "rounds": 4, "schedule": {"sites_per_round": 3, "sampling_seed": 4}}
    engine = FakeEngine(answers=dict.fromkeys(FIVE, honest))
    status = run(make_run(tmp_path / "one", **changes), engine)
    drawn = [report.sites for report in status.rounds]
    assert [len(sites) for sites in drawn] == [3] * 4
    assert len(set(drawn)) > 1
    assert [site for site, task in engine.sent if task.instruction.kind == "evaluate"] == list(FIVE)
    again = run(make_run(tmp_path / "two", **changes), FakeEngine(answers=dict.fromkeys(FIVE, honest)))
    assert [report.sites for report in again.rounds] == drawn
    assert again.model_sha256 == status.model_sha256


def test_site_that_is_offline_is_replaced_in_the_sample(tmp_path: Path) -> None:
    """Rounds stay as large as the study wants them."""
    folder = make_run(tmp_path, sites=FIVE, rounds=4, schedule={"sites_per_round": 3, "sampling_seed": 4})
    status = run(folder, FakeEngine(answers=dict.fromkeys(FIVE[:4], honest)))
    assert [len(report.sites) for report in status.rounds] == [3] * 4
    named = {error for report in codes(status) for error in report}
    assert named == {("hospital-e", "SITE_OFFLINE")}


def with_dice(*dice: float) -> Answer:
    """A site whose validation Dice of the model after round n is `dice[n]`; 0 is the initial one."""

    def answer(site: str, task: Task) -> Reply:
        train = task.instruction.kind == "train"
        score = dice[task.instruction.round - 1 if train else task.instruction.round]
        reply = honest(site, task)
        return Reply("", "OK", reply.packed, metrics(scores=(MuscleScore(muscle="VL", dice_sum=score, subjects=1),)))

    return answer


@pytest.mark.parametrize(("keep", "kept"), [("best", 2), ("last", 4)])
def test_round_that_the_study_asks_for_is_kept(tmp_path: Path, keep: str, kept: int) -> None:
    """The status names the round, and its model is that round's; the final evaluation is of the last."""
    folder = make_run(tmp_path, rounds=4, schedule={"keep": keep})
    status = run(folder, FakeEngine(answers=dict.fromkeys(THREE, with_dice(0.1, 0.3, 0.75, 0.5, 0.6))))
    assert status.kept_round == kept
    assert status.model_sha256 == status.rounds[kept - 1].weights_sha256
    assert status.final is not None
    assert status.final.dice == pytest.approx(0.6)
    assert RunStatus.model_validate_json(folder.status().model_dump_json()) == status


def test_run_without_progress_stops_early_and_is_completed(tmp_path: Path) -> None:
    """After two models no better than round 1's: four rounds instead of nine, an evaluation of round 4, code OK."""
    folder = make_run(tmp_path, rounds=9, schedule={"keep": "best", "patience_rounds": 2})
    engine = FakeEngine(answers=dict.fromkeys(THREE, with_dice(0.1, 0.7, 0.6, 0.65, 0.6, 0.9)))
    status = run(folder, engine)
    assert (status.state, status.code, len(status.rounds), status.kept_round) == ("completed", "OK", 4, 1)
    assert [e.round for e in read_events(folder) if e.event == "EARLY_STOP"] == [4]
    asked = [(task.instruction.kind, task.instruction.round) for site, task in engine.sent if site == "hospital-a"]
    assert asked == [*(("train", number) for number in (1, 2, 3, 4)), ("evaluate", 4)]


def test_run_that_stopped_early_does_not_go_on_after_a_loss(tmp_path: Path) -> None:
    """Lost while the last evaluation is awaited: it is asked again, with the same round, and no other."""
    folder = make_run(tmp_path, rounds=9, schedule={"patience_rounds": 2})
    answers: dict[str, Answer] = dict.fromkeys(THREE, with_dice(0.1, 0.7, 0.6, 0.65, 0.6))
    with pytest.raises(KilledError):
        run(folder, KilledIn(answers, round=4, kind="evaluate"))
    engine = FakeEngine(answers=answers)
    assert run(folder, engine).kept_round == 4
    assert {(task.instruction.kind, task.instruction.round) for _, task in engine.sent} == {("evaluate", 4)}


def set_sites(folder: RunFolder, sites: Sequence[str]) -> None:
    folder.write_sites(RunSites(node_keys={site: key_of(site) for site in sites}))


def test_site_that_joins_takes_part_from_the_next_round_on(tmp_path: Path) -> None:
    """hospital-c approves while round 1 is under way, and hospital-a leaves in round 3; both are in the events."""
    folder = make_run(tmp_path, rounds=4, min_sites=2)
    set_sites(folder, THREE[:2])

    def change(site: str, task: Task) -> Reply:
        if task.instruction.round == 1:
            set_sites(folder, THREE)
        elif task.instruction.round == 3:
            set_sites(folder, THREE[1:])
        return add_one(site, task)

    status = run(folder, engine_of(THREE, b=change))
    assert [report.sites for report in status.rounds] == [THREE[:2], THREE, THREE[1:], THREE[1:]]
    assert codes(status) == [[], [], [("hospital-a", "SITE_REVOKED")], []]
    events = [(e.event, e.round, e.site) for e in read_events(folder) if e.event in ("SITE_JOINED", "SITE_LEFT")]
    assert events == [("SITE_JOINED", 2, "hospital-c"), ("SITE_LEFT", 4, "hospital-a")]


def test_site_that_came_back_with_another_key_does_not_count_for_the_old_one(tmp_path: Path) -> None:
    """It answered, was revoked and enrolled anew within the round: the answer was the revoked node's."""
    folder = make_run(tmp_path, rounds=1)

    def new_keys(site: str, task: Task) -> Reply:
        keys = folder.sites().node_keys
        folder.write_sites(RunSites(node_keys=keys | {"hospital-a": "f" * 64}))
        return add_one(site, task)

    assert codes(run(folder, engine_of(THREE, c=new_keys))) == [[("hospital-a", "SITE_REVOKED")]]


def test_site_revoked_after_its_update_was_taken_in_is_not_combined(tmp_path: Path) -> None:
    """hospital-a's ten lie on disk already when it is taken out of the run, while hospital-c is awaited."""
    folder, clock = make_run(tmp_path, rounds=1), FakeClock()
    answers = dict.fromkeys(THREE, add_one) | {"hospital-a": lambda site, task: trained(np.full((2, 3), 10.0))}
    engine = SlowEngine(answers=answers, clock=clock, delays={"hospital-c": 3.0})

    def doze() -> None:
        if clock.seconds == 2.0:
            assert (folder.updates / "hospital-a.safetensors").exists()
        clock.sleep(1.0)
        if clock.seconds == 3.0:
            set_sites(folder, THREE[1:])

    status = RoundLoop(folder, engine, Pace(clock, doze)).run()
    assert codes(status) == [[("hospital-a", "SITE_REVOKED")]]
    assert unpack(folder.weights(1).read_bytes(), SPEC)["net.weight"].tolist() == [[1.0] * 3] * 2


def test_round_that_finds_nobody_connected_ends_the_run(tmp_path: Path) -> None:
    """All were there when the run began, and none when the round asked; an answer that nobody asked for is no one's."""

    class Deserted(FakeEngine):
        looks = 0

        def online(self) -> dict[str, int]:
            self.looks += 1
            return super().online() if self.looks < 3 else {}

        def replies(self, tickets: Sequence[str]) -> Iterator[Reply]:
            yield Reply("nobody's", "OK", pack(tensors(9.0)), metrics())
            yield from super().replies(tickets)

    folder = make_run(tmp_path)
    with pytest.raises(MyofedError) as caught:
        run(folder, Deserted(answers=dict.fromkeys(THREE, add_one)))
    assert caught.value.code == "QUORUM_LOST"
    status = folder.status()
    assert (status.state, len(status.rounds)) == ("failed", 1)
    assert status.rounds[0].sites == THREE


class KilledError(BaseException):
    """The ServerApp dies here."""


@dataclass
class KilledIn(FakeEngine):
    """Dies when the question of a round is sent."""

    round: int = 0
    kind: str = "train"

    def send(self, tasks: Sequence[tuple[int, Task]]) -> list[str]:
        instruction = tasks[0][1].instruction
        if (instruction.round, instruction.kind) == (self.round, self.kind):
            raise KilledError
        return super().send(tasks)


@pytest.mark.parametrize("name", OPTIONS)
def test_run_that_is_lost_before_any_write_ends_with_the_same_bits(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the n-th write to disk, for every n, and begun again: the final weights equal an undisturbed run's."""
    changes = {"sites": THREE, "strategy": name, "rounds": 3, **OPTIONS[name]}
    engine = FakeEngine(answers=dict.fromkeys(THREE, honest))
    undisturbed = run(make_run(tmp_path / "undisturbed", **changes), engine)
    assert undisturbed.state == "completed"
    deaths = 0
    while deaths < 100:
        folder = make_run(tmp_path / "killed", **changes)
        with monkeypatch.context() as patch:
            patch_writes(patch, left=deaths)
            try:
                run(folder, FakeEngine(answers=dict.fromkeys(THREE, honest)))
                break  # there is no such write any more: every one had its death
            except KilledError:
                deaths += 1
        status = run(folder, FakeEngine(answers=dict.fromkeys(THREE, honest)))
        assert (status.state, status.model_sha256) == ("completed", undisturbed.model_sha256)
        assert codes(status) == [[]] * 3
        shutil.rmtree(folder.root.parent)
    assert 20 < deaths < 100


def patch_writes(patch: pytest.MonkeyPatch, *, left: int) -> None:
    """So many atomic writes succeed; the next one is the process's death."""
    real = updates.write_atomically
    done = 0

    def write(path: Path, content: bytes) -> None:
        nonlocal done
        if done == left:
            raise KilledError
        done += 1
        real(path, content)

    for module in (checkpoint, updates, folder_module):
        patch.setattr(module, "write_atomically", write)
