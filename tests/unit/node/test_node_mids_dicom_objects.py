"""The DICOM that is made of an image: what it says, and that a validator of others finds no error."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.filewriter import dcmwrite
from reading_factories import MEGRE, PHASE, SHAPE, T1W, voxels, write_image

from myofed_node.mids import open_dataset
from myofed_node.mids.back_to_dicom.dicom_objects import UNPAIRED, dicom_objects
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import ImageName, Suffix

MR = "1.2.840.10008.5.1.4.1.1.4"
PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
NOISE = np.random.default_rng(5).random((*SHAPE, 2), np.float32)
FF = ImageName("01", "A", Suffix.FF)


def objects(root: Path, name: ImageName, values: np.ndarray, **keys: object) -> list[Dataset]:
    write_image(root, name, values, **keys)
    return list(dicom_objects(open_dataset(root).image(name.image)))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ImageType", "original/M/a word of more than 16"),
        ("ScanningSequence", "gr echo!"),
        ("MRAcquisitionType", "2d\n"),
    ],
)
def test_value_that_dicom_does_not_allow_is_refused(tmp_path: Path, key: str, value: str) -> None:
    """A sidecar that somebody edited; the value is not repeated."""
    with pytest.raises(MyofedError) as refusal:
        objects(tmp_path, T1W, voxels(echoes=1), **{key: value})
    assert refusal.value.code == "EXPORT_HEADER"
    assert value not in str(refusal.value)


def test_integers_become_mr_images_with_the_same_stored_values(tmp_path: Path) -> None:
    """One a slice and echo, without rescale; what the sidecar tells stands in its element."""
    made = objects(tmp_path, MEGRE, voxels(), PhaseEncodingDirection="j", InversionTime=200.0, SliceThickness=5.0,
                   PixelBandwidth=260.0, ScanOptions="FS/PFP", ManufacturerModelName="Prisma", BodyPartExamined="THIGH")  # fmt: skip
    assert [(d.SOPClassUID, d.InstanceNumber, float(d.EchoTime), d.EchoNumbers) for d in made] == [
        (MR, n, 2.3 if n < 4 else 4.6, 1 if n < 4 else 2) for n in range(1, 7)
    ]
    first = made[0]
    assert "RescaleSlope" not in first
    assert "RealWorldValueMappingSequence" not in first
    assert first.PixelData == np.ascontiguousarray(voxels()[:, :, 0, 0].T).tobytes()
    assert list(first.PixelSpacing) == [1.5, 2.0]
    assert (first.ImageType, first.ScanOptions) == (["ORIGINAL", "PRIMARY", "M", "ND"], ["FS", "PFP"])
    assert (first.InPlanePhaseEncodingDirection, first.InversionTime, first.SliceThickness) == ("COL", 200.0, 5.0)
    assert (first.PatientID, first.SeriesDescription, first.SeriesNumber) == ("01", "MEGRE", 1)
    assert (first.PixelBandwidth, first.ManufacturerModelName, first.BodyPartExamined) == (260.0, "Prisma", "THIGH")


def test_rescaled_values_are_derived_and_say_their_unit(tmp_path: Path) -> None:
    """Stored integers times RescaleSlope are the voxels; the same in the real-world mapping, with its UCUM code."""
    values = (voxels(echoes=1) * np.float32(0.5)).astype(np.float32)
    first = objects(tmp_path, FF, values, scaling="rescale")[0]
    assert first.ImageType == ["DERIVED", "PRIMARY", "M", "ND"]
    real = first.pixel_array * float(first.RescaleSlope) + float(first.RescaleIntercept)
    assert np.array_equal(real, values[:, :, 0].T)
    mapping = first.RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "%"
    assert mapping.RealWorldValueSlope == float(first.RescaleSlope)
    assert (mapping.RealWorldValueFirstValueMapped, mapping.RealWorldValueLastValueMapped) == (1, 20)


def test_map_of_negative_integers_says_its_unit_too(tmp_path: Path) -> None:
    """Signed stored values; the mapping has their representation."""
    b0 = ImageName("01", "A", Suffix.B0)
    first = objects(tmp_path, b0, (voxels(echoes=1) - 30).astype(np.int16))[0]
    mapping = first.RealWorldValueMappingSequence[0]
    assert (first.PixelRepresentation, mapping["RealWorldValueFirstValueMapped"].VR) == (1, "SS")
    assert (mapping.RealWorldValueSlope, mapping.MeasurementUnitsCodeSequence[0].CodeValue) == (1.0, "Hz")


def test_other_floats_become_a_parametric_map_an_echo(tmp_path: Path) -> None:
    """32-bit floating point values, bit for bit; echo time beside them."""
    made = objects(tmp_path, MEGRE, NOISE)
    assert [(d.SOPClassUID, d.NumberOfFrames, float(d.EchoTime)) for d in made] == [
        (PARAMETRIC_MAP, 3, 2.3),
        (PARAMETRIC_MAP, 3, 4.6),
    ]
    stored = np.frombuffer(made[1].FloatPixelData, "<f4").reshape(3, 4, 5)
    assert np.array_equal(stored, NOISE[..., 1].transpose(2, 1, 0))
    assert made[0].DimensionOrganizationSequence != made[1].DimensionOrganizationSequence


@pytest.mark.parametrize(
    ("name", "keys", "expected"),
    [
        (MEGRE, {"ScanningSequence": None}, ("GR", "SP")),
        (T1W, {"ScanningSequence": None, "SequenceVariant": None}, ("RM", "UNKNOWN")),
        (T1W, {"ScanningSequence": "SPIN"}, ("SE", "SP")),
        (T1W, {"ScanningSequence": "GR", "InversionTime": 450.0}, (["GR", "IR"], "SP")),
        (T1W, {"ScanningSequence": "IR/GR", "InversionTime": 900.0}, (["IR", "GR"], "SP")),
        (T1W, {"ScanningSequence": "GRADIENT"}, ("GR", "SP")),
        (T1W, {"ScanningSequence": "GR/IR", "SequenceVariant": "SK/SP"}, (["GR", "IR"], ["SK", "SP"])),
    ],
)
def test_sequence_is_what_the_sidecar_tells_or_the_suffix_proves(
    tmp_path: Path, name: ImageName, keys: dict[str, object], expected: tuple[object, object]
) -> None:
    """The standard wants a value; where nothing tells one it is research mode, never a guess."""
    first = objects(tmp_path, name, voxels(echoes=2 if name is MEGRE else 1), **keys)[0]
    assert (first.ScanningSequence, first.SequenceVariant) == expected


@pytest.mark.parametrize("image_type", [None, "ORIGINAL/PRIMARY"])
def test_image_type_that_is_not_told_is_derived(tmp_path: Path, image_type: str | None) -> None:
    """Nothing is called original that is not known to be."""
    first = objects(tmp_path, T1W, voxels(echoes=1), ImageType=image_type)[0]
    assert first.ImageType == ["DERIVED", "PRIMARY", "OTHER"]


@pytest.mark.parametrize("values", [voxels(), NOISE])
def test_no_date_and_nobody_but_the_pseudonym(tmp_path: Path, values: np.ndarray) -> None:
    """Dates and times are empty or, where they must not be, say nothing."""
    for dataset in objects(tmp_path, MEGRE, values):
        dates = {str(e.value) for e in dataset.iterall() if e.VR in {"DA", "TM", "DT"}}
        assert dates <= {"", "19000101", "000000"}
        people = {str(e.value) for e in dataset.iterall() if e.VR == "PN"}
        assert people <= {"", "01"}
        assert (dataset.PatientIdentityRemoved, dataset.LongitudinalTemporalInformationModified) == ("YES", "REMOVED")


def test_second_call_gives_the_same_objects(tmp_path: Path) -> None:
    """UIDs and all."""
    assert objects(tmp_path, MEGRE, voxels()) == objects(tmp_path, MEGRE, voxels())


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian package dicom3tools) is not installed")
@pytest.mark.parametrize(
    ("name", "values", "keys"),
    [
        (MEGRE, voxels(), {}),
        (MEGRE, NOISE, {}),
        (PHASE, np.linspace(-3, 3, 120, dtype=np.float32).reshape((*SHAPE, 2)), {"SliceThickness": 5.0}),
        (FF, (voxels(echoes=1) * np.float32(0.5)).astype(np.float32), {"scaling": "rescale"}),
        (FF, NOISE[..., 0], {"scaling": "rescale"}),
        (T1W, voxels(echoes=1), {"ScanningSequence": None, "SequenceVariant": None, "RepetitionTime": None}),
        (
            T1W,
            voxels(echoes=1),
            {"EchoTime": None, "FlipAngle": None, "MRAcquisitionType": "2D", "BodyPartExamined": "LEG"},
        ),
        (T1W, voxels(echoes=1), {"InversionTime": 450.0}),
        (T1W, voxels(echoes=1), {"ScanningSequence": None, "InversionTime": 220.0}),
        *((T1W, voxels(echoes=1), {"BodyPartExamined": part}) for part in sorted(UNPAIRED)),
    ],
)
def test_validator_of_others_finds_no_error(
    tmp_path: Path, name: ImageName, values: np.ndarray, keys: dict[str, object]
) -> None:
    """David Clunie's dciodvfy; it would tell a missing or empty type 1 element."""
    made = objects(tmp_path, name, values, **keys)
    for dataset in (made[0], made[-1]):
        path = tmp_path / "one.dcm"
        dcmwrite(path, dataset, enforce_file_format=True)
        told = subprocess.run(["dciodvfy", path], capture_output=True, text=True).stderr
        assert {"MRImage", "ParametricMap"} & set(told.splitlines())
        assert [line for line in told.splitlines() if line.startswith("Error")] == []


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian package dicom3tools) is not installed")
def test_validator_of_others_would_find_one(tmp_path: Path) -> None:
    """The check above can fail."""
    dataset = objects(tmp_path, MEGRE, voxels())[0]
    dataset.ScanningSequence = ""
    dcmwrite(tmp_path / "one.dcm", dataset, enforce_file_format=True)
    told = subprocess.run(["dciodvfy", tmp_path / "one.dcm"], capture_output=True, text=True).stderr
    assert [line for line in told.splitlines() if line.startswith("Error")]
