"""Settings given to init."""

from __future__ import annotations

import pytest

from myofed_node.settings import initial_config
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode


@pytest.mark.parametrize(
    "setting",
    ["colour=blue", "policy.demo", "policy.card_k=3", "a.b.c=1", "site.name=x", "=1", "dataset.title=[", "policy=7"],
)
def test_setting_that_is_none_is_refused(setting: str) -> None:
    """Unknown keys, no value, a value below the floor or of another form: exit 2."""
    with pytest.raises(MyofedError) as caught:
        initial_config("alpha", demo=False, settings=[setting])
    assert (caught.value.code, caught.value.exit_code) == ("SETTING_INVALID", ExitCode.USAGE)


def test_name_that_is_no_site_name_is_refused_without_showing_it() -> None:
    """A folder's name may be anything; it is not repeated."""
    with pytest.raises(MyofedError) as caught:
        initial_config("Dr. Doe's folder", demo=False, settings=[])
    assert "Doe" not in str(caught.value)


def test_settings_are_applied_over_the_policy() -> None:
    """Strings, lists and numbers are YAML."""
    given = ["dataset.title=Thigh MRI", "dataset.duo=[DUO:0000042]", "policy.card_k=4", "capture_egress=true"]
    config = initial_config("alpha", demo=True, settings=given)
    assert (config.dataset.title, config.dataset.duo, config.policy.card_k) == ("Thigh MRI", ("DUO:0000042",), 4)
    assert config.capture_egress


def test_hospital_starts_with_the_floors() -> None:
    """Without a word, the policy is one for real patients."""
    config = initial_config("alpha", demo=False, settings=[])
    assert not config.policy.demo
    assert (config.policy.card_k, config.policy.minimum_subjects) == (10, 40)
