"""A question that lacks its quorum because processes were lost: of whom it is asked again, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from wall_examples import Answer, FakeClock, FakeEngine, add_one, key_of, make_run

from myofed_coordinator.federation.again import LOST
from myofed_coordinator.federation.collect import GRACE_S, MOST_TIMES, Pace
from myofed_coordinator.federation.engine import Reply, Task
from myofed_coordinator.federation.rounds import RoundLoop
from myofed_coordinator.runs.folder import RunFolder, RunSites, read_events
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import RunStatus, TaskMetrics
from myofed_schemas.study_options import Schedule

SITES = ("hospital-a", "hospital-b", "hospital-c")
LAST = "hospital-c"


class Site:
    """Gives these codes first, and good answers after them; None is silence."""

    def __init__(self, *codes: str | None) -> None:
        self.codes = list(codes)
        self.asked = 0

    def __call__(self, site: str, task: Task) -> Reply | None:
        self.asked += 1
        code = self.codes.pop(0) if self.codes else "OK"
        if code is None:
            return None
        return add_one(site, task) if code == "OK" else Reply("", code)


def run(folder: RunFolder, last: Answer, clock: FakeClock | None = None, **others: Answer) -> RunStatus:
    clock = clock or FakeClock()
    engine = FakeEngine(answers=dict.fromkeys(SITES, add_one) | others | {LAST: last})
    return RoundLoop(folder, engine, Pace(clock, lambda: clock.sleep(1.0))).run()


def lost_run(folder: RunFolder, last: Answer, clock: FakeClock | None = None, **others: Answer) -> None:
    with pytest.raises(MyofedError) as caught:
        run(folder, last, clock, **others)
    assert caught.value.code == "QUORUM_LOST"
    assert folder.status().state == "failed"


@pytest.mark.parametrize(
    "code", ["NOT_APPROVED", "SITE_PAUSED", "WEIGHTS_IMPLAUSIBLE", "ROUND_REPLAYED", "SITE_REVOKED"]
)
def test_site_that_refused_is_not_asked_again(tmp_path: Path, code: str) -> None:
    """What people, files or checks say is an answer, and the run fails with it."""
    site = Site(code)
    lost_run(make_run(tmp_path, min_sites=3), site)
    assert site.asked == 1


def test_nobody_is_asked_again_where_the_quorum_is_out_of_reach(tmp_path: Path) -> None:
    """One site refused for good: the lost one could not make up three."""
    site = Site("WORKER_LOST")
    lost_run(make_run(tmp_path, min_sites=3), site, **{"hospital-a": Site("DECLINED")})
    assert site.asked == 1


def test_site_that_is_lost_each_time_is_asked_four_times(tmp_path: Path) -> None:
    """A worker that dies of every task ends the run, and leaves a resumed coordinator two tries."""
    site = Site(*["WORKER_LOST"] * 9)
    lost_run(make_run(tmp_path, min_sites=3), site)
    assert site.asked == MOST_TIMES == 4


def test_silent_site_is_asked_again_while_the_question_is_young(tmp_path: Path) -> None:
    """After twice its timeout nobody is: a round lasts three times at most."""
    site, clock = Site(*[None] * 9), FakeClock()
    lost_run(make_run(tmp_path, min_sites=3, round_timeout_s=30), site, clock)
    assert site.asked == 2
    assert clock.seconds <= 3 * (30 + GRACE_S)


def test_site_that_stays_away_ends_the_run_after_five_minutes(tmp_path: Path) -> None:
    """It was there, and went; the round names it with the code that it had."""

    class Gone(FakeEngine):
        def online(self) -> dict[str, int]:
            known = super().online()
            return known if not self.sent else {k: n for k, n in known.items() if k != key_of(LAST)}

    folder, clock = make_run(tmp_path, min_sites=3), FakeClock()
    engine = Gone(answers=dict.fromkeys(SITES, add_one) | {LAST: Site("EXECUTOR_LOST")})  # type: ignore[dict-item]
    with pytest.raises(MyofedError) as caught:
        RoundLoop(folder, engine, Pace(clock, lambda: clock.sleep(1.0))).run()
    assert caught.value.code == "QUORUM_LOST"
    assert f"{LAST} EXECUTOR_LOST" in caught.value.message
    assert 300 <= clock.seconds < 310


@pytest.mark.parametrize("code", sorted(LOST - {"SITE_OFFLINE"}))
def test_lost_site_is_asked_again_and_the_round_is_whole(tmp_path: Path, code: str) -> None:
    """The others are not; the report has no error, the events say what happened."""
    site, other = Site(code), Site()
    folder = make_run(tmp_path, min_sites=3, rounds=1)
    status = run(folder, site, **{"hospital-a": other})
    assert (status.state, status.rounds[0].sites, status.rounds[0].errors) == ("completed", SITES, ())
    assert (site.asked, other.asked) == (3, 2)  # the round, once more, and the evaluation
    events = [(e.site, e.round, e.code) for e in read_events(folder) if e.event == "SITE_ASKED_AGAIN"]
    assert events == [(LAST, 1, code)]


def test_site_that_was_away_is_asked_as_soon_as_it_is_back(tmp_path: Path) -> None:
    """Between two rounds its machine started again."""

    class Back(FakeEngine):
        looks = 0

        def online(self) -> dict[str, int]:
            known = super().online()
            self.looks += 1
            return known if self.looks in (1, 2) or self.looks > 9 else {k: n for k, n in known.items() if n < 3}

    folder, clock = make_run(tmp_path, min_sites=3, rounds=2), FakeClock()
    engine = Back(answers=dict.fromkeys(SITES, add_one))  # type: ignore[arg-type]
    status = RoundLoop(folder, engine, Pace(clock, lambda: clock.sleep(1.0))).run()
    assert [report.sites for report in status.rounds] == [SITES, SITES]
    assert [e.code for e in read_events(folder) if e.event == "SITE_ASKED_AGAIN"] == ["SITE_OFFLINE"]
    assert clock.seconds < 20


def test_round_with_its_quorum_does_not_wait_for_a_lost_site(tmp_path: Path) -> None:
    """Two of three are enough for the study: the third has its code, and is asked again in the next round only."""
    site = Site("WORKER_LOST")
    status = run(make_run(tmp_path, min_sites=2, rounds=1), site)
    assert [(e.site, e.code) for e in status.rounds[0].errors] == [(LAST, "WORKER_LOST")]
    assert site.asked == 2  # the round and the evaluation


def test_last_model_is_evaluated_at_a_site_that_was_lost_meanwhile(tmp_path: Path) -> None:
    """The evaluation is a question as the rounds are."""
    folder = make_run(tmp_path, min_sites=3, rounds=1)
    status = run(folder, Site("OK", "EXECUTOR_LOST"))
    assert status.final is not None
    assert (status.state, sorted(status.final.dice_per_site), status.final.errors) == ("completed", list(SITES), ())


def test_two_of_four_lost_sites_are_enough_where_one_more_is_needed(tmp_path: Path) -> None:
    """The first good answer of a lost site ends the question for the patience that the study gives the others."""
    sites = (*SITES, "hospital-d")
    folder = make_run(tmp_path, sites=sites, min_sites=3, rounds=1, schedule=Schedule(straggler_wait_s=2))
    folder.write_sites(RunSites(node_keys={site: key_of(site) for site in sites}))
    status = run(folder, Site("WORKER_LOST"), **{"hospital-d": Site("WORKER_LOST", None)})
    assert status.rounds[0].sites == SITES
    assert [(e.site, e.code) for e in status.rounds[0].errors] == [("hospital-d", "SITE_STRAGGLER")]


def test_only_sites_of_the_sample_are_asked_again(tmp_path: Path) -> None:
    """The one whose turn it was not, and one that was offline and replaced, are left alone."""
    asked: list[str] = []

    def counted(site: str, task: Task) -> Reply:
        if task.instruction.kind == "train":
            asked.append(site)
            if len(asked) == 1:
                return Reply("", "WORKER_LOST")
        return add_one(site, task)

    folder = make_run(tmp_path, min_sites=2, rounds=1, schedule=Schedule(sites_per_round=2, sampling_seed=1))
    names: Sequence[str] = SITES[:2]
    engine = FakeEngine(answers=dict.fromkeys(names, counted))  # type: ignore[arg-type]
    clock = FakeClock()
    status = RoundLoop(folder, engine, Pace(clock, lambda: clock.sleep(1.0))).run()
    assert status.rounds[0].sites == tuple(names)
    assert asked == [names[0], names[1], names[0]]


def test_message_that_was_lost_is_sent_again_at_once_also_where_the_others_are_enough(tmp_path: Path) -> None:
    """Its node waits for work, so nobody has to wait for long; the event says so."""
    site, other = Site("MESSAGE_LOST", "MESSAGE_LOST"), Site()
    folder = make_run(tmp_path, min_sites=2, rounds=1)
    status = run(folder, site, **{"hospital-a": other})
    assert (status.rounds[0].sites, status.rounds[0].errors) == (SITES, ())
    assert (site.asked, other.asked) == (4, 2)
    events = [(e.site, e.code) for e in read_events(folder) if e.event == "SITE_ASKED_AGAIN"]
    assert events == [(LAST, "MESSAGE_LOST")] * 2


def test_message_that_is_lost_each_time_is_sent_four_times(tmp_path: Path) -> None:
    """Then it is the site's error in this round."""
    site = Site(*["MESSAGE_LOST"] * 4)
    status = run(make_run(tmp_path, min_sites=2, rounds=1), site)
    assert [(e.site, e.code) for e in status.rounds[0].errors] == [(LAST, "MESSAGE_LOST")]
    assert site.asked == MOST_TIMES + 1  # and the evaluation


