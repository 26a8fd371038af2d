"""Rules of a data set as data: what must hold, how severe a breach is, who says so; and the findings they give."""

from __future__ import annotations

from collections import Counter
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from myofed_schemas.ids import Code
from myofed_schemas.mids import Suffix

Level = Literal["error", "warning"]
RuleSource = Literal["ormir-mids", "profile", "site"]
"""The draft standard or its reference implementation; our profile; a rule file that somebody added."""
Selector = Literal["dataset", "subject", "pipeline", "entry", "file", "nifti", "image", "sidecar", "label_map"]
FOUND = "{found}"
"""Stands in a message for what was found."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Document):
    """One rule.

    Attributes:
        code: Stable; tests/broken holds one data set that breaks the rule for each code.
        message: What was expected, with `{found}` where the finding says what stands there instead.
        selector: What it is asked of: the data set; each sub-* folder; each folder of derivatives; each entry of a folder,
            file or not; each file; each NIfTI file; each image of a suffix of the profile; the sidecar of such an image; each label map.
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
    suffixes: tuple[Suffix, ...] = ()
    check: str = Field(pattern=r"^[a-z][a-z0-9_]+$")
    limits: dict[str, float] = Field(default_factory=dict)
    source: RuleSource
    reference: str = Field(min_length=5)

    @field_validator("message")
    @classmethod
    def _says_what_was_found(cls, message: str) -> str:
        if FOUND not in message:
            msg = f"expected {FOUND} in the message"
            raise ValueError(msg)
        return message

    def told(self, found: str) -> str:
        """The message with what was found."""
        return self.message.replace(FOUND, found)


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
    sources: tuple[RuleSource, ...] = ("ormir-mids", "profile")
    """Whose rules were asked."""
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
