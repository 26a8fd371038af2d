"""Numbers of a series that its DICOM files can no longer hold: told by the vendor's private blobs, which de-identification drops."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from myofed_schemas.canonical import canonical_json

SIDE_RECORD_NAME = "side-record.json"
"""Its file name; it lies beside the series' files, in `<StudyInstanceUID>/<SeriesInstanceUID>`."""

NewUid = Annotated[str, StringConstraints(pattern=r"^2\.25\.\d{1,39}$")]
"""A keyed UID of our de-identification."""

NumberName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.\[\]]{0,63}$")]
"""The vendor's own name, as `RealDwellTime` or `sKSpace.lPartitions`; anonymization's tables/side_numbers.tsv lists them."""

Number = Annotated[float, Field(allow_inf_nan=False)]
Numbers = Annotated[tuple[Number, ...], Field(min_length=1, max_length=4096)]


class SideRecord(BaseModel):
    """`side-record.json`: for each file of one series the numbers its private blobs told; never text, dates or identifiers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["myofed-side-record-1"] = "myofed-side-record-1"
    series_instance_uid: NewUid
    instances: dict[NewUid, dict[NumberName, Numbers]] = Field(min_length=1)
    """By SOPInstanceUID; files without numbers are absent."""

    def to_json(self) -> bytes:
        """The file's bytes, the same for the same content."""
        return canonical_json(self) + b"\n"
