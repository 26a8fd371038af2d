from __future__ import annotations

from pathlib import Path

import pytest
from anonymization_factories import policy_with
from pydantic import ValidationError

from myofed_anonymization.policy import Policy, default_policy, load_policy
from myofed_schemas.errors import MyofedError


def default_text() -> str:
    import myofed_anonymization

    return (Path(myofed_anonymization.__file__).parent / "policies" / "default.yaml").read_text()


@pytest.mark.parametrize(
    "text",
    [
        "][",
        "- a list",
        "version: x",
        default_text() + "\nunknown_line: 1\n",
        default_text().replace("age_cap_years: 90", "age_cap_years: 120"),
    ],
)
def test_a_policy_with_a_line_that_is_not_allowed_is_refused(tmp_path: Path, text: str) -> None:
    """Unknown, missing and impossible lines are named, and no value is shown."""
    path = tmp_path / "site.yaml"
    path.write_text(text)
    with pytest.raises(MyofedError) as refusal:
        load_policy(path)
    assert refusal.value.code == "POLICY_INVALID"
    assert "120" not in str(refusal.value)


def test_the_shipped_policy_is_the_default(tmp_path: Path) -> None:
    """A copy of the shipped file is the same policy with the same digest."""
    path = tmp_path / "copy.yaml"
    path.write_text(default_text())
    assert load_policy(path) == default_policy()
    assert load_policy(path).digest() == default_policy().digest()


def test_every_setting_changes_the_digest() -> None:
    """Two policies that differ in one word have different digests."""
    assert policy_with(age_cap_years=89).digest() != default_policy().digest()


def test_every_line_of_the_shipped_policy_is_explained() -> None:
    """Each setting stands in the YAML with a comment on its line, the line before or the block's head."""
    lines = default_text().splitlines()
    for name in Policy.model_fields:
        index = next(number for number, line in enumerate(lines) if line.startswith(f"{name}:"))
        assert any("#" in line for line in lines[max(0, index - 4) : index + 1]), name


@pytest.mark.parametrize(
    "change",
    [
        {"word_forms": ["[123"]},
        {"word_forms": [".*"]},
        {"software_forms": ["[a-z]+"]},
        {"value_forms": ["[0-9]+"]},
        {"sop_classes": ["1.2.840.10008.5.1.4.1.1.2"]},
    ],
)
def test_a_form_that_lets_anything_through_is_refused(change: dict[str, object]) -> None:
    """A slip in a policy must not open every text, nor promise what is not supported."""
    with pytest.raises(ValidationError):
        Policy.model_validate({**default_policy().model_dump(), **change})


def test_a_policy_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """With the code of a bad policy, not with a fault."""
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(MyofedError, match="POLICY_INVALID"):
        load_policy(path)