def test_message_of_a_node_that_has_gone_is_not_sent_again(tmp_path: Path) -> None:
    """There is nobody to send it to."""

    class Gone(FakeEngine):
        def online(self) -> dict[str, int]:
            known = super().online()
            return known if not self.sent else {k: n for k, n in known.items() if k != key_of(LAST)}

    site, clock = Site("MESSAGE_LOST"), FakeClock()
    engine = Gone(answers=dict.fromkeys(SITES, add_one) | {LAST: site})  # type: ignore[arg-type]
    folder = make_run(tmp_path, min_sites=2, rounds=1)
    status = RoundLoop(folder, engine, Pace(clock, lambda: clock.sleep(1.0))).run()
    assert [(e.site, e.code) for e in status.rounds[0].errors] == [(LAST, "MESSAGE_LOST")]
    assert site.asked == 1


@pytest.mark.parametrize("late", ["OK", "NOT_APPROVED"])
def test_late_answer_to_the_same_question_counts_and_a_late_error_does_not(tmp_path: Path, late: str) -> None:
    """A SuperNode that is one answer behind gives each when the next message comes: the question is the same."""

    class Behind(FakeEngine):
        """The last site's answer to each message comes when the next one was sent to it."""

        def send(self, tasks: Sequence[tuple[int, Task]]) -> list[str]:
            tickets = super().send(tasks)
            for ticket, (node, task) in zip(tickets, tasks, strict=True):
                if sorted(self.answers)[node - 1] != LAST or task.instruction.kind != "train":
                    continue
                if held:
                    self.replied[held[0]] = Reply(held[0], late, *self.answer(task))
                del self.replied[ticket]
                self.replied[ticket] = Reply(ticket, "MESSAGE_LOST")
                held[:] = [ticket]
            return tickets

        def answer(self, task: Task) -> tuple[bytes, TaskMetrics | None]:
            good = add_one(LAST, task)
            return (good.packed, good.metrics) if late == "OK" else (b"", None)

    held: list[str] = []
    folder, clock = make_run(tmp_path, min_sites=2, rounds=1), FakeClock()
    engine = Behind(answers=dict.fromkeys(SITES, add_one))  # type: ignore[arg-type]
    status = RoundLoop(folder, engine, Pace(clock, lambda: clock.sleep(1.0))).run()
    errors = [(e.site, e.code) for e in status.rounds[0].errors]
    assert errors == ([] if late == "OK" else [(LAST, "MESSAGE_LOST")])
