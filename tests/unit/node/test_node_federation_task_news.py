"""When the executor asks the SuperNode for a task."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from myofed_node.federation.task_news import SELDOM_S, SOON_S, TaskNews, announce


@dataclass
class Time:
    """Stands still."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_without_news_it_asks_all_the_same_but_seldom(tmp_path: Path) -> None:
    """News can be lost: a full disk, an egress that ended between the answer and the news."""
    time = Time()
    news = TaskNews(tmp_path / "none" / "news", time)
    announce(tmp_path / "none" / "news")
    assert news.due()
    assert not news.due()
    time.now += SELDOM_S
    assert news.due()


def test_after_news_it_asks_until_the_task_has_come_or_time_is_over(tmp_path: Path) -> None:
    """The SuperNode still pulls the rest of the message when the egress says so."""
    time, path = Time(), tmp_path / "news"
    news = TaskNews(path, time)
    announce(path)
    assert all(news.due() for _ in range(3))
    news.found()
    assert not news.due()
    os.utime(path, ns=(1, 1))  # another time, whatever the clock of this disk can tell apart
    assert all(news.due() for _ in range(3))
    time.now += SOON_S
    assert [news.due(), news.due()] == [True, False]
