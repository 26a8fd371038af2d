"""What the conversion of one session is asked, and what it answers for each series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from myofed_node.mids.dicom_input.source import SessionFiles
from myofed_node.mids.judging.overrides import NO_OVERRIDES, Overrides
from myofed_schemas.conversion import SeriesOutcome

Tell = Callable[[str, str], None]
"""Called with (`begun` or `done`, SeriesInstanceUID): a series may be begun twice, to be read and to be written."""


@dataclass(frozen=True)
class ConvertOptions:
    """What a caller may decide.

    Attributes:
        incomplete: New SeriesInstanceUIDs of which de-identification withheld files; quarantined, because a series that
            lost its last slices looks whole.
        hold_head: Quarantine images of the head, and those whose body part is not said, for a person's review (faces).
        overrides: What the site says where headers cannot.
        processes: Worker processes; as many as this process may use cores when None.
    """

    incomplete: frozenset[str] = frozenset()
    hold_head: bool = False
    overrides: Overrides = NO_OVERRIDES
    processes: int | None = None


@dataclass(frozen=True)
class SessionTask:
    """One session to convert.

    Attributes:
        files: Of each series.
        died: Series at which a process ended; they are not touched again.
        writers: Series that are read, and then written, at the same time: most of that is digests and compressing, which
            leave Python to others.
    """

    study_uid: str
    files: SessionFiles
    died: frozenset[str] = frozenset()
    writers: int = 1


@dataclass(frozen=True)
class Judged:
    """One series' outcome, its number still 1, with the SeriesNumber by which it will be numbered.

    Attributes:
        rules: Rules of the override file that match the series; the first one is 1.
    """

    series_number: int
    outcome: SeriesOutcome
    rules: tuple[int, ...] = ()
