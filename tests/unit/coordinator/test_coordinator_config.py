"""The coordinator's configuration: refusals, and a file that explains itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from myofed_coordinator.config import CoordinatorConfig, check_reachable, load_config, save_config
from myofed_coordinator.home import HomeFolder
from myofed_schemas.errors import MyofedError


@pytest.mark.parametrize(
    "text", ["", "[]", "a: b: c", "unknown: 1", "people: nowhere", 'database_url: "mysql://u:secret@h/d"']
)
def test_configuration_that_does_not_hold_is_refused(tmp_path: Path, text: str) -> None:
    """Unknown and wrong settings are named, their values (a password may be among them) are not."""
    home = HomeFolder(tmp_path)
    home.config.write_text(text)
    with pytest.raises(MyofedError, match="CONFIG_INVALID") as caught:
        load_config(home)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "127.0.0.256:8443", "999.0.0.1:1"])
def test_address_that_cannot_be_is_refused(tmp_path: Path, address: str) -> None:
    """Found when it is set, not when `up` fails to listen; the message says what was expected."""
    home = HomeFolder(tmp_path)
    home.config.write_text(f'people: "{address}"')
    with pytest.raises(MyofedError, match="people: expected IPv4:port, with octets up to 255"):
        load_config(home)


def test_folder_without_configuration_is_no_home(tmp_path: Path) -> None:
    """The error says how a home is made."""
    with pytest.raises(MyofedError, match="NOT_A_HOME"):
        load_config(HomeFolder(tmp_path))


def test_listening_everywhere_needs_a_public_name() -> None:
    """An invite never says 0.0.0.0."""
    everywhere = CoordinatorConfig(people="0.0.0.0:1", sites="0.0.0.0:2")
    with pytest.raises(MyofedError, match="CONFIG_PUBLIC_NAME"):
        check_reachable(everywhere)
    named = everywhere.model_copy(update={"public_names": ("myofed.example.org", "10.0.0.5")})
    check_reachable(named)
    assert (named.people_url, named.sites_url) == ("https://myofed.example.org:1", "https://myofed.example.org:2")


def test_configuration_comes_back_as_written_with_every_setting_explained(tmp_path: Path) -> None:
    """Round trip; each setting has a comment line above it."""
    home = HomeFolder(tmp_path)
    config = CoordinatorConfig(public_names=("a.example",), engine_port=9, demo=True)
    save_config(home, config)
    assert load_config(home) == config
    lines = home.config.read_text().splitlines()[1:]
    assert [line.startswith("#") for line in lines] == [True, False] * len(CoordinatorConfig.model_fields)
