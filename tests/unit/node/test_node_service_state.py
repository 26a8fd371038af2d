"""The last beat on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_factories import NOW_TEXT, demo_site

from myofed_node.service_state import ServiceState, load_service_state, save_service_state


@pytest.mark.parametrize("content", [None, b"{", b"{}"])
def test_state_that_is_not_there_or_damaged_is_none(tmp_path: Path, content: bytes | None) -> None:
    """It lives only while `up` runs; the next beat writes it anew."""
    folder = demo_site(tmp_path / "a").folder
    if content is not None:
        folder.service_state.write_bytes(content)
    assert load_service_state(folder) is None


def test_saved_state_is_loaded(tmp_path: Path) -> None:
    """What was written is read."""
    folder = demo_site(tmp_path / "a").folder
    state = ServiceState(at=NOW_TEXT, code="OK", clock_skew_s=-1)
    save_service_state(folder, state)
    assert load_service_state(folder) == state
