"""SIGKILL at the worst moment: the round, the run and the folder survive, and no process is left behind."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import psutil
import pytest
import wall_harness as wall

from myofed_coordinator.runs.folder import RunFolder, read_events
from myofed_node.federation.ledger import verify_ledger

pytestmark = [pytest.mark.functional, pytest.mark.slow]


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wall.Federation]:
    with wall.federation(tmp_path_factory.mktemp("f"), sites=3) as federation:
        wall.approved_study(federation, rounds=3, min_sites=1, round_timeout_s=300)
        yield federation


def busy(it: wall.Federation, node: wall.Node) -> RunFolder:
    """A run in its first round, this node at work on it until told otherwise."""
    node.pace(600)
    tasks = node.tasks()
    folder = it.start_run()
    wall.until(lambda: node.tasks() > tasks, seconds=60, what=f"{node.name} at work")
    return folder


def child(node: wall.Node, name: str) -> psutil.Process:
    assert node.process is not None
    return psutil.Process(node.process.pids()[name])


def gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert not alive, f"left behind: {[' '.join(p.cmdline()[:4]) for p in alive]}"


def test_worker_killed_in_the_middle_of_a_task_costs_its_site_one_round(it: wall.Federation) -> None:
    """The executor answers WORKER_LOST at once, the worker is restarted, the next round has the site back."""
    node = it.nodes["site-a"]
    folder = busy(it, node)
    child(node, "worker").kill()
    node.pace(0)
    status = it.finish(folder, seconds=60)
    assert status.state == "completed"
    assert [(e.site, e.code) for e in status.rounds[0].errors] == [("site-a", "WORKER_LOST")]
    assert "site-a" in status.rounds[-1].sites


def test_coordinator_killed_in_the_middle_of_a_run_resumes_from_the_last_checkpoint(it: wall.Federation) -> None:
    """SIGKILL to `up` in round 2 takes all its processes along; `up` again ends the run, round 1 is not done twice."""
    node = it.nodes["site-b"]
    folder = it.start_run()
    wall.until(lambda: it.rounds(folder) == 1, seconds=90, what="round 1")
    node.pace(600)
    report, weights = folder.report(1).read_bytes(), folder.weights(1).read_bytes()
    assert it.process is not None
    gone(it.process.kill())
    node.pace(0)
    it.up()
    status = it.finish(folder, seconds=120)
    assert (status.state, len(status.rounds)) == ("completed", 3)
    assert (folder.report(1).read_bytes(), folder.weights(1).read_bytes()) == (report, weights)
    events = [(e.event, e.round) for e in read_events(folder)]
    assert events.count(("ROUND_FINISHED", 1)) == 1
    assert ("RUN_RESUMED", 1) in events or ("RUN_RESUMED", 2) in events


def test_node_and_executor_killed_in_the_middle_of_a_round_end_it_with_the_others(it: wall.Federation) -> None:
    """The engine answers for both within its patience of 60 s, each with one code, and no process of the node is left.

    The restarted executor takes part in the next round; the restarted node in the next run.
    """
    node, other = it.nodes["site-c"], it.nodes["site-a"]
    other.pace(600)
    tasks = other.tasks()
    folder = busy(it, node)
    wall.until(lambda: other.tasks() > tasks, seconds=60, what="site-a at work")
    executor = child(other, "executor")
    executor.kill()
    assert node.process is not None
    started = time.monotonic()
    gone(node.process.kill())
    other.pace(0)
    status = it.finish(folder, seconds=120)
    assert time.monotonic() - started < 100
    assert status.state == "completed"
    errors = {e.site: e.code for e in status.rounds[0].errors}
    assert errors["site-c"] == "SITE_UNAVAILABLE"
    assert errors.get("site-a") in ("EXECUTOR_LOST", "SITE_UNAVAILABLE")
    assert status.rounds[0].sites == ("site-b",)
    assert any("site-a" in report.sites for report in status.rounds[1:])
    assert child(other, "executor").pid != executor.pid
    verify_ledger(node.site.folder.ledger)
    node.pace(0)
    node.up()
    wall.until(node.process.ready, seconds=60, what="site-c again")
    again = it.finish(it.start_run(), seconds=90)
    assert any("site-c" in report.sites for report in again.rounds)


def test_sigterm_and_sigint_stop_everything(it: wall.Federation) -> None:
    """A node that is asked to stop leaves no process and no address behind."""
    node = it.nodes["site-c"]
    for number in (signal.SIGTERM, signal.SIGINT):
        assert node.process is not None
        family = node.process.family()
        node.process.popen.send_signal(number)
        assert node.process.popen.wait(30) == 0
        gone(family)
        assert not node.site.folder.egress_address.exists()
        assert not node.site.folder.status.exists()
        node.up()
        wall.until(node.process.ready, seconds=60, what="site-c again")
