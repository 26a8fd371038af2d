"""The JSON beside every image: acquisition in the units of ORMIR-MIDS (times in milliseconds), and where it came from."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from myofed_schemas.ids import Sha256
from myofed_schemas.mids import PROFILE, Unit

ScalingKind = Literal["stored", "rescale", "philips-scale-slope", "phase-radians", "real-world"]
"""How stored values became the voxels: unchanged; per-frame RescaleSlope and -Intercept (PS3.3 C.7.6.16.2.9); these divided by
slope times Philips' scale slope (Chenevert 2014, Transl Oncol 7:65); mapped from the vendor's phase range to radians; or by the
RealWorldValueMapping of the frame (PS3.3 C.7.6.16.2.11)."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Provenance(_Document):
    """Where an image came from; UIDs are the new ones of our de-identification."""

    source_series_instance_uid: str = Field(alias="SourceSeriesInstanceUID", pattern=r"^2\.25\.\d{1,39}$")
    joined_series_instance_uids: tuple[str, ...] | None = Field(default=None, alias="JoinedSeriesInstanceUIDs")
    """All source series where a site's override joined several, the first one included."""
    override_digest: Sha256 | None = Field(default=None, alias="OverrideDigest")
    """SHA-256 of the site's override file where it decided something about this image."""
    source_digest: Sha256 = Field(alias="SourceDigest")
    """SHA-256 over the sorted SHA-256 of the source files."""
    source_files: int = Field(alias="SourceFiles", ge=1)
    policy_digest: Sha256 = Field(alias="PolicyDigest")
    image_digest: Sha256 = Field(alias="ImageDigest")
    """SHA-256 of the NIfTI file."""
    value_scaling: ScalingKind = Field(alias="ValueScaling")
    component_assumed: bool = Field(default=False, alias="ComponentAssumed")
    """Magnitude was not said by the header; it is the vendor's default or the site's word, and no voxel was negative."""
    tools: dict[str, str] = Field(alias="Tools")


class AnatomicalLevel(_Document):
    """Where along the limb the slices lie, as a person of the site told it; one number a slice, in order of the third axis."""

    bone: Literal["femur", "tibia"] | None = Field(default=None, alias="Bone")
    percent_of_length: tuple[float, ...] | None = Field(default=None, alias="PercentOfLength")
    """0 at the proximal end of the bone, 100 at the distal one."""
    landmark: str | None = Field(default=None, alias="Landmark", pattern=r"^[a-z][a-z ]{2,40}$")
    distance_to_landmark_mm: tuple[float, ...] | None = Field(default=None, alias="DistanceToLandmark")
    """Along the patient's axis, positive towards the head."""

    @model_validator(mode="after")
    def _told_whole(self) -> Self:
        if (self.bone is None) != (self.percent_of_length is None):
            msg = "expected Bone and PercentOfLength together"
            raise ValueError(msg)
        if (self.landmark is None) != (self.distance_to_landmark_mm is None):
            msg = "expected Landmark and DistanceToLandmark together"
            raise ValueError(msg)
        if self.bone is None and self.landmark is None:
            msg = "expected Bone or Landmark, found neither"
            raise ValueError(msg)
        return self


class Sidecar(_Document):
    """All keys that profile `myofed-1` writes; what a header does not tell is absent, never invented."""

    profile: Literal["myofed-1"] = Field(default=PROFILE, alias="Profile")
    modality: Literal["MR"] = Field(default="MR", alias="Modality")
    echo_time_ms: float | tuple[float, ...] | None = Field(default=None, alias="EchoTime")
    """One per volume along the fourth dimension."""
    repetition_time_ms: float | None = Field(default=None, alias="RepetitionTime")
    flip_angle_degrees: float | None = Field(default=None, alias="FlipAngle")
    inversion_time_ms: float | None = Field(default=None, alias="InversionTime")
    scanning_sequence: str | None = Field(default=None, alias="ScanningSequence")
    sequence_variant: str | None = Field(default=None, alias="SequenceVariant")
    scan_options: str | None = Field(default=None, alias="ScanOptions")
    sequence_name: str | None = Field(default=None, alias="SequenceName")
    """SequenceName or PulseSequenceName, as de-identification left it."""
    acquisition_type: str | None = Field(default=None, alias="MRAcquisitionType")
    parallel_reduction_factor_in_plane: float | None = Field(default=None, alias="ParallelReductionFactorInPlane")
    parallel_acquisition_technique: str | None = Field(default=None, alias="ParallelAcquisitionTechnique")
    pixel_bandwidth_hz: float | None = Field(default=None, alias="PixelBandwidth")
    manufacturer: str | None = Field(default=None, alias="Manufacturer")
    model: str | None = Field(default=None, alias="ManufacturerModelName")
    imaging_frequency_mhz: float | None = Field(default=None, alias="ImagingFrequency")
    magnetic_field_strength_tesla: float | None = Field(default=None, alias="MagneticFieldStrength")
    image_type: str | None = Field(default=None, alias="ImageType")
    """Values of ImageType joined with `/`."""
    phase_encoding_direction: Literal["i", "j"] | None = Field(default=None, alias="PhaseEncodingDirection")
    """Axis of the written array; no polarity, as the draft standard."""
    slice_thickness_mm: float | None = Field(default=None, alias="SliceThickness")
    body_part_examined: str | None = Field(default=None, alias="BodyPartExamined")
    pulse_sequence_type: str | None = Field(default=None, alias="PulseSequenceType")
    water_fat_shift_pixels: float | None = Field(default=None, alias="WaterFatShift")
    """3.35 ppm times ImagingFrequency over PixelBandwidth (reference implementation, MEGRE only)."""
    readout_mode: Literal["Monopolar", "Bipolar"] | None = Field(default=None, alias="ReadoutMode")
    """Whether echoes of a gradient echo are read with gradients of one polarity or of alternating ones (draft standard, MEGRE)."""
    precession_direction: Literal["Clockwise", "Counterclockwise"] | None = Field(
        default=None, alias="PrecessionDirection"
    )
    """Sense in which the phase of a spin above the centre frequency turns with time, as stored (draft standard, MEGRE)."""
    refocusing_flip_angle_degrees: float | None = Field(default=None, alias="RefocusingFlipAngle")
    """Nominal (draft standard, MESE); absent where no header tells it."""
    anatomical_level: AnatomicalLevel | None = Field(default=None, alias="AnatomicalLevel")
    bandwidth_per_pixel_phase_encode_hz: float | None = Field(default=None, alias="BandwidthPerPixelPhaseEncode")
    fourth_dimension: Literal["EchoTime"] | None = Field(default=None, alias="FourthDimension")
    units: Unit = Field(default="arbitrary", alias="Units")
    provenance: Provenance = Field(alias="Provenance")

    def to_json(self) -> bytes:
        """The file's bytes: keys as in the standard, absent values left out, the same bytes for the same content."""
        return (self.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n").encode()
