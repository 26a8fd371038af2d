"""One delivered label map in whatever form it comes, as a map in canonical values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from myofed_node.label_exchange.name_tables import read_names
from myofed_node.label_exchange.reader_table import read_table
from myofed_node.label_exchange.refusal import LabelRefusedError
from myofed_node.label_exchange.seg_read import SCHEME as DICOM_SEG
from myofed_node.label_exchange.seg_read import read_segmentation
from myofed_node.label_exchange.translation import Translation
from myofed_node.label_map import UNREADABLE, DrawnMap, canonical_map, drawn_map
from myofed_node.mids.nifti import read_nifti
from myofed_schemas.label_schemes import LabelScheme

TABLE, NAMES = "table", "names"
"""A reader's own TSV (value, muscle, side); a viewer's table of values and names."""
SCHEMES = (*(scheme.value for scheme in LabelScheme), TABLE, NAMES, DICOM_SEG)


@dataclass(frozen=True)
class Reading:
    """How a delivery is to be read.

    Attributes:
        scheme: One of SCHEMES.
        table: The reader's or viewer's table; a tool's scheme has its own and takes one only for other numbers.
        ignored: Names, or bone, tissue, other, that a person agreed to drop.
        split_midline: Left and right are told apart by the image's geometry where one value stands for both.
    """

    scheme: str
    table: Path | None = None
    ignored: tuple[str, ...] = ()
    split_midline: bool = False


def read_delivery(
    path: Path,
    image_path: Path,
    reading: Reading,
    *,
    series_uids: tuple[str, ...] = (),
    new_uid_of: Callable[[str], str] = str,
) -> DrawnMap:
    """The delivered map in canonical values on the image's grid.

    Args:
        path: NIfTI, or DICOM where the scheme is dicom-seg.
        image_path: NIfTI that it was drawn on.
        reading: How to read it.
        series_uids: SeriesInstanceUIDs of the image's source; a SEG must refer to them.
        new_uid_of: What de-identification made of a UID.

    Raises:
        LabelRefusedError: LABEL_SCHEME_UNKNOWN, LABEL_TABLE_INVALID, and as for drawn_map and read_segmentation.
    """
    if reading.scheme != DICOM_SEG:
        return drawn_map(path, image_path, translation_of(reading), split_midline=reading.split_midline)
    try:
        image = read_nifti(image_path)
    except UNREADABLE:
        raise LabelRefusedError("LABEL_FILE_UNREADABLE") from None
    affine_ras = np.asarray(image.affine, dtype=np.float64)
    seg = read_segmentation(
        path, affine_ras, image.shape, series_uids=series_uids, new_uid_of=new_uid_of, ignored=reading.ignored
    )
    return canonical_map(seg.values, affine_ras, seg.translation, split_midline=reading.split_midline)


def translation_of(reading: Reading) -> Translation:
    """What the delivery's values stand for.

    Raises:
        LabelRefusedError: LABEL_SCHEME_UNKNOWN; LABEL_TABLE_INVALID, also where the scheme needs a table and has none.
    """
    if reading.scheme not in SCHEMES:
        raise LabelRefusedError(
            "LABEL_SCHEME_UNKNOWN",
            f"expected one of {', '.join(SCHEMES)}, found another scheme",
            hint="docs/label-maps.md says whose they are",
        )
    if reading.scheme in {TABLE, NAMES} and reading.table is None:
        raise LabelRefusedError(
            "LABEL_TABLE_INVALID",
            f"expected a table with the scheme {reading.scheme}, found none",
            hint="--table FILE names it",
        )
    if reading.scheme == TABLE and reading.table:
        return Translation.of_table(read_table(reading.table))
    tool = None if reading.scheme == NAMES else LabelScheme(reading.scheme)
    if reading.table:
        return Translation.of_names(read_names(reading.table), scheme=tool, ignored=reading.ignored)
    return Translation.of_scheme(LabelScheme(reading.scheme), ignored=reading.ignored)
