"""Rules from their files: the shipped ones, and those that a site or a study adds; a rule that cannot be asked is refused."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from myofed_node.mids.judging.override_yaml import YamlRefusedError, read_yaml
from myofed_node.mids.validation import (
    checks_files,
    checks_identity,
    checks_images,
    checks_labels,
    checks_nifti,
    checks_sidecars,
)
from myofed_node.mids.validation.bounded_read import UnreadableError, read_text
from myofed_node.mids.validation.checks import (
    DATASET,
    ENTRY,
    FILE,
    IMAGE,
    LABEL_MAP,
    NIFTI,
    PIPELINE,
    SIDECAR,
    SUBJECT,
    Checks,
)
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.rules import Rule, RuleSet

RULES = "rules/myofed-1.yaml"
CHECK_MODULES = (checks_files, checks_identity, checks_nifti, checks_images, checks_sidecars, checks_labels)
"""Imported here so that every check is known by its name."""
CHECKS: dict[str, Checks[Any]] = {
    checks.selector: checks for checks in (DATASET, SUBJECT, PIPELINE, ENTRY, FILE, NIFTI, IMAGE, SIDECAR, LABEL_MAP)
}


@lru_cache(maxsize=1)
def rules() -> RuleSet:
    """The rules that ship with the schemas."""
    text = files("myofed_schemas").joinpath(RULES).read_text(encoding="utf-8")
    # libyaml's loader where it is there: a tenth of the time, and the file is our own.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return RuleSet.model_validate(yaml.load(text, Loader=loader))  # noqa: S506  both are safe loaders


def load_rules(path: Path) -> tuple[Rule, ...]:
    """The rules of a file that is added to the shipped ones (docs/validator.md shows one).

    Args:
        path: YAML of the same form; every rule has the source `site`.

    Raises:
        MyofedError: RULES_INVALID, unreadable, another form, a code that ships already, or a check or limits that do not exist.
    """
    try:
        added = RuleSet.model_validate(read_yaml(read_text(path)).value).rules
    except (UnreadableError, YamlRefusedError) as error:
        raise _invalid(str(error)) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise _invalid(f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}") from None
    shipped = {rule.code for rule in rules().rules}
    for rule in added:
        if rule.code in shipped:
            raise _invalid(f"{rule.code}, which ships already")
        if rule.source != "site":
            raise _invalid(f"{rule.code} with source {rule.source}, expected site")
        if fault := CHECKS[rule.selector].fault(rule):
            raise _invalid(f"{rule.code}: {fault}")
    return added


def _invalid(found: str) -> MyofedError:
    return MyofedError(
        "RULES_INVALID",
        f"expected a file of rules (format myofed-rules-1), found {found}",
        hint="docs/validator.md shows one",
        exit_code=ExitCode.USAGE,
    )
