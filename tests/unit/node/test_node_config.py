"""The settings file: fail closed below the floors, every key documented, what is written is read back."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from myofed_node.config import (
    COMMENTS,
    DEMO_POLICY,
    DatasetSettings,
    PrivacyFloor,
    SiteConfig,
    SitePolicy,
    VaultSettings,
    load_config,
    render_config,
    write_config,
)
from myofed_schemas.errors import MyofedError


@pytest.mark.parametrize("low", [{"minimum_subjects": 9}, {"card_k": 9}, {"card_round_to": 4}])
def test_policy_below_a_floor_is_refused_unless_it_calls_itself_demo(low: dict[str, int]) -> None:
    """Only a policy marked demo can go below a floor."""
    with pytest.raises(ValidationError, match="demo"):
        SitePolicy.model_validate(low)
    assert SitePolicy.model_validate({**low, "demo": True}).demo


def test_empty_cells_are_told_in_a_demonstration_only() -> None:
    """A withheld cell that is known not to be empty is small: the attack recovers it."""
    with pytest.raises(ValidationError, match="zeros_told is true, expected false"):
        SitePolicy(zeros_told=True)
    assert SitePolicy(zeros_told=True, demo=True).cube().zeros_told


def test_capturing_bodies_needs_a_demo_policy() -> None:
    """Copies of what leaves are kept for synthetic patients only."""
    with pytest.raises(ValidationError, match="capture_egress"):
        SiteConfig(site="alpha", capture_egress=True)
    assert SiteConfig(site="alpha", capture_egress=True, policy=DEMO_POLICY).capture_egress


def test_vault_is_off_by_default_and_whole_when_on() -> None:
    """Nobody gets a vault without asking for one; one without a folder or a key is a mistake."""
    assert not SiteConfig(site="alpha").vault.enabled
    assert SiteConfig(site="alpha").pseudonyms is None
    for part in ({"folder": "vault"}, {"key_file": "/media/a/vault.key"}, {}):
        with pytest.raises(ValidationError, match="folder and key_file"):
            VaultSettings.model_validate({"enabled": True, **part})
    assert VaultSettings(enabled=True, folder="vault", key_file="/media/a/vault.key").enabled


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("site: Bad Name\n", "site"),
        ("- 1\n", "the file"),
        ("site: alpha\npolicy:\n  card_q: 3\n", "policy.card_q"),
        ("{", "not YAML"),
    ],
)
def test_invalid_settings_are_refused_by_key(tmp_path: Path, text: str, named: str) -> None:
    """The refusal names the key at fault and not its value."""
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(MyofedError) as caught:
        load_config(path)
    assert caught.value.code == "SITE_CONFIG_INVALID"
    assert named in caught.value.message
    assert "Bad Name" not in str(caught.value)


def test_folder_without_settings_is_no_site(tmp_path: Path) -> None:
    """A missing file has its own code."""
    with pytest.raises(MyofedError) as caught:
        load_config(tmp_path / "config.yaml")
    assert caught.value.code == "SITE_CONFIG_MISSING"


def test_written_settings_are_read_back(tmp_path: Path) -> None:
    """YAML out and in gives the same settings, lists and null included."""
    config = SiteConfig(
        site="alpha",
        dataset=DatasetSettings(title="Thigh (3 T), adults", duo=("DUO:0000042",), diagnoses=("ORPHA:98473",)),
        outbound_proxy="http://proxy.example:3128",
    )
    write_config(tmp_path / "config.yaml", config)
    assert load_config(tmp_path / "config.yaml") == config


def _keys(model: BaseModel, prefix: str = "") -> set[str]:
    found = set()
    for name in type(model).model_fields:
        found.add(f"{prefix}{name}")
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            found |= _keys(value, f"{prefix}{name}.")
    return found


def test_every_key_is_documented_in_the_file_and_nothing_else_is() -> None:
    """The comment list and the settings have the same keys, and each comment stands in the file."""
    config = SiteConfig(site="alpha")
    assert set(COMMENTS) == _keys(config)
    text = render_config(config)
    assert all(f"# {comment}" in text for comment in COMMENTS.values())


def test_privacy_floor_is_read_as_it_was_written_and_needs_all_its_numbers(tmp_path: Path) -> None:
    """A floor without a number would be no floor; the delta has a strict default."""
    floor = PrivacyFloor(level="update", max_clip_norm=1.0, min_noise_multiplier=4.0, max_epsilon=8.0)
    config = SiteConfig(site="alpha", policy=SitePolicy(privacy_floor=floor))
    write_config(tmp_path / "config.yaml", config)
    found = load_config(tmp_path / "config.yaml").policy.privacy_floor
    assert found == floor
    assert floor.max_delta == 1e-5
    for missing in ("level", "max_clip_norm", "min_noise_multiplier", "max_epsilon"):
        with pytest.raises(ValidationError):
            PrivacyFloor.model_validate(floor.model_dump(exclude={missing}))
