"""How the images of a series were made, in the words that classic and enhanced headers share (PS3.3 C.8.3.1, C.8.13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from myofed_demo.scanner import MEGAHERTZ_PER_TESLA, ScannerPreset


@dataclass(frozen=True)
class Technique:
    """One protocol on one scanner.

    Attributes:
        scanning_sequence: ScanningSequence: GR, SE, IR, RM.
        sequence_variant: SequenceVariant.
        repetition_time_ms: RepetitionTime.
        flip_angle_degrees: FlipAngle.
        echo_train_length: EchoTrainLength.
        field_tesla: MagneticFieldStrength.
        columns: Voxels along the rows of the image.
        rows: Voxels along its columns.
        spacing_mm: Distance of voxel centres along a row, along a column, and of slice centres.
        slice_thickness_mm: At most the distance of slice centres.
        inversion_time_ms: InversionTime where the sequence inverts.
        acquisition_type: MRAcquisitionType.
        phase_encoding: InPlanePhaseEncodingDirection of classic headers; None where the export lacks it.
    """

    scanning_sequence: tuple[str, ...]
    sequence_variant: tuple[str, ...]
    repetition_time_ms: float
    flip_angle_degrees: float
    echo_train_length: int
    field_tesla: float
    columns: int
    rows: int
    spacing_mm: tuple[float, float, float]
    slice_thickness_mm: float
    inversion_time_ms: float | None = None
    acquisition_type: Literal["2D", "3D"] = "2D"
    phase_encoding: Literal["COL", "ROW"] | None = "COL"

    @property
    def imaging_frequency_mhz(self) -> float:
        """Proton frequency at this field."""
        return MEGAHERTZ_PER_TESLA * self.field_tesla

    @property
    def is_spin_echo(self) -> bool:
        """Whether a refocusing pulse makes the echoes; inversion recovery here is that of a spin echo."""
        return "GR" not in self.scanning_sequence and "RM" not in self.scanning_sequence


def technique_of(preset: ScannerPreset) -> Technique:
    """The spoiled 2D gradient echo of a scanner of the demo."""
    return Technique(
        scanning_sequence=("GR",),
        sequence_variant=("SP",),
        repetition_time_ms=preset.repetition_time_ms,
        flip_angle_degrees=preset.flip_angle_degrees,
        echo_train_length=len(preset.echo_times_ms),
        field_tesla=preset.field_tesla,
        columns=preset.shape[0],
        rows=preset.shape[1],
        spacing_mm=preset.spacing_mm,
        slice_thickness_mm=preset.slice_thickness_mm,
    )
