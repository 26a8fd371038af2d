"""The settings a new site starts with: defaults, a demonstration's policy, and KEY=VALUE from the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from myofed_node.config import DEMO_POLICY, SiteConfig, SitePolicy
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

DEMO_HEARTBEAT_S = 3
"""A demonstration waits for nothing."""


def initial_config(site: str, *, demo: bool, settings: Iterable[str]) -> SiteConfig:
    """The checked settings of a new site.

    Args:
        site: Its name in the consortium.
        demo: Start from the demonstration's policy.
        settings: `key=value` or `group.key=value`, the value as YAML; applied in order.

    Raises:
        MyofedError: SETTING_INVALID, naming the keys at fault and no value.
    """
    policy = DEMO_POLICY if demo else SitePolicy()
    document: dict[str, Any] = {"site": site, "policy": policy.model_dump()}
    if demo:
        document["heartbeat_s"] = DEMO_HEARTBEAT_S
    for setting in settings:
        _apply(document, setting)
    try:
        return SiteConfig.model_validate(document)
    except ValidationError as error:
        keys = sorted({".".join(str(part) for part in item["loc"]) or "the whole" for item in error.errors()})
        reasons = "; ".join(str(item["msg"]) for item in error.errors())
        raise _invalid(f"defects in {', '.join(keys)}: {reasons}") from None


def _apply(document: dict[str, Any], setting: str) -> None:
    import yaml

    key, separator, text = setting.partition("=")
    group, _, inner = key.rpartition(".")
    if not separator or not inner or "." in group:
        raise _invalid("one without = or with more than one dot")
    target = document.setdefault(group, {}) if group else document
    if not isinstance(target, dict):
        raise _invalid("a key below a single value")
    try:
        target[inner] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise _invalid(f"a value that is not YAML for {key}") from None


def _invalid(found: str) -> MyofedError:
    return MyofedError(
        "SETTING_INVALID",
        f"expected settings of a site, found {found}",
        hint="site names are lower-case letters, digits and hyphens; keys are those of config.yaml",
        exit_code=ExitCode.USAGE,
    )
