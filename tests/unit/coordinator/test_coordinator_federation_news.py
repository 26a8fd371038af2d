"""Word between the ServerApp and the sites' port."""

from __future__ import annotations

import os
from pathlib import Path

from myofed_coordinator.federation.news import Doze, News


def doze_with(path: Path, *, news_at: tuple[float, ...]) -> float:
    """Seconds until the doze ends when news comes at these seconds."""
    passed = 0.0

    def sleep(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        if any(passed - seconds < at <= passed for at in news_at):
            path.touch()
            os.utime(path, ns=(0, round(passed * 1e9)))

    Doze(News(path), sleep=sleep)()
    return round(passed, 2)


def test_doze_without_news_ends_all_the_same(tmp_path: Path) -> None:
    """Lost news costs time, never a message."""
    assert doze_with(tmp_path / "news", news_at=()) == 1.5


def test_doze_ends_soon_after_the_last_of_some_news(tmp_path: Path) -> None:
    """A reply comes in several requests; it is asked for after the last."""
    assert doze_with(tmp_path / "a", news_at=(0.2,)) <= 0.45
    assert 0.5 < doze_with(tmp_path / "b", news_at=(0.2, 0.3, 0.4)) <= 0.7


def test_news_that_came_before_the_next_doze_is_not_lost(tmp_path: Path) -> None:
    """What was announced while the ServerApp was busy ends the next doze at once."""
    news, passed = News(tmp_path / "news"), []
    doze = Doze(news, sleep=passed.append)
    news.announce()
    doze()
    assert sum(passed) < 0.5
