"""What the status page gathers: times in words, states of processes, runs whose study is gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from coordinator_factories import NOW, FakeSite

from myofed_coordinator.models.models import ModelRow
from myofed_coordinator.runs.folder import RunFolder
from myofed_coordinator.services import Services, open_runs
from myofed_coordinator.web.overview import elapsed, overview
from myofed_schemas.federation import Heartbeat, RunStatus
from myofed_schemas.model import ModelRecord, ModelStatement


@pytest.mark.parametrize(
    ("past", "text"),
    [
        (timedelta(seconds=-5), "0 s ago"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(seconds=60), "1 min ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=9), "9 d ago"),
    ],
)
def test_time_is_told_in_one_unit(past: timedelta, text: str) -> None:
    """The largest unit that fits; a clock that runs ahead is "now"."""
    assert elapsed(past) == text


@pytest.mark.parametrize(("past", "online"), [(timedelta(seconds=30), True), (timedelta(minutes=5), False)])
def test_site_counts_as_connected_while_it_is_heard(
    services: Services, enrol: Callable[[str], FakeSite], past: timedelta, online: bool
) -> None:
    """Ninety seconds of silence, and it is away; a revoked site is away at once."""
    enrol("hospital-a")
    beat = Heartbeat(myofed_version="0.1.0", flwr_version="1.41.0", state="READY", sent_at="2026-11-22T12:00:00Z")
    services.enrolment.note_heartbeat("hospital-a", beat, now=NOW - past)
    assert overview(services, open_runs(services), now=NOW).sites[0].online is online
    services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    assert not overview(services, open_runs(services), now=NOW).sites[0].online


def test_states_of_processes_come_from_up_and_broken_ones_from_nobody(services: Services) -> None:
    """While `up` does not run, or its file is not of this version, no process is claimed to be ready."""
    runs = open_runs(services)
    assert overview(services, runs, now=NOW).children == {}
    services.home.status.write_text("{}")
    assert overview(services, runs, now=NOW).children == {}
    services.home.status.write_text(json.dumps({"children": {"superlink": "ready"}, "pids": {"superlink": 1}}))
    assert overview(services, runs, now=NOW).children == {"superlink": "ready"}


def test_model_without_its_study_is_still_shown(services: Services) -> None:
    """A restored model whose manifest is unknown here appears, and nobody says that it may be released."""
    statement = ModelStatement(
        sha256="a" * 64,
        size_bytes=1,
        study_id="thigh-muscles",
        manifest_digest="b" * 64,
        run_id="run-0a1b2c3d",
        rounds=1,
        registered_at="2026-11-22T12:00:00Z",
    )
    record = ModelRecord(statement=statement, signature="c" * 128, signer="d" * 64)
    with services.database.write() as session:
        session.add(
            ModelRow(
                sha256=statement.sha256,
                run_id=statement.run_id,
                study_id=statement.study_id,
                registered_at=statement.registered_at,
                record=record.model_dump_json(),
            )
        )
    (shown,) = overview(services, open_runs(services), now=NOW).models
    assert (shown.record, shown.release) == (record, "unknown")


def test_run_without_its_study_is_still_shown(services: Services) -> None:
    """A restored run whose manifest is unknown here appears with its rounds."""
    folder = RunFolder(services.home.run_folder("run-0a1b2c3d"))
    folder.root.mkdir()
    folder.write_status(
        RunStatus(
            run_id="run-0a1b2c3d", study_id="gone", manifest_digest="a" * 64, state="failed", code="RUN_LOST", rounds=()
        )
    )
    shown = overview(services, open_runs(services), now=NOW).runs
    assert [(run.status.run_id, run.planned) for run in shown] == [("run-0a1b2c3d", 1)]
