"""Subjects whose images or labels cannot be used: left out of a task by their code, counted, and written down for the site."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import Field, ValidationError

from myofed_node.learning.memory import check_room
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

TaskKind = Literal["train", "evaluate"]
RECORDS: dict[TaskKind, str] = {"train": "exclusions.json", "evaluate": "exclusions-evaluation.json"}
"""Names in a study's folder: an evaluation, which reads the validation subjects alone, does not overwrite what training said."""


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
    """A file of RECORDS in a study's folder: what the last task of its kind had to leave out.

    Attributes:
        asked: Subjects the task was to read.
        excluded: Those that could not be used, sorted.
    """

    asked: int = Field(ge=0)
    excluded: tuple[Exclusion, ...]

    def counts(self) -> tuple[ExclusionCount, ...]:
        """Exact number of excluded subjects by code, sorted by code; for this node only."""
        counted = Counter(exclusion.code for exclusion in self.excluded)
        return tuple(ExclusionCount(code=code, subjects=number) for code, number in sorted(counted.items()))


@dataclass
class UsableSubjects:
    """A source of subjects that leaves out the unusable ones.

    Attributes:
        source: Reads one subject, or raises why not.
        record: File for `Exclusions`, rewritten whenever subjects were read; None writes nothing.
        stop: Asked before each subject; a task that nobody waits for reads no further.
        room: Bytes that all subjects of the task may take; None: no limit.
    """

    source: SubjectSource
    record: Path | None = None
    stop: Callable[[], bool] | None = None
    room: int | None = None
    _held: int = 0
    _asked: set[str] = field(default_factory=set)
    _codes: dict[str, str] = field(default_factory=dict)

    def read(
        self, dataset: Path, subjects: Sequence[str], *, manifest: StudyManifest, labels: SiteLabels | None = None
    ) -> list[Slices]:
        """The usable ones of these subjects, in this order.

        Raises:
            MyofedError: A code that is not about one subject's files, TASK_ABANDONED, or POLICY_MEMORY.
            OSError: The record cannot be written.
        """
        found: list[Slices] = []
        for subject in subjects:
            if self.stop is not None and self.stop():
                raise MyofedError("TASK_ABANDONED", f"expected to read all subjects, stopped after {len(found)}")
            try:
                came = self.source.read(dataset, (subject,), manifest=manifest, labels=labels)
                self._held += sum(slices.bytes() for slices in came)
                check_room(self._held, room=self.room)
                found += came
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
        return self.exclusions().counts()


def read_exclusions(path: Path) -> Exclusions | None:
    """What the last task of this kind left out; None where none ran.

    Raises:
        MyofedError: EXCLUSIONS_DAMAGED.
    """
    try:
        return Exclusions.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise MyofedError(
            "EXCLUSIONS_DAMAGED",
            "expected the record of whom the last task left out, found a damaged file",
            hint="remove it; the next task writes it anew",
            exit_code=ExitCode.FAILED,
        ) from None


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
