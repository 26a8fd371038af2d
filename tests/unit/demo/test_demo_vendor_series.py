"""Series of the vendor matrix as files: read back by the standard elements, they are the truth."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, config, dcmread

from myofed_demo.protocols import Kind
from myofed_demo.vendor_matrix import STYLES, SeriesTruth, cases_of, make_exam, write_case
from myofed_demo.vendor_series import WrittenVolumes

CASES = [pytest.param(case, id=case.name) for style in STYLES for case in cases_of(style)]


def planes(file: Dataset) -> list[tuple[NDArray[np.int64], NDArray[np.float64], float]]:
    """Pixels, position and echo time of each frame."""
    if "PerFrameFunctionalGroupsSequence" not in file:
        return [(file.pixel_array, np.array(file.ImagePositionPatient, dtype=float), float(file.EchoTime))]
    return [
        (
            pixels,
            np.array(frame.PlanePositionSequence[0].ImagePositionPatient, dtype=float),
            float(frame.MREchoSequence[0].EffectiveEchoTime),
        )
        for pixels, frame in zip(
            file.pixel_array.reshape(-1, file.Rows, file.Columns), file.PerFrameFunctionalGroupsSequence, strict=True
        )
    ]


@pytest.fixture(params=CASES, scope="module")
def truth(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SeriesTruth:
    """Each series in turn."""
    return write_case(tmp_path_factory.mktemp("series"), make_exam("k"), request.param)


def test_every_stored_slice_is_in_the_files_once_at_its_place(truth: SeriesTruth) -> None:
    """Pixels, ImagePositionPatient and echo time, whatever the order."""
    found = [plane for path in truth.written.files for plane in planes(dcmread(path))]
    expected = [
        (stored.pixels[:, :, k].T, (stored.volume.affine_lps @ (0, 0, k, 1))[:3], stored.volume.echo_time_ms)
        for stored in truth.written.volumes
        for k in range(stored.pixels.shape[2])
    ]
    assert len(found) == len(expected)
    for pixels, position, echo in expected:
        assert any(
            np.array_equal(pixels, p) and np.allclose(position, at, atol=1e-6) and te == pytest.approx(echo)
            for p, at, te in found
        )


def test_every_file_is_read_strictly_and_is_an_instance_of_its_own(truth: SeriesTruth) -> None:
    """No value breaks its representation; no UID appears twice."""
    written = truth.written
    mode = config.settings.reading_validation_mode
    config.settings.reading_validation_mode = config.RAISE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            files = [dcmread(path) for path in written.files]
            for file in files:
                file.walk(lambda _, element: element.value)
    finally:
        config.settings.reading_validation_mode = mode
    assert len({file.SOPInstanceUID for file in files}) == len(files)
    assert {str(file.SeriesInstanceUID) for file in files} == {written.series_instance_uid}


def written_by(vendor: str, form: str, protocol: str, folder: Path, kind: Kind | None = None) -> WrittenVolumes:
    """One series of the matrix."""
    style = next(s for s in STYLES if (s.vendor, s.form) == (vendor, form))
    case = next(
        c for c in cases_of(style) if c.protocol.name == protocol and (kind is None or c.volumes[0].kind is kind)
    )
    return write_case(folder, make_exam("k"), case).written


def test_siemens_phase_has_slope_two_and_minus_4096(tmp_path: Path) -> None:
    """In a series of its own, 12 bits."""
    file = dcmread(written_by("siemens", "classic", "megre", tmp_path, Kind.PHASE).files[0])
    assert (float(file.RescaleSlope), float(file.RescaleIntercept), file.BitsStored) == (2.0, -4096.0, 12)
    assert file.ImageType[2] == "P"


def test_siemens_enhanced_is_one_object_an_echo(tmp_path: Path) -> None:
    """As XA exports are."""
    written = written_by("siemens", "enhanced", "megre", tmp_path, Kind.MAGNITUDE)
    assert len(written.files) == 6
    assert {int(dcmread(path).NumberOfFrames) for path in written.files} == {5}


def test_philips_private_position_is_half_a_voxel_off_along_rows_and_columns(tmp_path: Path) -> None:
    """In an oblique plane, too; the rescale differs between echoes."""
    written = written_by("philips", "enhanced", "megre", tmp_path)
    (path,) = written.files
    frames = dcmread(path).PerFrameFunctionalGroupsSequence
    axes = np.array(frames[0].PlaneOrientationSequence[0].ImageOrientationPatient, dtype=float).reshape(2, 3)
    for frame in frames:
        copy = frame.private_block(0x2005, "Philips MR Imaging DD 005")[0x0F].value[0]
        standard = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        off = standard - np.array(copy.ImagePositionPatient, dtype=float)
        assert np.allclose(axes @ off, np.array(written.protocol.technique.spacing_mm[:2]) / 2, atol=1e-6)
    assert len({str(f.PixelValueTransformationSequence[0].RescaleSlope) for f in frames}) == 7


def test_philips_r12_does_not_count_its_echoes_and_says_out_of_phase(tmp_path: Path) -> None:
    """The index of the echo time is 0 in all frames; R5.7 has genuine ones."""
    for vendor, echoes in (("philips", {1, 2, 3, 4, 5, 6}), ("philips r12", {0})):
        (path,) = written_by(vendor, "enhanced", "megre", tmp_path / vendor).files
        frames = dcmread(path).PerFrameFunctionalGroupsSequence
        assert {frame.FrameContentSequence[0].DimensionIndexValues[2] for frame in frames} == echoes
    (path,) = written_by("philips r12", "enhanced", "dixon", tmp_path).files
    frames = dcmread(path).PerFrameFunctionalGroupsSequence
    assert "OUT_OF_PHASE" in {frame.MRImageFrameTypeSequence[0].FrameType[3] for frame in frames}


def test_philips_classic_series_mixes_magnitude_and_phase(tmp_path: Path) -> None:
    """Each image with its own rescale and scale slope."""
    files = [dcmread(path) for path in written_by("philips", "classic", "megre", tmp_path).files]
    assert {file.ImageType[3] for file in files} == {"M", "P"}
    slopes = {file.ImageType[3]: file.private_block(0x2005, "Philips MR Imaging DD 001")[0x0E].value for file in files}
    assert slopes["P"] == pytest.approx(651.74)


def test_ge_components_differ_in_the_private_element_only(tmp_path: Path) -> None:
    """All images are OTHER; echoes of a position follow each other; (0020,1002) counts the images."""
    files = [dcmread(path) for path in written_by("ge", "classic", "megre", tmp_path).files]
    assert {tuple(file.ImageType) for file in files} == {("ORIGINAL", "PRIMARY", "OTHER")}
    assert {file.private_block(0x0043, "GEMS_PARM_01")[0x2F].value for file in files} == {0, 1}
    assert len({tuple(file.ImagePositionPatient) for file in files[:12]}) == 1
    assert {int(file.ImagesInAcquisition) for file in files} == {len(files)}
