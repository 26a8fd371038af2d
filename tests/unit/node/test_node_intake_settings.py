"""Nobody may send until the site names who; what a person mistypes is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from myofed_node.config import SiteConfig, load_config, render_config
from myofed_node.intake.settings import IntakeSettings, Peer

PEER = {"ae_title": "MR1", "networks": ["10.1.2.0/24", "192.168.1.7"]}


def test_port_is_closed_until_a_site_opens_it() -> None:
    """A new site takes nothing in by network, and has no legal basis."""
    fresh = SiteConfig(site="alpha").intake
    assert (fresh.port, fresh.peers, fresh.legal_basis) == (None, (), None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 11112},
        {"port": 0, "peers": [PEER]},
        {"peers": [{"ae_title": "MR1", "networks": []}]},
        {"peers": [{"ae_title": "M" * 17, "networks": ["10.0.0.1"]}]},
        {"peers": [{"ae_title": "MR1", "networks": ["scanner.clinic.example"]}]},
        {"address": "localhost"},
        {"legal_basis": "because"},
        {"quiet_s": 0},
    ],
)
def test_wrong_setting_is_refused(wrong: dict[str, object]) -> None:
    """A port that nobody may use, names in place of addresses, a basis that is none."""
    with pytest.raises(ValidationError):
        IntakeSettings.model_validate(wrong)


@pytest.mark.parametrize(
    ("name", "address", "admitted"),
    [
        ("MR1", "10.1.2.9", True),
        ("MR1", "192.168.1.7", True),
        ("MR1", "10.1.3.9", False),
        ("MR2", "10.1.2.9", False),
        ("MR1", "::1", False),
    ],
)
def test_peer_is_a_name_and_where_it_calls_from(name: str, address: str, admitted: bool) -> None:
    """Both have to be right."""
    settings = IntakeSettings.model_validate({"port": 11112, "peers": [PEER]})
    assert settings.admits(ae_title=name, address=address) is admitted
    assert settings.is_known("10.1.2.200")
    assert not settings.is_known("172.16.0.1")
    assert Peer.model_validate(PEER).admits(ae_title=name, address=address) is admitted


def test_settings_survive_the_file(tmp_path: Path) -> None:
    """As `init` writes them and a person edits them."""
    settings = IntakeSettings.model_validate({"port": 11112, "peers": [PEER], "legal_basis": "consent"})
    path = tmp_path / "config.yaml"
    path.write_text(render_config(SiteConfig(site="alpha", intake=settings)))
    assert load_config(path).intake == settings
