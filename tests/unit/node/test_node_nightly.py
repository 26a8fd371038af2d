"""The nightly rebuild: at the site's own time, in its own process, and only of what a person published."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from site_factories import NOW, FakeCoordinator, Scan, demo_site, write_image, write_labels

import myofed_node.publish
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.nightly import Nightly, next_time, nightly_chores, rebuild
from myofed_node.publish import Publisher
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import ImageName, Suffix
from myofed_schemas.rules import ValidationReport


class _Process:
    def __init__(self, status: int | None) -> None:
        self.status = status

    def poll(self) -> int | None:
        return self.status


@pytest.mark.parametrize(("hour", "day"), [(1, 1), (3, 2)])
def test_rebuild_is_due_at_the_next_half_past_two(hour: int, day: int) -> None:
    """Before it on the same day, after it on the next."""
    due = next_time(datetime(2026, 1, 1, hour, tzinfo=UTC), "02:30")
    assert due == datetime(2026, 1, day, 2, 30, tzinfo=UTC)


def test_site_without_a_time_has_no_nightly_chore(tmp_path: Path) -> None:
    """`publish_at: null` leaves it to people."""
    assert nightly_chores(demo_site(tmp_path / "a", publish_at=None), now=NOW) == []
    assert nightly_chores(demo_site(tmp_path / "b"), now=NOW)[0].due == next_time(NOW, "02:30")


def test_failure_of_the_night_before_is_told_and_the_next_begins(tmp_path: Path) -> None:
    """The service shows the code, and tries again."""
    started: list[list[str]] = []
    ends = iter([_Process(1), _Process(0), _Process(None)])

    def start(command: list[str]) -> _Process:
        started.append(command)
        return next(ends)

    nightly = Nightly(tmp_path, start)  # type: ignore[arg-type]  all that is used of a process
    nightly.begin(NOW)
    with pytest.raises(MyofedError, match="PUBLISH_FAILED"):
        nightly.begin(NOW)
    nightly.begin(NOW)
    assert started == [[sys.executable, "-m", "myofed_node.nightly", str(tmp_path)]] * 3


def test_only_what_a_person_published_is_rebuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a first card nor a withdrawn one leaves by itself."""
    report = ValidationReport(checks=1, images=1, findings=())
    monkeypatch.setattr(myofed_node.publish, "validate", lambda _dataset: report)
    coordinator = FakeCoordinator()
    publisher = Publisher(demo_site(tmp_path / "a"), CoordinatorApi(coordinator))  # type: ignore[arg-type]
    for number in range(4):
        write_image(publisher.site.folder.dataset, Scan(number, ImageName(f"S{number}", "A", Suffix.MEGRE)))
        write_labels(publisher.site.folder.dataset, f"S{number}")
    assert rebuild(publisher, now=NOW) is None
    publisher.publish(now=NOW)
    again = rebuild(publisher, now=NOW)
    assert again is not None
    assert again.state == "unchanged"
    publisher.withdraw(now=NOW)
    assert rebuild(publisher, now=NOW) is None
