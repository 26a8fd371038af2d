"""How a check is asked: by name, of one kind of view, with the limits that its rule gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from myofed_node.mids.validation.dataset_view import (
    DatasetView,
    EntryView,
    FileView,
    ImageView,
    LabelMapView,
    NiftiView,
    PipelineView,
    SubjectView,
)
from myofed_schemas.rules import Rule, Selector

View = TypeVar("View")
Found = tuple[str, ...]
"""What a check found wrong, in words without values that identify; empty when all is well or cannot be asked."""


class Checks(Generic[View]):
    """The named checks of one selector."""

    def __init__(self, selector: Selector) -> None:
        self.selector = selector
        self._checks: dict[str, Callable[[View, Rule], Found]] = {}
        self._limits: dict[str, frozenset[str]] = {}

    def needs(self, *limits: str) -> Callable[[Callable[[View, Rule], Found]], Callable[[View, Rule], Found]]:
        """A decorator: the function is a check with its own name, and its rules give exactly these limits."""

        def register(check: Callable[[View, Rule], Found]) -> Callable[[View, Rule], Found]:
            self._checks[check.__name__] = check
            self._limits[check.__name__] = frozenset(limits)
            return check

        return register

    @property
    def names(self) -> frozenset[str]:
        """Of all checks."""
        return frozenset(self._checks)

    def fault(self, rule: Rule) -> str:
        """Why the rule cannot be asked here; empty where it can."""
        if rule.check not in self._checks:
            return f"no check {rule.check} of a {self.selector}"
        expected = self._limits[rule.check]
        return "" if frozenset(rule.limits) == expected else f"limits {', '.join(sorted(expected)) or 'none'} expected"

    def ask(self, rule: Rule, view: View) -> Found:
        """What the rule's check finds wrong with this view."""
        return self._checks[rule.check](view, rule)


DATASET: Checks[DatasetView] = Checks("dataset")
SUBJECT: Checks[SubjectView] = Checks("subject")
PIPELINE: Checks[PipelineView] = Checks("pipeline")
ENTRY: Checks[EntryView] = Checks("entry")
FILE: Checks[FileView] = Checks("file")
NIFTI: Checks[NiftiView] = Checks("nifti")
IMAGE: Checks[ImageView] = Checks("image")
SIDECAR: Checks[ImageView] = Checks("sidecar")
"""Asked only where an image has a sidecar that can be read."""
LABEL_MAP: Checks[LabelMapView] = Checks("label_map")
