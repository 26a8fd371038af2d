"""Studies that a site did not approve, or not like this; revocation in the middle; a bundle with hostile code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import wall_harness as wall

from myofed_coordinator.federation.flower_adapter import EngineControl
from myofed_coordinator.federation.superlink import BUNDLE
from myofed_coordinator.runs.folder import RunFolder, Submission, read_events
from myofed_node.audit import SiteAudit
from myofed_node.federation.approvals import Approvals
from myofed_schemas.clock import utc_text

pytestmark = pytest.mark.functional


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[wall.Federation]:
    with wall.federation(tmp_path_factory.mktemp("f"), sites=3) as federation:
        wall.approved_study(federation, rounds=2, round_timeout_s=60)
        yield federation


def codes(node: wall.Node) -> list[object]:
    entries = SiteAudit(node.site.folder).entries()
    return [e.detail["code"] for e in entries if e.action == "ROUND_REFUSED"]


def engine_port(it: wall.Federation) -> int:
    assert it.process is not None
    (line,) = [p.cmdline() for p in it.process.family() if any("flower-superlink" in a for a in p.cmdline())]
    return int(line[line.index("--port") + 1])


def start_with(it: wall.Federation, control: EngineControl) -> tuple[RunFolder, int]:
    """A run submitted by this test's own hand, while the supervisor of runs stands still."""
    assert it.process is not None
    supervisor = psutil.Process(it.process.pids()["runs"])
    supervisor.suspend()
    folder = it.start_run()
    engine_run = control.start({"run-id": folder.run_id})
    at = utc_text(wall.now())
    folder.write_submission(Submission(engine_run=str(engine_run), attempts=1, rounds=0, submitted_at=at))
    supervisor.resume()
    return folder, engine_run


def test_hostile_bundle_is_neither_written_nor_run_at_a_site(it: wall.Federation, tmp_path: Path) -> None:
    """A bundle whose ClientApp and `myofed_node` would leave a file behind: no such file, no trace of it at any site."""
    mark = tmp_path / "ran"
    bundle = tmp_path / "bundle"
    shutil.copytree(BUNDLE, bundle, ignore=shutil.ignore_patterns("__pycache__"))
    evil = f"from pathlib import Path\nPath({str(mark)!r}).touch()\n"
    (bundle / "myofed_manifest" / "client_app.py").write_text(
        f"{evil}from flwr.clientapp import ClientApp\napp = ClientApp()\n"
    )
    (bundle / "myofed_node").mkdir()
    (bundle / "myofed_node" / "__init__.py").write_text(evil)
    control = EngineControl(f"127.0.0.1:{engine_port(it)}", ca=it.home.loopback_ca, bundle=bundle)
    folder, engine_run = start_with(it, control)
    wall.until(folder.is_locked, seconds=60, what="a ServerApp")
    assert it.finish(folder, seconds=60).state == "completed"
    wall.until(lambda: control.has_ended(engine_run), seconds=60, what="hostile run's end")
    for node in it.nodes.values():
        names = {path.name for path in node.site.folder.root.rglob("*")}
        assert not names & {"client_app.py", "server_app.py", "myofed_manifest", "myofed_node"}
    assert not mark.exists()


def test_site_that_took_its_approval_back_does_not_train_and_the_run_goes_on(it: wall.Federation) -> None:
    """Revoked on the site's own disk, before the coordinator could know: the next message is refused with a code."""
    node = it.nodes["site-c"]
    decision = node.site.folder.study(wall.STUDY) / "decision.json"
    kept = decision.read_bytes()
    tasks = node.tasks()
    folder = it.start_run()
    decision.unlink()
    status = it.finish(folder, seconds=60)
    decision.write_bytes(kept)
    assert (status.state, len(status.rounds)) == ("completed", 2)
    assert all(("site-c", "NOT_APPROVED") in [(e.site, e.code) for e in r.errors] for r in status.rounds)
    assert node.tasks() == tasks
    assert "NOT_APPROVED" in codes(node)


def test_manifest_changed_by_one_byte_is_not_trained_and_a_run_below_its_quorum_fails(it: wall.Federation) -> None:
    """Every site's stored manifest has one other digit: no site trains, the run fails with the sites' codes."""
    before = {node.name: node.tasks() for node in it.nodes.values()}
    stored = {n.name: n.site.folder.study(wall.STUDY) / "manifest-1.json" for n in it.nodes.values()}
    kept = {name: path.read_bytes() for name, path in stored.items()}
    for path in stored.values():
        path.write_bytes(path.read_bytes().replace(b'"batch_size":2', b'"batch_size":3'))
    folder = it.start_run()
    status = it.finish(folder, seconds=60)
    for name, path in stored.items():
        path.write_bytes(kept[name])
    assert (status.state, status.code) == ("failed", "QUORUM_LOST")
    errors = {(e.site, e.code) for e in read_events(folder) if e.event == "SITE_ERROR"}
    assert errors == {(name, "MANIFEST_CHANGED") for name in it.nodes}
    assert {node.name: node.tasks() for node in it.nodes.values()} == before
    lines = (it.home.runs / folder.run_id / "events.jsonl").read_text().splitlines()
    assert len(lines) >= len(errors)
    assert all(set(json.loads(line)) == {"at", "code", "event", "round", "site"} for line in lines)


def test_site_revoked_by_the_coordinator_is_out_at_its_next_request_and_the_run_goes_on(it: wall.Federation) -> None:
    """While site-c works, its certificate is revoked: the round ends without it, at once, and so does the next."""
    node = it.nodes["site-c"]
    node.pace(40)
    tasks = node.tasks()
    folder = it.start_run()
    wall.until(lambda: node.tasks() > tasks, seconds=60, what="site-c at work")
    it.services.enrolment.revoke("site-c", actor="test", now=wall.now())
    status = it.finish(folder, seconds=30)
    node.pace(0)
    assert status.state == "completed"
    assert [r.sites for r in status.rounds] == [("site-a", "site-b")] * 2
    assert [(e.site, e.code) for e in status.rounds[0].errors] == [("site-c", "SITE_REVOKED")]
    ledger = node.site.folder.ledger
    wall.until(lambda: b'"status":403' in ledger.read_bytes(), seconds=30, what="403 in the site's ledger")


def test_approval_of_a_demo_policy_is_the_only_way_below_the_floors(it: wall.Federation) -> None:
    """The sites of this test carry a demo policy; the manifest says demo as well, and the decision names its digest."""
    for node in it.nodes.values():
        state = Approvals(node.site.folder, node.site.config).show(wall.STUDY)
        assert node.site.config.policy.demo
        assert state.newest.manifest.demo
        assert state.decision is not None
        assert state.decision.digest == state.newest.digest
