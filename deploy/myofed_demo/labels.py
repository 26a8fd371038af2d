"""What a reader at the hospital delivers: label maps with the reader's own numbers, a table, and which image each belongs to."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from myofed_demo.body import Int16
from myofed_demo.phantom import Subject
from myofed_schemas.anatomy import THIGH_11, Side, muscle

COLUMNS = ("file", "table", "patient_id", "issuer", "series_instance_uid")
TABLE = "muscles.tsv"
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Delivery:
    """One row of `labels.csv`: the identifiers are the hospital's own, and stay there."""

    file: str
    table: str
    patient_id: str
    issuer: str
    series_instance_uid: str


def reader_values(rng: np.random.Generator) -> dict[int, tuple[str, Side]]:
    """A reader's numbering: value 1..22 -> muscle and side, in an order of their own."""
    pairs = [(name, side) for side in (Side.RIGHT, Side.LEFT) for name in THIGH_11]
    order = rng.permutation(len(pairs))
    return {value: pairs[index] for value, index in enumerate(order, start=1)}


def write_table(folder: Path, values: dict[int, tuple[str, Side]]) -> None:
    """`folder/muscles.tsv` says what each value means: columns value, muscle, side."""
    lines = ["value\tmuscle\tside", *(f"{value}\t{name}\t{side.word}" for value, (name, side) in values.items())]
    (folder / TABLE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_label_map(path: Path, subject: Subject, values: dict[int, tuple[str, Side]]) -> None:
    """`path` is a gzipped NIfTI with the reader's values on exactly the grid of the subject's images (RAS affine, mm)."""
    image = nib.Nifti1Image(in_reader_values(subject.labels, values), LPS_TO_RAS @ subject.affine_lps)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm", "sec")  # type: ignore[no-untyped-call]
    path.write_bytes(gzip.compress(image.to_bytes(), compresslevel=3, mtime=0))


def in_reader_values(labels: Int16, values: dict[int, tuple[str, Side]]) -> Int16:
    """Canonical label values replaced by the reader's, same shape."""
    lookup = np.zeros(int(np.iinfo(np.int16).max) + 1, dtype=np.int16)
    for value, (name, side) in values.items():
        lookup[muscle(name).label_value(side)] = value
    return np.asarray(lookup[labels], dtype=np.int16)


def write_deliveries(folder: Path, deliveries: list[Delivery]) -> None:
    """`folder/labels.csv` lists every label map with the hospital's identifiers of its patient and image series."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([d.file, d.table, d.patient_id, d.issuer, d.series_instance_uid] for d in deliveries)
    (folder / "labels.csv").write_text(text.getvalue(), encoding="utf-8")
