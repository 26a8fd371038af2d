"""What an import of a reader's label maps says: each row of the delivery imported, or refused with a code."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from myofed_schemas.ids import Code, Sha256, SubjectLabel, UtcTime


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LabelRow(_Document):
    """One row of labels.csv by its running number (the header is not counted); never a name of the delivery."""

    row: int = Field(ge=1)
    outcome: Literal["imported", "refused"]
    code: Code | None = None
    message: str = ""
    """Of a refused row: what was expected and found; counts and row numbers, never a value of the delivery."""
    hint: str = ""
    subject: SubjectLabel | None = None
    path: str | None = None
    """Label map, relative to the data set."""
    sha256: Sha256 | None = None
    labels: int = Field(default=0, ge=0)
    """Muscles (per side) that occur in the map."""

    @model_validator(mode="after")
    def _one_outcome(self) -> Self:
        if (self.outcome == "imported") != (self.code is None and self.path is not None and self.labels > 0):
            msg = "an imported row has a path, labels and no code"
            raise ValueError(msg)
        return self


class LabelImportReport(_Document):
    """Every row of the delivery with one outcome."""

    format: Literal["myofed-label-import-1"] = "myofed-label-import-1"
    created: UtcTime
    rows: tuple[LabelRow, ...]

    @property
    def complete(self) -> bool:
        """There was at least one row and none was refused."""
        return bool(self.rows) and all(row.outcome == "imported" for row in self.rows)
