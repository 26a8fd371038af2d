"""The ServerApp's entry point."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from wall_examples import make_run

from myofed_coordinator.federation import server_app
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.runs.folder import RunFolder
from myofed_schemas.errors import MyofedError


@pytest.fixture
def database_url() -> None:
    """No table is looked at here: SQLite is enough."""


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, home: HomeFolder) -> list[str]:
    """Ids of the runs whose rounds were run; the rounds themselves are made up."""
    done: list[str] = []

    class FakeLoop:
        def __init__(self, folder: RunFolder, engine: Any, pace: Any) -> None:
            assert folder.is_locked()
            assert pace.clock.monotonic() <= pace.clock.monotonic()
            assert pace.clock.now().tzinfo is not None
            done.append(folder.run_id)

        def run(self) -> None:
            return

    monkeypatch.setenv("MYOFED_HOME", str(home.root))
    monkeypatch.setattr(server_app, "RoundLoop", FakeLoop)
    monkeypatch.setattr(server_app, "die_with_parent", lambda: None)
    return done


def context(run_id: object) -> Any:
    return SimpleNamespace(run_config={"run-id": run_id})


@pytest.mark.parametrize("run_id", ["", "../../etc", "run-../x0123456", 7])
def test_run_config_that_names_no_run_is_refused(ran: list[str], run_id: object) -> None:
    """Whoever submits to the engine cannot point the ServerApp at another folder."""
    with pytest.raises(MyofedError) as caught:
        server_app.main(SimpleNamespace(), context(run_id))
    assert caught.value.code == "RUN_ID"
    assert ran == []


def test_run_that_another_server_app_holds_is_refused(ran: list[str], home: HomeFolder) -> None:
    """A run is run once at a time, however often it is submitted."""
    folder = make_run(home.runs)
    with folder.locked(), pytest.raises(MyofedError) as caught:
        server_app.main(SimpleNamespace(), context(folder.run_id))
    assert caught.value.code == "RUN_LOCKED"
    assert ran == []


def test_named_run_is_run_under_its_lock(ran: list[str], home: HomeFolder) -> None:
    """And the lock is free afterwards."""
    folder = make_run(home.runs)
    server_app.main(SimpleNamespace(), context(folder.run_id))
    assert ran == [folder.run_id]
    assert not folder.is_locked()
    server_app.SystemClock().sleep(0)
