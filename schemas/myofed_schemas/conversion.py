"""What a conversion or an ingest says: every series and every file with exactly one outcome; no value of an element."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from myofed_schemas.ids import Code, SessionLabel, Sha256, SubjectLabel, UtcTime
from myofed_schemas.mids import Part, Suffix

Outcome = Literal["converted", "skipped", "quarantined"]
Numbered = Annotated[int, Field(ge=1)]
"""Place in a list of a site's file, counted from 1."""
REPORT_NAME = "ingest-report.json"


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ConvertedImage(_Document):
    """One image that was written, re-read and compared with the stored pixels of its source."""

    path: str
    """NIfTI file, relative to the data set."""
    sidecar: str
    suffix: Suffix
    part: Part | None
    sha256: Sha256
    voxels_checked: int = Field(ge=1)


class SeriesOutcome(_Document):
    """One series' one outcome.

    Attributes:
        number: Running number in the order of SeriesNumber and new UID.
        evidence: Keywords and numbers that decided, e.g. `EchoTime=5.19,7.65`; nothing that identifies.
    """

    number: int = Field(ge=1)
    series_instance_uid: str
    subject: SubjectLabel | None
    session: SessionLabel | None
    files: int = Field(ge=1)
    outcome: Outcome
    code: Code | None
    evidence: tuple[str, ...]
    images: tuple[ConvertedImage, ...] = ()

    @model_validator(mode="after")
    def _one_outcome(self) -> Self:
        converted = self.outcome == "converted"
        if converted != bool(self.images) or converted != (self.code is None):
            msg = "a converted series has images and no code; any other has a code and no image"
            raise ValueError(msg)
        return self


class ConversionReport(_Document):
    """What became of the series of one de-identified folder.

    Attributes:
        unused_overrides: Rules of the override file that matched no series; the first one is 1.
        unused_levels: Entries of its `levels` that matched no series, likewise.
    """

    format: Literal["myofed-conversion-1"] = "myofed-conversion-1"
    created: UtcTime
    profile: Literal["myofed-1"] = "myofed-1"
    policy_digest: Sha256
    tools: dict[str, str]
    series: tuple[SeriesOutcome, ...]
    unused_overrides: tuple[Numbered, ...] = ()
    unused_levels: tuple[Numbered, ...] = ()

    def count(self, outcome: Outcome) -> int:
        """Number of series with this outcome."""
        return Counter(series.outcome for series in self.series)[outcome]


class FileResult(_Document):
    """One input file; the number is the only name it has."""

    number: int = Field(ge=1)
    sha256: Sha256 | None
    outcome: Outcome
    code: Code | None
    series: int | None
    """Number of its series; None where the file belongs to none that was read."""
    paths: tuple[str, ...] = ()


class IngestReport(_Document):
    """`OUT/ingest-report.json`."""

    format: Literal["myofed-ingest-1"] = "myofed-ingest-1"
    created: UtcTime
    profile: Literal["myofed-1"] = "myofed-1"
    policy_digest: Sha256
    tools: dict[str, str]
    files: tuple[FileResult, ...]
    series: tuple[SeriesOutcome, ...]
    errors: int = Field(ge=0)
    """Findings of level error of the validation of OUT."""
    warnings: int = Field(ge=0)
    conforms: bool
    """At least one check ran and none found an error; also true where nothing was there to convert."""
    unused_overrides: tuple[Numbered, ...] = ()
    """As in `ConversionReport`."""
    unused_levels: tuple[Numbered, ...] = ()

    @model_validator(mode="after")
    def _every_file_once(self) -> Self:
        if [file.number for file in self.files] != list(range(1, len(self.files) + 1)):
            msg = "every input file stands here exactly once"
            raise ValueError(msg)
        return self

    def count(self, outcome: Outcome) -> int:
        """Number of series with this outcome."""
        return Counter(series.outcome for series in self.series)[outcome]

    @property
    def complete(self) -> bool:
        """Nothing was quarantined: neither a series nor a file."""
        outcomes = [*(file.outcome for file in self.files), *(series.outcome for series in self.series)]
        return "quarantined" not in outcomes
