"""Making and opening a site folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import myofed_node.audit
import myofed_node.keys
import myofed_node.site_setup
import myofed_node.store
from myofed_node.audit import SiteAudit
from myofed_node.config import DEMO_POLICY, SiteConfig
from myofed_node.site_folder import SiteFolder
from myofed_node.site_setup import UNFINISHED, look_into_site, make_site, open_site
from myofed_schemas.errors import MyofedError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONFIG = SiteConfig(site="alpha", policy=DEMO_POLICY)


class Killed(BaseException):
    """Stands for SIGKILL at a chosen step."""


def test_folder_that_is_not_empty_is_refused_and_left_alone(tmp_path: Path) -> None:
    """An init never touches what is there."""
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(MyofedError) as caught:
        make_site(tmp_path, config=CONFIG, now=NOW)
    assert caught.value.code == "SITE_FOLDER_NOT_EMPTY"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


def test_finished_site_is_not_made_again(tmp_path: Path) -> None:
    """A second init is refused and no key changes."""
    site = make_site(tmp_path / "a", config=CONFIG, now=NOW)
    before = site.folder.deid_key.read_bytes()
    with pytest.raises(MyofedError, match="empty folder"):
        make_site(tmp_path / "a", config=CONFIG, now=NOW)
    assert site.folder.deid_key.read_bytes() == before


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (myofed_node.keys, "make_site_keys"),
        (myofed_node.store, "SiteStore"),
        (myofed_node.site_setup, "write_config"),
        (myofed_node.audit, "SiteAudit"),
    ],
)
def test_killed_init_is_finished_by_the_next_with_the_same_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    """Whatever step it died before: no command takes the folder, the same init completes it, keys stay."""

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, name, die)
        with pytest.raises(Killed):
            make_site(tmp_path / "a", config=CONFIG, now=NOW)
    with pytest.raises(MyofedError) as caught:
        open_site(tmp_path / "a")
    assert caught.value.code == "SITE_UNFINISHED"
    key = SiteFolder(tmp_path / "a").deid_key
    before = key.read_bytes() if key.exists() else None
    site = make_site(tmp_path / "a", config=CONFIG, now=NOW)
    assert before in (None, key.read_bytes())
    assert open_site(tmp_path / "a") == site
    assert SiteAudit(site.folder).verify().sequence == 1


def test_new_site_is_private_and_complete(tmp_path: Path) -> None:
    """The folder is 0700, the marker is gone, settings and store are there."""
    site = make_site(tmp_path / "deep" / "a", config=CONFIG, now=NOW)
    assert site.folder.root.stat().st_mode & 0o777 == 0o700
    assert not (site.folder.root / UNFINISHED).exists()
    assert open_site(site.folder.root).config == CONFIG
    assert site.folder.store.stat().st_mode & 0o777 == 0o600


def test_key_of_a_site_of_version_0_1_is_moved_when_the_site_is_opened(tmp_path: Path) -> None:
    """Same bytes, in the folder that is kept from the services; a service only looks and moves nothing."""
    folder = make_site(tmp_path / "a", config=CONFIG, now=NOW).folder
    key = folder.deid_key.read_bytes()
    folder.deid_key.rename(folder.early_deid_key)
    folder.deid_keys.rmdir()
    look_into_site(folder.root)
    assert folder.early_deid_key.exists()
    open_site(folder.root)
    assert folder.deid_key.read_bytes() == key
    assert not folder.early_deid_key.exists()
