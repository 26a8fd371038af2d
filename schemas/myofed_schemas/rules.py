"""Rules of a data set as data: what must hold, how severe a breach is, who says so; and the findings they give."""

from __future__ import annotations

from collections import Counter
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from myofed_schemas.ids import Code

Level = Literal["error", "warning"]
RuleSource = Literal["ormir-mids", "profile"]
Selector = Literal["dataset", "file", "image", "label_map"]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Document):
    """One rule.

    Attributes:
        code: Stable; tests/broken holds one data set that breaks the rule for each code.
        selector: What it is asked of: the data set, each file, each image with a readable sidecar, each label map.
        suffixes: Images it applies to; empty means all.
        check: Name of the Python check in `myofed_node.mids`.
        limits: Numbers the check needs, with units in their names.
        source: The draft standard or our profile.
        reference: Where the rule or its limits come from.
    """

    code: Code
    level: Level
    message: str = Field(min_length=10)
    hint: str = Field(min_length=5)
    selector: Selector
    suffixes: tuple[str, ...] = ()
    check: str = Field(pattern=r"^[a-z][a-z0-9_]+$")
    limits: dict[str, float] = Field(default_factory=dict)
    source: RuleSource
    reference: str = Field(min_length=5)


class RuleSet(_Document):
    """All rules of one file; no code twice."""

    format: Literal["myofed-rules-1"]
    profile: Literal["myofed-1"]
    rules: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _codes_differ(self) -> Self:
        twice = [code for code, count in Counter(rule.code for rule in self.rules).items() if count > 1]
        if twice:
            msg = f"codes that stand twice: {', '.join(twice)}"
            raise ValueError(msg)
        return self


class Finding(_Document):
    """One breach of one rule at one place; `path` is relative to the data set."""

    code: Code
    level: Level
    source: RuleSource
    path: str
    message: str
    hint: str


class ValidationReport(_Document):
    """What a validation found; nothing checked is never conforming."""

    format: Literal["myofed-validation-1"] = "myofed-validation-1"
    profile: Literal["myofed-1"] = "myofed-1"
    checks: int = Field(ge=0)
    """Questions asked: one rule at one place."""
    images: int = Field(ge=0)
    findings: tuple[Finding, ...]

    def count(self, level: Level) -> int:
        """Findings of this level."""
        return sum(finding.level == level for finding in self.findings)

    @property
    def conforms(self) -> bool:
        """At least one check ran and no error was found."""
        return self.checks > 0 and self.count("error") == 0
