"""Stores of released versions open today."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from myofed_node.store import SiteStore

FIXTURES = Path(__file__).parents[2] / "fixtures"
RELEASES = sorted(path.parent.name for path in FIXTURES.glob("v*/site.sqlite"))


def test_every_release_left_a_store() -> None:
    """0 of 0 opened is a failure."""
    assert "v0.1.0" in RELEASES


@pytest.mark.parametrize("release", RELEASES)
def test_store_of_a_release_is_read_as_it_was_written(release: str, tmp_path: Path) -> None:
    """One ingest, its eleven series and the published card are all there."""
    path = tmp_path / "site.sqlite"
    shutil.copy(FIXTURES / release / "site.sqlite", path)
    store = SiteStore(path)
    assert len(store.ingests()) == 1
    assert len(store.all_series()) == 11
    card = store.latest_card()
    assert card is not None
    assert card.version == 1
