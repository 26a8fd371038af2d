"""Real values of stored pixels."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from mids_factories import Kind, classic, stored
from pydicom import Dataset

from myofed_node.mids.dicom_input.frames import FileIndex, Vendor
from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.judging.classify import PlannedImage, classify
from myofed_node.mids.judging.quantity import Quantity
from myofed_node.mids.pixels import Stored, voxels
from myofed_node.mids.refusal import SeriesRefusedError
from myofed_schemas.mids import Part

PHASE = ("ORIGINAL", "PRIMARY", "P", "ND")
SIEMENS_PHASE = {"RescaleSlope": "2", "RescaleIntercept": "-4096"}


def image_of(files: list[Dataset]) -> PlannedImage:
    return classify(read_series(files))[0]


def pixels_of(files: list[Dataset]) -> Stored:
    return {FileIndex(n): d.pixel_array[None] for n, d in enumerate(files)}


def refused(files: list[Dataset], vendor: Vendor = Vendor.SIEMENS) -> str:
    with pytest.raises(SeriesRefusedError) as refusal:
        voxels(image_of(files), pixels_of(files), vendor=vendor)
    return refusal.value.code


def test_phase_of_an_unknown_scale_is_refused() -> None:
    """Without the vendor's convention a phase has no unit."""
    assert refused(classic(Kind(image_type=PHASE))) == "PHASE_SCALE_UNKNOWN"


def test_phase_beyond_half_a_turn_is_refused() -> None:
    """Values that leave -pi..pi show that the scale was another one."""
    files = classic(Kind(image_type=PHASE, extra=SIEMENS_PHASE | {"BitsStored": 16, "HighBit": 15}))
    files[0].PixelData = np.full((4, 5), 60000, dtype=np.uint16).tobytes()
    assert refused(files) == "PHASE_SCALE_UNKNOWN"


def test_assumed_magnitude_with_negative_voxels_is_refused() -> None:
    """GE's default is confirmed by the voxels, or the series waits for a person."""
    files = classic(
        Kind(image_type=("ORIGINAL", "PRIMARY", "OTHER"), extra={"Manufacturer": "GE", "PixelRepresentation": 1})
    )
    files[0].PixelData = np.full((4, 5), -3, dtype=np.int16).tobytes()
    assert refused(files, Vendor.GE) == "COMPONENT_UNPROVEN"


def test_frame_that_the_pixel_data_lacks_is_refused() -> None:
    """Header and pixel data must tell the same size."""
    files = classic()
    cut = {n: pixels[:, :2] for n, pixels in pixels_of(files).items()}
    with pytest.raises(SeriesRefusedError) as refusal:
        voxels(image_of(files), cut, vendor=Vendor.SIEMENS)
    assert refusal.value.code == "PIXELS_SHAPE"


def test_scale_slope_in_some_frames_only_is_refused() -> None:
    """Two scales in one image would be a step between slices."""
    files = classic(Kind(extra={"Manufacturer": "Philips"}))
    files[0].private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 0.5)
    assert refused(files, Vendor.PHILIPS) == "SCALE_SLOPE_INCOMPLETE"


def test_infinite_rescale_is_refused() -> None:
    """A slope that gives infinite values is damage."""
    assert refused(classic(Kind(extra={"RescaleSlope": "1e300"}))) == "VALUES_NOT_FINITE"


def test_stored_values_without_rescale_stay_integers_at_their_place() -> None:
    """Voxel (column, row, slice, echo) is the stored pixel, int16, nothing computed."""
    files = classic()
    made = voxels(image_of(files), pixels_of(files), vendor=Vendor.SIEMENS)
    assert made.scaling == "stored"
    assert made.values.dtype == np.int16
    for k in range(3):
        for echo in range(2):
            assert np.array_equal(made.values[:, :, k, echo].T, stored(k, echo))


def test_values_above_int16_become_uint16() -> None:
    """The smallest type that holds every stored value is taken."""
    files = classic(Kind(extra={"BitsStored": 16, "HighBit": 15}))
    files[0].PixelData = np.full((4, 5), 60000, dtype=np.uint16).tobytes()
    assert voxels(image_of(files), pixels_of(files), vendor=Vendor.SIEMENS).values.dtype == np.uint16


def test_rescale_is_applied_frame_by_frame() -> None:
    """Slopes that differ between slices are each applied to their own slice."""
    files = classic(Kind(echo_times_ms=(2.3, 4.6)))
    for number, dataset in enumerate(files):
        dataset.RescaleSlope, dataset.RescaleIntercept = str(1 + number // 2), "-7"
    made = voxels(image_of(files), pixels_of(files), vendor=Vendor.SIEMENS)
    assert made.scaling == "rescale"
    for k, slope in ((2, 1), (1, 2), (0, 3)):
        assert np.array_equal(made.values[:, :, k, 0].T, stored(k, 0) * np.float32(slope) - 7)


def test_philips_values_are_freed_of_the_display_scale() -> None:
    """(PV * RS + RI) / (RS * SS): the precise value, whatever was rescaled for display."""
    files = classic(Kind(extra={"Manufacturer": "Philips", "RescaleSlope": "4", "RescaleIntercept": "8"}))
    for dataset in files:
        dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 0.5)
    made = voxels(image_of(files), pixels_of(files), vendor=Vendor.PHILIPS)
    assert made.scaling == "philips-scale-slope"
    assert np.allclose(made.values[:, :, 1, 1].T, (stored(1, 1) * 4.0 + 8.0) / (4.0 * 0.5))


