"""Subjects whose images or labels cannot be used: left out of a task by their code, counted, and written down for the site."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import Field

from myofed_schemas.canonical import canonical_json
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.federation import ExclusionCount, bucket
from myofed_schemas.files import write_atomically
from myofed_schemas.ids import Code, SubjectLabel
from myofed_schemas.wire import WireModel

if TYPE_CHECKING:
    from myofed_node.learning.subjects import Slices
    from myofed_schemas.study import StudyManifest
    from myofed_schemas.study_options import SiteLabels

ABOUT_ONE_SUBJECT = ("IMAGE_", "LABEL_", "LABELS_", "SIDECAR_", "SUBJECT_")
"""Beginnings of the codes that one subject's own files are the cause of; any other code refuses the task as a whole."""


class SubjectSource(Protocol):
    """Reads subjects: `data.SubjectCache`, or `UsableSubjects` round one."""

    def read(
        self, dataset: Path, subjects: Sequence[str], *, manifest: StudyManifest, labels: SiteLabels | None = None
    ) -> list[Slices]:
        """The subjects in this order."""


class Exclusion(WireModel):
    """One subject that could not be used, and why; stays on the node."""

    subject: SubjectLabel
    code: Code


class Exclusions(WireModel):
    """`exclusions.json` in a study's folder: what the last task had to leave out.

    Attributes:
        asked: Subjects the task was to read.
        excluded: Those that could not be used, sorted.
    """

    asked: int = Field(ge=0)
    excluded: tuple[Exclusion, ...]


@dataclass
class UsableSubjects:
    """A source of subjects that leaves out the unusable ones.

    Attributes:
        source: Reads one subject, or raises why not.
        record: File for `Exclusions`, rewritten whenever subjects were read; None writes nothing.
    """

    source: SubjectSource
    record: Path | None = None
    _asked: set[str] = field(default_factory=set)
    _codes: dict[str, str] = field(default_factory=dict)

    def read(
        self, dataset: Path, subjects: Sequence[str], *, manifest: StudyManifest, labels: SiteLabels | None = None
    ) -> list[Slices]:
        """The usable ones of these subjects, in this order.

        Raises:
            MyofedError: A code that is not about one subject's files.
            OSError: The record cannot be written.
        """
        found = []
        for subject in subjects:
            try:
                found += self.source.read(dataset, (subject,), manifest=manifest, labels=labels)
            except MyofedError as error:
                if not error.code.startswith(ABOUT_ONE_SUBJECT):
                    raise
                self._codes[subject] = error.code
            self._asked.add(subject)
        if self.record is not None:
            write_atomically(self.record, canonical_json(self.exclusions()))
        return found

    def exclusions(self) -> Exclusions:
        """Who was left out so far."""
        excluded = tuple(Exclusion(subject=s, code=c) for s, c in sorted(self._codes.items()))
        return Exclusions(asked=len(self._asked), excluded=excluded)

    def counts(self) -> tuple[ExclusionCount, ...]:
        """Exact number of excluded subjects by code, sorted by code; for this node only."""
        counted = Counter(self._codes.values())
        return tuple(ExclusionCount(code=code, subjects=number) for code, number in sorted(counted.items()))


def counts_that_may_leave(counts: Sequence[ExclusionCount], *, least: int) -> tuple[ExclusionCount, ...]:
    """Counts of at least `least` subjects, as buckets; smaller ones stay here.

    Args:
        counts: Exact.
        least: The site's `policy.min_scored_subjects`.
    """
    return tuple(
        ExclusionCount(code=c.code, subjects=bucket(c.subjects)) for c in counts if c.subjects >= max(least, 1)
    )


def check_usable(*, train: int, others: int = 0, min_train: int = 1, min_usable: int = 1) -> None:
    """So many subjects are left that the task may go on.

    Args:
        train: Usable subjects that train, or that are scored where nobody trains.
        others: Usable subjects that validate.
        min_train: Least of the first.
        min_usable: Least of both together.

    Raises:
        MyofedError: TOO_FEW_USABLE_SUBJECTS.
    """
    if train >= min_train and train + others >= min_usable:
        return
    raise MyofedError(
        "TOO_FEW_USABLE_SUBJECTS",
        f"expected {min_train} or more usable subjects of {min_usable} or more in all, found {train} of {train + others}",
        hint="exclusions.json in the study's folder names each subject and its code; myofed-node validate says more",
        exit_code=ExitCode.INVALID_DATASET,
    )
