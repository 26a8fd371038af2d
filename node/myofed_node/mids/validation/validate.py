"""Whether a folder is an ORMIR-MIDS data set of profile `myofed-1`: every rule asked at every place it applies to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from myofed_node.mids.validation.checks import Found
from myofed_node.mids.validation.dataset_tree import Entry, EntryKind
from myofed_node.mids.validation.dataset_view import DatasetView, EntryView, FileView, NiftiView, as_image, as_label_map
from myofed_node.mids.validation.rule_files import CHECKS, rules
from myofed_node.mids.validation.shown_path import shown_path
from myofed_node.mids.validation.tolerant_name import IMAGE_ENDING
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.mids import Suffix
from myofed_schemas.rules import Finding, Rule, Selector, ValidationReport

Progress = Callable[[int, int], None]
Answer = tuple[Rule, PurePosixPath, Found]
"""One rule asked at one place, and what it found wrong there."""
MOST_FOUND_CHARACTERS = 200
"""Of one name; a key of a JSON file may have millions."""
MOST_NAMED = 10
"""Keys that one finding names."""
DRAFT = "ormir-mids"

__all__ = ["rules", "validate"]


def validate(
    dataset: Path, *, standard_only: bool = False, added: Sequence[Rule] = (), progress: Progress | None = None
) -> ValidationReport:
    """What the data set breaks, one finding for each rule and place; an empty or absent data set never conforms.

    Args:
        dataset: Folder that holds sub-*; made by any converter; it is only read, one piece of one image at a time.
        standard_only: Whether to ask the rules of the draft standard alone, for data sets that do not follow our profile.
        added: More rules, from `load_rules`.
        progress: Told (done, total) after each name of a folder.

    Returns:
        Errors before warnings, each in the order of places, then rules. The number of checks tells how much was asked.

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
    asked = (*(rule for rule in rules().rules if not standard_only or rule.source == DRAFT), *added)
    checks, findings = 0, []
    for rule, path, answer in answers(view, asked, progress=progress):
        checks += 1
        findings += [_finding(rule, shown_path(view.root, path), answer)] if answer else []
    return ValidationReport(
        sources=tuple(sorted({rule.source for rule in asked})),
        checks=checks,
        images=view.images,
        findings=tuple(sorted(findings, key=lambda finding: finding.level)),  # error before warning
    )


def answers(view: DatasetView, asked: Iterable[Rule], *, progress: Progress | None = None) -> Iterator[Answer]:
    """Every rule at every place it applies to; each view is dropped before the next."""
    by_selector: dict[Selector, list[Rule]] = {}
    for rule in asked:
        by_selector.setdefault(rule.selector, []).append(rule)
    ask = _Questions(by_selector)
    yield from ask.all("dataset", view, PurePosixPath())
    for subject in view.subjects:
        yield from ask.all("subject", subject, subject.path)
    for pipeline in view.pipelines:
        yield from ask.all("pipeline", pipeline, pipeline.path)
    for done, entry in enumerate(view.entries, start=1):
        yield from _at(view, entry, ask)
        if progress:
            progress(done, len(view.entries))


def _at(view: DatasetView, entry: Entry, ask: _Questions) -> Iterator[Answer]:
    yield from ask.all("entry", EntryView(view, entry), entry.path)
    if entry.kind is not EntryKind.FILE:
        return
    yield from ask.all("file", FileView(view, entry), entry.path)
    if not entry.path.name.endswith(IMAGE_ENDING):
        return
    image, label_map = as_image(view, entry), as_label_map(view, entry.path)
    yield from ask.all("nifti", image or label_map or NiftiView(view, entry.path), entry.path)
    if image:
        yield from ask.all("image", image, entry.path, kind=image.kind)
        if image.has_sidecar:
            yield from ask.all("sidecar", image, image.sidecar_path, kind=image.kind)
    if label_map:
        yield from ask.all("label_map", label_map, entry.path)


class _Questions:
    """The rules of a validation by selector."""

    def __init__(self, by_selector: dict[Selector, list[Rule]]) -> None:
        self._by_selector = by_selector

    def all(
        self, selector: Selector, view: Any, path: PurePosixPath, *, kind: Suffix | None = None
    ) -> Iterator[Answer]:
        """The answers of all rules of this selector that apply to images of this kind."""
        for rule in self._by_selector.get(selector, ()):
            if kind is None or not rule.suffixes or kind in rule.suffixes:
                yield rule, path, CHECKS[selector].ask(rule, view)


def _finding(rule: Rule, path: str, answer: Found) -> Finding:
    more = f" and {len(answer) - MOST_NAMED} more" if len(answer) > MOST_NAMED else ""
    found = ", ".join(one[:MOST_FOUND_CHARACTERS] for one in answer[:MOST_NAMED]) + more
    return Finding(
        code=rule.code,
        level=rule.level,
        source=rule.source,
        path=printable(path),
        message=rule.told(printable(found)),
        hint=rule.hint,
    )


def printable(text: str) -> str:
    """The text without what a terminal, JSON or HTML could stumble over: names and keys are the data set's choice."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