@pytest.mark.parametrize(
    ("vendor", "extra", "radians_of"),
    [
        (Vendor.SIEMENS, SIEMENS_PHASE, lambda v: (2 * v - 4096) / 4096 * math.pi),
        (
            Vendor.PHILIPS,
            {"Manufacturer": "Philips", "RescaleSlope": "1.534", "RescaleIntercept": "-3141.59"},
            lambda v: (1.534 * v - 3141.59) / 1000,
        ),
        (
            Vendor.PHILIPS,
            {"Manufacturer": "Philips", "RescaleSlope": "0.001534", "RescaleIntercept": "-3.14159"},
            lambda v: 0.001534 * v - 3.14159,
        ),
        (
            Vendor.GE,
            {"Manufacturer": "GE MEDICAL SYSTEMS", "PixelRepresentation": 1},
            lambda v: v / 1000,
        ),
    ],
)
def test_phase_is_in_radians_by_each_vendors_scale(vendor: Vendor, extra: dict[str, object], radians_of) -> None:
    """Siemens: 4096 is half a turn; Philips and GE: milliradians, or Philips' radians."""
    files = classic(Kind(image_type=PHASE, extra=extra))
    made = voxels(image_of(files), pixels_of(files), vendor=vendor)
    assert made.scaling == "phase-radians"
    assert np.allclose(made.values[:, :, 2, 1].T, radians_of(stored(2, 1).astype(float)), atol=1e-5)
    assert np.abs(made.values).max() <= np.float32(math.pi)


def test_part_that_is_no_phase_is_not_turned_to_radians() -> None:
    """The component decides, not the slope."""
    files = classic(Kind(extra=SIEMENS_PHASE))
    image = replace(image_of(files), part=Part.MAG)
    assert voxels(image, pixels_of(files), vendor=Vendor.SIEMENS).scaling == "rescale"


def map_of(files: list[Dataset], quantity: Quantity) -> PlannedImage:
    return replace(image_of(files), quantity=quantity)


def test_map_of_frames_without_a_real_world_mapping_is_refused() -> None:
    """A unit that some frames do not have is no unit of the image."""
    files = classic()
    with pytest.raises(SeriesRefusedError) as refusal:
        voxels(map_of(files, Quantity("real-world")), pixels_of(files), vendor=Vendor.SIEMENS)
    assert refusal.value.code == "MAP_UNIT_UNKNOWN"


def test_scale_slope_of_zero_rescale_is_refused() -> None:
    """Nothing can be divided by it."""
    files = classic(Kind(extra={"Manufacturer": "Philips", "RescaleSlope": "0"}))
    for dataset in files:
        dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 0.5)
    assert refused(files, Vendor.PHILIPS) == "SCALE_SLOPE_INCOMPLETE"


def test_map_is_rescaled_and_brought_to_its_unit_without_philips_scale_slope() -> None:
    """Display values of a map are its values; the factor is the site's or the unit's."""
    files = classic(Kind(extra={"Manufacturer": "Philips", "RescaleSlope": "2", "RescaleIntercept": "-100"}))
    for dataset in files:
        dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 0.5)
    made = voxels(map_of(files, Quantity("rescale", 10.0)), pixels_of(files), vendor=Vendor.PHILIPS)
    assert made.scaling == "rescale"
    assert np.allclose(made.values[:, :, 1, 1].T, (stored(1, 1) * 2.0 - 100.0) * 10.0)


def test_map_takes_its_real_world_values() -> None:
    """RealWorldValueSlope and -Intercept of each frame, whatever is rescaled for display."""
    files = classic(Kind(extra={"RescaleSlope": "7"}))
    for dataset in files:
        item, unit = Dataset(), Dataset()
        unit.CodeValue, unit.CodingSchemeDesignator = "Hz", "UCUM"
        item.RealWorldValueSlope, item.RealWorldValueIntercept = 0.5, -3.0
        item.MeasurementUnitsCodeSequence = [unit]
        dataset.RealWorldValueMappingSequence = [item]
    made = voxels(map_of(files, Quantity("real-world", 2.0)), pixels_of(files), vendor=Vendor.SIEMENS)
    assert made.scaling == "real-world"
    assert np.allclose(made.values[:, :, 1, 1].T, (stored(1, 1) * 0.5 - 3.0) * 2.0)


def test_real_and_imaginary_parts_keep_their_sign() -> None:
    """Signed stored values, no rescale: int16."""
    files = classic(Kind(image_type=("ORIGINAL", "PRIMARY", "R", "ND"), extra={"PixelRepresentation": 1}))
    files[0].PixelData = np.full((4, 5), -3, dtype=np.int16).tobytes()
    made = voxels(image_of(files), pixels_of(files), vendor=Vendor.SIEMENS)
    assert (made.values.dtype, made.values.min()) == (np.int16, -3)


@pytest.mark.parametrize(("value", "dtype"), [(-40000, np.int32), (2**20, np.int32), (2**31, np.float64)])
def test_values_of_32_bits_are_kept_whole(value: int, dtype: type[np.generic]) -> None:
    """float32 would round them."""
    files = classic()
    pixels = {n: np.full((1, 4, 5), value, dtype=np.int64) for n in pixels_of(files)}
    made = voxels(image_of(files), pixels, vendor=Vendor.SIEMENS)
    assert made.values.dtype == dtype
    assert made.values.min() == value
