"""The sign of life carries versions and a code."""

from __future__ import annotations

from site_factories import NOW, NOW_TEXT

from myofed_node.heartbeat import heartbeat


def test_heartbeat_carries_versions_a_code_and_a_time_only() -> None:
    """No name, count or path of the site is in it."""
    beat = heartbeat("UP", now=NOW).model_dump()
    assert set(beat) == {"myofed_version", "flwr_version", "state", "sent_at"}
    assert (beat["flwr_version"], beat["state"], beat["sent_at"]) == ("1.41.0", "UP", NOW_TEXT)
