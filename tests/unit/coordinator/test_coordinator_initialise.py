"""A new home: what is refused, and that no secret is open to others."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from coordinator_factories import HOUR, NOW

from myofed_coordinator.config import CoordinatorConfig, load_config
from myofed_coordinator.doctor import examine
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.initialise import initialise
from myofed_coordinator.services import Services
from myofed_schemas.errors import MyofedError


def test_folder_with_something_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Nothing is added to a folder that is not empty."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(MyofedError, match="HOME_NOT_EMPTY"):
        initialise(tmp_path, CoordinatorConfig(), actor="admin", now=NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_secrets_are_private_and_the_loopback_authority_has_no_key(home: HomeFolder) -> None:
    """Home and keys 0700, every key file 0600; nobody can sign a second loopback certificate."""
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.keys.stat().st_mode) == 0o700
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.keys.iterdir()}
    assert set(files.values()) == {0o600}
    assert "loopback-ca.key" not in files
    assert len(home.admin_token.read_text()) >= 43


def test_two_homes_share_no_secret(tmp_path: Path) -> None:
    """Every key and token is new in every home."""
    homes = [initialise(tmp_path / name, CoordinatorConfig(), actor="admin", now=NOW) for name in ("a", "b")]
    for path in homes[0].keys.iterdir():
        assert path.read_bytes() != (homes[1].keys / path.name).read_bytes()


@pytest.mark.parametrize("step", ["_make_keys", "open_tables", "create_tables", "AuditLog", "save_config"])
def test_init_that_was_cut_short_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Killed before any step, the folder is no home, and the next call makes it whole."""

    def killed(*_arguments: object, **_named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"myofed_coordinator.initialise.{step}", killed)
        with pytest.raises(KeyboardInterrupt):
            initialise(tmp_path / "home", CoordinatorConfig(), actor="admin", now=NOW)
    with pytest.raises(MyofedError, match="NOT_A_HOME"):
        load_config(HomeFolder(tmp_path / "home"))
    home = initialise(tmp_path / "home", CoordinatorConfig(), actor="admin", now=NOW)
    assert examine(home, load_config(home), now=NOW).healthy
    assert not list(home.root.glob(".*"))


def test_finished_home_is_never_made_again(home: HomeFolder) -> None:
    """Also with the mark of a cut-short call beside it, a home with a configuration stays as it is."""
    (home.root / ".unfinished").touch()
    key = home.ca_key.read_bytes()
    with pytest.raises(MyofedError, match="HOME_NOT_EMPTY"):
        initialise(home.root, CoordinatorConfig(), actor="admin", now=NOW)
    assert home.ca_key.read_bytes() == key


def test_database_of_another_coordinator_is_refused(services: Services, tmp_path: Path) -> None:
    """Two homes never share sites; the other home's tables stay as they are."""
    services.enrolment.create_invite("hospital-a", actor="admin", now=NOW, valid=HOUR)
    config = services.config.model_copy(update={"database_url": services.config.database(services.home)})
    with pytest.raises(MyofedError, match="DATABASE_IN_USE"):
        initialise(tmp_path / "second", config, actor="admin", now=NOW)
    assert len(services.enrolment.list_sites()) == 1
