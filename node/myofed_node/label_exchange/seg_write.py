"""A label map as DICOM SEG (LABELMAP, Supplement 243; or BINARY for viewers that do not know it), made by highdicom."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydicom import Dataset
from pydicom.sr.coding import Code

from myofed_node.label_exchange.colours import colour
from myofed_node.label_exchange.refusal import LabelRefusedError
from myofed_node.label_exchange.seg_codes import ANATOMICAL_STRUCTURE, LATERALITY, type_code
from myofed_node.label_exchange.seg_source import SourceSlice
from myofed_node.label_map import DrawnMap
from myofed_schemas.muscle_sets import label_name, structure_of_label_value

if TYPE_CHECKING:
    from highdicom import PixelMeasuresSequence
    from highdicom.seg import SegmentDescription

SegKind = Literal["LABELMAP", "BINARY"]
SERIES_NUMBER = 9100
"""Beyond those of scanners, so that viewers list a SEG after the images."""
NAME_OF_DEVICE = "myofed"
UNTOLD_FAMILY = Code("123109", "DCM", "Manual Processing")
"""highdicom asks for a family; the optional sequence that holds it is taken out again, SegmentAlgorithmName stays."""


@dataclass(frozen=True)
class SegOrigin:
    """How the map came about.

    Attributes:
        origin: LabelOrigin of its sidecar: manual, edited or automatic.
        scheme: Table that it was imported with; names the algorithm where no person drew.
    """

    origin: str
    scheme: str

    @property
    def algorithm_type(self) -> str:
        """SegmentAlgorithmType (PS3.3 C.8.20.2)."""
        return {"manual": "MANUAL", "edited": "SEMIAUTOMATIC"}.get(self.origin, "AUTOMATIC")


def segmentation_bytes(
    drawn: DrawnMap, slices: Sequence[SourceSlice], *, origin: SegOrigin, now: dt.datetime, kind: SegKind = "LABELMAP"
) -> bytes:
    """The bytes of a SEG with one segment a label that is drawn, empty slices left out; UIDs depend on content and time.

    Args:
        drawn: The map; segment numbers are 1, 2, ... in the order of its values.
        slices: One source image a slice.
        origin: How it came about.
        now: Time of the SEG, with its time zone.
        kind: SegmentationType; BINARY stores each segment's slices apart.

    Raises:
        LabelRefusedError: LABELS_EMPTY.
    """
    import highdicom

    if not drawn.values_present:
        raise LabelRefusedError("LABELS_EMPTY")
    numbers = np.zeros(max(drawn.values_present) + 1, dtype=np.uint16)
    for number, value in enumerate(drawn.values_present, start=1):
        numbers[value] = number
    pixels = np.stack([numbers[drawn.values[item.voxels]] for item in slices])
    first = slices[0]
    sources = list({str(item.dataset.SOPInstanceUID): item.dataset for item in slices}.values())
    uid_parts = [
        kind,
        now.isoformat(),
        str(first.dataset.SeriesInstanceUID),
        hashlib.sha256(pixels.tobytes()).hexdigest(),
        *map(str, drawn.values_present),
    ]
    seg = highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=pixels.astype(np.uint8 if len(drawn.values_present) < 256 else np.uint16),
        segmentation_type=kind,
        segment_descriptions=[
            _description(number, value, origin) for number, value in enumerate(drawn.values_present, start=1)
        ],
        series_instance_uid=_uid("series", *uid_parts),
        series_number=SERIES_NUMBER,
        sop_instance_uid=_uid("instance", *uid_parts),
        instance_number=1,
        manufacturer=NAME_OF_DEVICE,
        manufacturer_model_name=NAME_OF_DEVICE,
        software_versions=version("myofed"),
        device_serial_number=version("myofed"),
        content_label="MUSCLES",
        content_description=f"Muscle labels, derived {drawn.derived}" if drawn.derived else "Muscle labels",
        pixel_measures=_measures(slices),
        plane_orientation=highdicom.PlaneOrientationSequence("PATIENT", first.plane.orientation_lps),
        plane_positions=[highdicom.PlanePositionSequence("PATIENT", item.plane.position_lps) for item in slices],
    )
    _complete(seg, drawn)
    _set_time(seg, now)
    _set_dimension_uid(seg, _uid("dimension", *uid_parts))
    stream = BytesIO()
    seg.save_as(stream)
    return stream.getvalue()


def _uid(*parts: str) -> str:
    """A UID under 2.25 (PS3.5 B.2) that the parts alone decide."""
    return f"2.25.{int.from_bytes(hashlib.sha256('/'.join(parts).encode()).digest()[:16])}"


def _measures(slices: Sequence[SourceSlice]) -> PixelMeasuresSequence:
    import highdicom

    first, spacing = slices[0].plane, None
    if len(slices) > 1:
        apart = np.subtract(slices[1].plane.position_lps, first.position_lps)
        spacing = float(np.linalg.norm(apart))
    thickness = _thickness_mm(slices[0].dataset) or spacing
    return highdicom.PixelMeasuresSequence(
        pixel_spacing=first.spacing_mm, slice_thickness=thickness or 1.0, spacing_between_slices=spacing
    )


def _thickness_mm(dataset: Dataset) -> float | None:
    places = [dataset, *dataset.get("SharedFunctionalGroupsSequence", ())]
    measures = [m for place in places for m in (place, *place.get("PixelMeasuresSequence", ()))]
    told = [float(m.SliceThickness) for m in measures if m.get("SliceThickness")]
    return told[0] if told else None


def _description(number: int, value: int, origin: SegOrigin) -> SegmentDescription:
    import highdicom

    structure, _ = structure_of_label_value(value)
    algorithm = None
    if origin.algorithm_type != "MANUAL":
        algorithm = highdicom.AlgorithmIdentificationSequence(
            name=origin.scheme, family=UNTOLD_FAMILY, version="unknown"
        )
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=label_name(value),
        segmented_property_category=ANATOMICAL_STRUCTURE,
        segmented_property_type=type_code(structure),
        algorithm_type=origin.algorithm_type,
        algorithm_identification=algorithm,
        display_color=highdicom.color.CIELabColor.from_rgb(*colour(value)),
    )


def _complete(seg: Dataset, drawn: DrawnMap) -> None:
    """Sides, which highdicom takes no argument for; and no family of algorithm, which nobody told us."""
    items = {int(item.SegmentNumber): item for item in seg.SegmentSequence}
    for number, value in enumerate(drawn.values_present, start=1):
        _, side = structure_of_label_value(value)
        modifier = Dataset()
        modifier.CodeValue = LATERALITY[side].value
        modifier.CodingSchemeDesignator = LATERALITY[side].scheme_designator
        modifier.CodeMeaning = LATERALITY[side].meaning
        items[number].SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [modifier]
        if "SegmentationAlgorithmIdentificationSequence" in items[number]:
            del items[number].SegmentationAlgorithmIdentificationSequence


def _set_time(seg: Dataset, now: dt.datetime) -> None:
    date, time = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    seg.ContentDate, seg.ContentTime = date, time
    seg.InstanceCreationDate, seg.InstanceCreationTime = date, time
    seg.SeriesDate, seg.SeriesTime = date, time
    for item in seg.get("ContributingEquipmentSequence", ()):
        if "ContributionDateTime" in item:
            item.ContributionDateTime = date + time


def _set_dimension_uid(seg: Dataset, uid: str) -> None:
    """One organization of dimensions, named in two sequences (PS3.3 C.7.6.17)."""
    for item in (*seg.DimensionOrganizationSequence, *seg.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
