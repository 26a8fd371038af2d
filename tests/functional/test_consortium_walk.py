"""The acceptance walk by page on SQLite; by command, and on PostgreSQL, it is `make prove NAME=consortium`."""

from __future__ import annotations

from pathlib import Path

import consortium_walk as consortium
import pages_harness as harness
import pytest

pytestmark = [
    pytest.mark.functional,
    pytest.mark.slow,
    pytest.mark.skipif(not Path(harness.CHROMIUM).exists(), reason="no chromium on this machine (make system-deps)"),
]


def test_two_hospitals_join_are_counted_decide_and_one_is_revoked_by_page(tmp_path: Path) -> None:
    """Two nodes as processes; everything the coordinator does is done in a browser; nothing grave on any page passed."""
    with (
        consortium.consortium(tmp_path) as it,
        harness.browser() as opened,
        consortium.by_page(it, opened, tmp_path) as hands,
    ):
        consortium.walk(it, hands, tmp_path)
        assert hands.grave == []
        assert hands.pictures >= 3
