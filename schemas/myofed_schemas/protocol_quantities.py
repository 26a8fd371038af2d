"""What an acquisition profile can speak of: each quantity with its unit, its name on a sheet, and the words it can be."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Quantity(StrEnum):
    """What a limit is about; `myofed_node.protocol.measures` says how each follows from sidecar and header."""

    FIELD_STRENGTH = "field_strength"
    SCANNING_SEQUENCE = "scanning_sequence"
    ACQUISITION_TYPE = "acquisition_type"
    ECHO_COUNT = "echo_count"
    ECHO_TIME = "echo_time"
    FIRST_ECHO_TIME = "first_echo_time"
    LAST_ECHO_TIME = "last_echo_time"
    ECHO_SPACING = "echo_spacing"
    ECHO_UNEVENNESS = "echo_unevenness"
    WATER_FAT_STEP = "water_fat_step"
    HALF_CYCLE_ERROR = "half_cycle_error"
    IN_PHASE_ERROR = "in_phase_error"
    OPPOSED_PHASE_ERROR = "opposed_phase_error"
    REPETITION_TIME = "repetition_time"
    INVERSION_TIME = "inversion_time"
    FLIP_ANGLE = "flip_angle"
    REFOCUSING_FLIP_ANGLE = "refocusing_flip_angle"
    T1_BIAS = "t1_bias"
    IN_PLANE_RESOLUTION = "in_plane_resolution"
    SLICE_THICKNESS = "slice_thickness"
    SLICE_SPACING = "slice_spacing"
    COMPONENTS = "components"
    PRODUCTS = "products"


class QuantityKind(NamedTuple):
    """How a quantity is told.

    Attributes:
        title: As a protocol sheet calls it.
        unit: Empty for words.
        words: All that can be found, for a quantity that is told in words.
    """

    title: str
    unit: str
    words: tuple[str, ...] = ()


QUANTITIES: Final[Mapping[Quantity, QuantityKind]] = {
    Quantity.FIELD_STRENGTH: QuantityKind("Field strength", "T"),
    Quantity.SCANNING_SEQUENCE: QuantityKind("Sequence", "", ("spin echo", "gradient echo", "other")),
    Quantity.ACQUISITION_TYPE: QuantityKind("2D or 3D", "", ("2D", "3D")),
    Quantity.ECHO_COUNT: QuantityKind("Number of echoes", "echoes"),
    Quantity.ECHO_TIME: QuantityKind("Echo time", "ms"),
    Quantity.FIRST_ECHO_TIME: QuantityKind("First echo time", "ms"),
    Quantity.LAST_ECHO_TIME: QuantityKind("Last echo time", "ms"),
    Quantity.ECHO_SPACING: QuantityKind("Echo spacing (mean)", "ms"),
    Quantity.ECHO_UNEVENNESS: QuantityKind("Largest deviation from even echo spacing", "ms"),
    Quantity.WATER_FAT_STEP: QuantityKind("Turn of fat against water from echo to echo", "degrees"),
    Quantity.HALF_CYCLE_ERROR: QuantityKind("Echoes off in or opposed phase", "percent of a cycle"),
    Quantity.IN_PHASE_ERROR: QuantityKind("In-phase echo off phase", "percent of a cycle"),
    Quantity.OPPOSED_PHASE_ERROR: QuantityKind("Opposed-phase echo off phase", "percent of a cycle"),
    Quantity.REPETITION_TIME: QuantityKind("Repetition time", "ms"),
    Quantity.INVERSION_TIME: QuantityKind("Inversion time", "ms"),
    Quantity.FLIP_ANGLE: QuantityKind("Flip angle", "degrees"),
    Quantity.REFOCUSING_FLIP_ANGLE: QuantityKind("Refocusing flip angle (nominal, known)", "degrees"),
    Quantity.T1_BIAS: QuantityKind("T1 bias of the fat fraction", "percentage points"),
    Quantity.IN_PLANE_RESOLUTION: QuantityKind("Voxel size in plane (larger side)", "mm"),
    Quantity.SLICE_THICKNESS: QuantityKind("Slice thickness", "mm"),
    Quantity.SLICE_SPACING: QuantityKind("Distance of slice centres", "mm"),
    Quantity.COMPONENTS: QuantityKind(
        "Images to store", "", ("magnitude and phase", "real and imaginary", "magnitude only", "incomplete")
    ),
    Quantity.PRODUCTS: QuantityKind(
        "Reconstructions to store", "", ("water and fat", "fat fraction only", "incomplete")
    ),
}
