"""What a de-identification run says about itself: outcomes, codes, counts and digests; never a value or a source name."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from myofed_schemas.ids import Code, Sha256, UtcTime

REPORT_NAME = "deidentification-report.json"
"""The report's file name; it lies in the output folder and is written last."""
PAGE_NAME = "deidentification-report.html"
"""The same for a data protection officer to read, without the list of files."""

InstancePath = str
"""`<StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm`, all three new UIDs, relative to the report."""


class WithheldCode(StrEnum):
    """Why a file was not released; stable, documented in docs/deidentification.md."""

    NOT_A_REGULAR_FILE = "NOT_A_REGULAR_FILE"
    UNREADABLE = "UNREADABLE"
    TOO_LARGE = "TOO_LARGE"
    TIME_LIMIT = "TIME_LIMIT"
    MEMORY_LIMIT = "MEMORY_LIMIT"
    WORKER_DIED = "WORKER_DIED"
    NOT_DICOM = "NOT_DICOM"
    PREAMBLE_MISSING = "PREAMBLE_MISSING"
    DICOM_DAMAGED = "DICOM_DAMAGED"
    TRANSFER_SYNTAX_REFUSED = "TRANSFER_SYNTAX_REFUSED"
    SOP_CLASS_REFUSED = "SOP_CLASS_REFUSED"
    UID_MISSING = "UID_MISSING"
    SCREEN_SAVE = "SCREEN_SAVE"
    BURNED_IN_ANNOTATION = "BURNED_IN_ANNOTATION"
    BURNED_IN_TEXT = "BURNED_IN_TEXT"
    OCR_NEEDED = "OCR_NEEDED"
    PIXELS_UNDECODABLE = "PIXELS_UNDECODABLE"
    PHOTOMETRIC_REFUSED = "PHOTOMETRIC_REFUSED"
    MODALITY_LUT = "MODALITY_LUT"
    NO_PIXEL_DATA = "NO_PIXEL_DATA"
    PIXEL_LENGTH = "PIXEL_LENGTH"
    PIXEL_BITS_IN_USE = "PIXEL_BITS_IN_USE"
    PIXEL_STREAM_REFUSED = "PIXEL_STREAM_REFUSED"
    OVERLAY_IN_PIXEL_DATA = "OVERLAY_IN_PIXEL_DATA"
    NESTED_TOO_DEEP = "NESTED_TOO_DEEP"
    TOO_MANY_ELEMENTS = "TOO_MANY_ELEMENTS"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    ELEMENT_TOO_LONG = "ELEMENT_TOO_LONG"
    INFLATES_TOO_LARGE = "INFLATES_TOO_LARGE"
    PSEUDONYM_MISSING = "PSEUDONYM_MISSING"
    TYPE_1_LOST = "TYPE_1_LOST"
    LEAK_FOUND = "LEAK_FOUND"
    VALUE_CHANGED = "VALUE_CHANGED"
    PIXELS_CHANGED = "PIXELS_CHANGED"
    NOTHING_CHECKED = "NOTHING_CHECKED"
    DUPLICATE_CONFLICT = "DUPLICATE_CONFLICT"


