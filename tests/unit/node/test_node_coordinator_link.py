"""The file that says the site is enrolled."""

from __future__ import annotations

from pathlib import Path

import pytest

from myofed_node.coordinator_link import CoordinatorLink, load_link, save_link
from myofed_node.site_folder import SiteFolder
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

LINK = CoordinatorLink(
    site="alpha",
    people_url="https://127.0.0.1:8443",
    sites_url="https://127.0.0.1:8444",
    coordinator_key="0" * 64,
    joined_at="2026-01-01T00:00:00Z",
)


def test_site_that_never_joined_is_not_enrolled(tmp_path: Path) -> None:
    """The refusal says which command is missing."""
    with pytest.raises(MyofedError) as caught:
        load_link(SiteFolder(tmp_path))
    assert (caught.value.code, caught.value.exit_code) == ("NOT_ENROLLED", ExitCode.NOT_ENROLLED)
    assert "join" in caught.value.hint


def test_damaged_link_is_refused(tmp_path: Path) -> None:
    """No half of it is used."""
    SiteFolder(tmp_path).coordinator.write_text('{"site": "alpha"}')
    with pytest.raises(MyofedError) as caught:
        load_link(SiteFolder(tmp_path))
    assert caught.value.code == "COORDINATOR_LINK_INVALID"


def test_saved_link_is_loaded(tmp_path: Path) -> None:
    """What was written is read."""
    save_link(SiteFolder(tmp_path), LINK)
    assert load_link(SiteFolder(tmp_path)) == LINK
