"""Whether a folder is an ORMIR-MIDS data set of profile `myofed-1`: every rule asked at every place it applies to."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import yaml

from myofed_node.mids.checks_files import DATASET_CHECKS, FILE_CHECKS, Found
from myofed_node.mids.checks_images import IMAGE_CHECKS
from myofed_node.mids.checks_labels import LABEL_CHECKS
from myofed_node.mids.dataset_view import DatasetView, FileView, ImageView, LabelMapView
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.rules import Finding, Rule, RuleSet, ValidationReport

RULES = "rules/myofed-1.yaml"


@lru_cache(maxsize=1)
def rules() -> RuleSet:
    """The rules that ship with the schemas."""
    text = files("myofed_schemas").joinpath(RULES).read_text(encoding="utf-8")
    return RuleSet.model_validate(yaml.safe_load(text))


def validate(dataset: Path) -> ValidationReport:
    """What the data set breaks, one finding for each rule and place; an empty or absent data set never conforms.

    Args:
        dataset: Folder that holds sub-*; made by any converter; it is only read.

    Returns:
        Findings in the order of places, then rules. The number of checks tells how much was asked.

    Raises:
        MyofedError: DATASET_MISSING, the folder does not exist.
    """
    if not dataset.is_dir():
        raise MyofedError(
            "DATASET_MISSING",
            "expected a folder with an ORMIR-MIDS data set, found none",
            hint="check the path",
            exit_code=ExitCode.USAGE,
        )
    view = DatasetView(dataset)
    asked = list(_ask(view))
    return ValidationReport(
        checks=len(asked),
        images=len(view.images),
        findings=tuple(_finding(rule, path, found) for rule, path, answer in asked for found in answer),
    )


def _ask(view: DatasetView) -> Iterator[tuple[Rule, str, Found]]:
    """Every rule at every place; each view is dropped before the next, so that one image at a time is in memory."""
    for rule in _of("dataset"):
        yield rule, ".", DATASET_CHECKS[rule.check](view, rule)
    for path in view.files:
        file = FileView(view.root, path)
        yield from ((rule, str(path), FILE_CHECKS[rule.check](file, rule)) for rule in _of("file"))
    for image in view.images:
        one = ImageView(image.root, image.path, image.name)
        applying = (r for r in _of("image") if not r.suffixes or image.name.suffix.value in r.suffixes)
        yield from ((rule, str(image.path), IMAGE_CHECKS[rule.check](one, rule)) for rule in applying)
    for label_map in view.label_maps:
        drawn = LabelMapView(label_map.root, label_map.path)
        yield from ((rule, str(drawn.path), LABEL_CHECKS[rule.check](drawn, rule)) for rule in _of("label_map"))


def _of(selector: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules().rules if rule.selector == selector)


def _finding(rule: Rule, path: str, found: str) -> Finding:
    return Finding(
        code=rule.code,
        level=rule.level,
        source=rule.source,
        path=path,
        message=rule.message.format(found=found),
        hint=rule.hint,
    )