class NoteCode(StrEnum):
    """What a person should know about a released file."""

    PATIENT_ID_MISSING = "PATIENT_ID_MISSING"
    """No PatientID: the study stands for the patient, so two studies of one person get two pseudonyms."""
    DUPLICATE_IDENTICAL = "DUPLICATE_IDENTICAL"
    """Another input file gave exactly this output; there is one output."""
    ALREADY_DEIDENTIFIED = "ALREADY_DEIDENTIFIED"
    """The input claimed (0012,0062)=YES; it was treated like any other."""
    INFLATED = "INFLATED"
    """The input was deflated; the output is explicit VR little endian."""
    CODE_REPLACED = "CODE_REPLACED"
    """A mandatory code of nobody's scheme became a general one: a segment's kind "tissue", a unit "arbitrary" unless UCUM has it."""
    VENDOR_HEADER_DAMAGED = "VENDOR_HEADER_DAMAGED"
    """A vendor's binary header could not be parsed: its numbers are missing from the side record."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileOutcome(_Frozen):
    """One input file's one outcome."""

    number: int = Field(ge=1)
    """Running number of the input in sorted walking order; the only name an input has here."""
    input_sha256: Sha256 | None
    """None when the file could not be read."""
    outcome: Literal["deidentified", "withheld"]
    code: WithheldCode | None = None
    notes: tuple[NoteCode, ...] = ()
    output: InstancePath | None = Field(default=None, pattern=r"^2\.25\.\d{1,39}/2\.25\.\d{1,39}/2\.25\.\d{1,39}\.dcm$")
    output_sha256: Sha256 | None = None
    pixel_sha256: Sha256 | None = None
    """SHA-256 of the Pixel Data value, proved equal in input and output."""
    actions: dict[str, int] = Field(default_factory=dict)
    """Elements by what was done to them: kept, removed, emptied, replaced, cleaned, shifted, uid, private_kept, private_removed, added."""
    checks: int = Field(default=0, ge=0)
    """Comparisons the verification made on the written file."""

    @model_validator(mode="after")
    def _one_outcome(self) -> Self:
        released = (self.output, self.output_sha256, self.pixel_sha256)
        if self.outcome == "withheld" and (self.code is None or any(released)):
            msg = "a withheld file has a code and no output"
            raise ValueError(msg)
        if self.outcome == "deidentified" and (self.code is not None or None in released or not self.checks):
            msg = "a released file has an output, its digests, checks that were made, and no code"
            raise ValueError(msg)
        return self


class DeidentificationSummary(_Frozen):
    """What a run did, without the list of its files: counts, and what was used to treat them."""

    format: Literal["myofed-deidentification-1"] = "myofed-deidentification-1"
    created: UtcTime
    policy: str
    policy_digest: Sha256
    options: tuple[str, ...] = ()
    """Codes of CID 7050 (PS3.16) that the outputs claim."""
    profile_edition: str
    profile_rows: int = Field(ge=1)
    tools: dict[str, str]
    """Versions of what did the work."""
    key_check: str = Field(pattern=r"^[0-9a-f]{16}$")
    """Keyed and one-way: tells two site keys apart, reveals neither."""
    pseudonym_check: str = Field(default="", pattern=r"^([0-9a-f]{16})?$")
    """The same for the third party that gave the pseudonyms; empty where the site's key did."""
    claim: str
    """What the profile claims, in words; the output is pseudonymised, never anonymous."""
    received: int = Field(ge=0)
    deidentified: int = Field(ge=0)
    withheld: int = Field(ge=0)
    withheld_by_code: dict[Code, int]
    notes: dict[Code, int] = Field(default_factory=dict)
    """Released files by note."""
    actions: dict[str, int] = Field(default_factory=dict)
    """Elements of all released files by what was done to them."""
    checks: int = Field(default=0, ge=0)
    """Comparisons that the verification made on all released files."""
    side_records: dict[str, Sha256] = Field(default_factory=dict)
    """SHA-256 of each series' side record by its path relative to the report."""

    @model_validator(mode="after")
    def _counts_agree(self) -> Self:
        expected = (self.received, self.withheld)
        if expected != (self.deidentified + self.withheld, sum(self.withheld_by_code.values())):
            msg = "every input is released or withheld with one code"
            raise ValueError(msg)
        return self


class DeidentificationReport(DeidentificationSummary):
    """`OUT/deidentification-report.json`: every input file once, and what was used to treat it."""

    files: tuple[FileOutcome, ...]

    @model_validator(mode="after")
    def _sums_agree(self) -> Self:
        released = sum(file.outcome == "deidentified" for file in self.files)
        if (self.received, self.deidentified) != (len(self.files), released) or [
            file.number for file in self.files
        ] != list(range(1, self.received + 1)):
            msg = "every input has exactly one outcome, and the counts are theirs"
            raise ValueError(msg)
        return self

    def outputs(self) -> dict[InstancePath, Sha256]:
        """The SHA-256 of every released file by its path relative to the report."""
        return {file.output: file.output_sha256 for file in self.files if file.output and file.output_sha256}
