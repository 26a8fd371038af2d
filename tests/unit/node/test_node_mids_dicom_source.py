"""What an image must tell before it becomes DICOM, and the UIDs that follow from it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom.uid import UID
from reading_factories import AFFINE_RAS, MEGRE, PHASE, T1W, small_dataset, voxels, write_image

from myofed_node.mids import open_dataset
from myofed_node.mids.back_to_dicom.dicom_source import DicomSource, read_source
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import ImageName, Part, Suffix


def refused(root: Path, name: ImageName = MEGRE) -> str:
    with pytest.raises(MyofedError) as refusal:
        read_source(open_dataset(root).image(name.image))
    assert "sub-" not in str(refusal.value)
    return refusal.value.code


def source(root: Path, name: ImageName = MEGRE) -> DicomSource:
    return read_source(open_dataset(root).image(name.image))


def test_image_of_another_maker_is_refused(tmp_path: Path) -> None:
    """Without a sidecar of the profile nobody knows the source series."""
    write_image(tmp_path, MEGRE, voxels())
    (tmp_path / MEGRE.sidecar).write_text('{"EchoTime": [2.3, 4.6]}')
    assert refused(tmp_path) == "SIDECAR_INVALID"


def test_image_changed_after_conversion_is_refused(tmp_path: Path) -> None:
    """Its provenance would be false."""
    path = write_image(tmp_path, MEGRE, voxels())
    path.write_bytes(path.read_bytes() + b"\0")
    assert refused(tmp_path) == "IMAGE_CHANGED"


def test_image_that_is_gone_is_refused(tmp_path: Path) -> None:
    """Between listing and reading."""
    image_file = write_image(tmp_path, MEGRE, voxels())
    image = open_dataset(tmp_path).image(MEGRE.image)
    image_file.unlink()
    with pytest.raises(MyofedError) as refusal:
        read_source(image)
    assert refusal.value.code == "IMAGE_UNREADABLE"


@pytest.mark.parametrize("times", [None, 2.3, (2.3,), (2.3, 2.3), (4.6, 2.3), (2.3, 4.6, 6.9)])
def test_echoes_without_increasing_times_are_refused(tmp_path: Path, times: object) -> None:
    """Two slices at one place with one echo time could not be told apart."""
    write_image(tmp_path, MEGRE, voxels(), EchoTime=times)
    assert refused(tmp_path) == "EXPORT_ECHO_TIMES"


def test_echo_times_of_an_image_without_echoes_are_refused(tmp_path: Path) -> None:
    """Two times for one volume."""
    write_image(tmp_path, T1W, voxels(echoes=1), EchoTime=(11.0, 12.0))
    assert refused(tmp_path, T1W) == "EXPORT_ECHO_TIMES"


@pytest.mark.parametrize(
    "values",
    [
        voxels("float64", echoes=1),
        np.full((5, 4, 3), np.nan, np.float32),
        np.full((5, 4, 3), np.inf, np.float32),
        np.full((5, 4, 3), 2**24 + 1, np.int32),
        np.zeros((5, 4), np.int16),
        np.zeros((5, 4, 3), np.complex64),
    ],
)
def test_values_that_dicom_cannot_hold_are_refused(tmp_path: Path, values: np.ndarray) -> None:
    """Kind, finiteness, dimensions."""
    write_image(tmp_path, T1W, values)
    assert refused(tmp_path, T1W) == "EXPORT_VALUES"


def test_sheared_axes_are_refused(tmp_path: Path) -> None:
    """A DICOM plane has right angles; sform alone can say otherwise."""
    sheared = AFFINE_RAS.copy()
    sheared[0, 1] = 0.01
    path = write_image(tmp_path, T1W, voxels(echoes=1))
    image = nib.Nifti1Image(voxels(echoes=1), sheared)
    nib.save(image, path)
    document = json.loads((tmp_path / T1W.sidecar).read_text())
    document["Provenance"]["ImageDigest"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / T1W.sidecar).write_text(json.dumps(document))
    assert refused(tmp_path, T1W) == "EXPORT_GEOMETRY"


def test_geometry_is_turned_to_lps(tmp_path: Path) -> None:
    """Both x and y change sign; the first voxel of slice k is ImagePositionPatient."""
    small_dataset(tmp_path)
    found = source(tmp_path)
    assert found.position_lps(2) == (-40.0, 25.0, 112.0)
    assert found.orientation_lps == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    assert found.spacing_mm == (2.0, 1.5, 6.0)
    assert source(tmp_path, T1W).echo_times_ms == (11.0,)


def test_uids_follow_from_the_image_and_are_valid(tmp_path: Path) -> None:
    """Read twice: the same; every thing its own."""
    small_dataset(tmp_path)
    first, again, phase = source(tmp_path), source(tmp_path), source(tmp_path, PHASE)
    assert (first.study_uid, first.series_uid, first.instance_uid(1)) == (
        again.study_uid,
        again.series_uid,
        again.instance_uid(1),
    )
    uids = [first.study_uid, first.series_uid, phase.series_uid, first.frame_of_reference_uid]
    uids += [first.instance_uid(1), first.instance_uid(2), phase.instance_uid(1), source(tmp_path, T1W).study_uid]
    assert len(set(uids)) == len(uids)
    assert all(UID(uid).is_valid and uid.startswith("2.25.") for uid in uids)
    assert (first.study_uid, first.frame_of_reference_uid) == (phase.study_uid, phase.frame_of_reference_uid)
    assert first.sidecar.provenance.source_series_instance_uid not in uids


def test_another_image_or_sidecar_is_another_series(tmp_path: Path) -> None:
    """An archive holds a UID for one content; the same bytes of another subject are another series, too."""
    small_dataset(tmp_path)
    first = source(tmp_path).series_uid
    write_image(tmp_path, MEGRE, voxels(), BodyPartExamined="THIGH")
    other_sidecar = source(tmp_path).series_uid
    write_image(tmp_path, MEGRE, voxels() + np.int16(1))
    other_image = source(tmp_path).series_uid
    twin = dataclasses.replace(MEGRE, subject="02")
    write_image(tmp_path, twin, voxels() + np.int16(1))
    assert len({first, other_sidecar, other_image, source(tmp_path, twin).series_uid}) == 4


def test_frames_go_echo_by_echo(tmp_path: Path) -> None:
    """(rows, columns), slices in order of the third axis."""
    write_image(tmp_path, ImageName("01", "A", Suffix.MEGRE, Part.REAL), voxels())
    found = source(tmp_path, ImageName("01", "A", Suffix.MEGRE, Part.REAL))
    frames = found.frames()
    assert len(frames) == 6
    assert np.array_equal(frames[4], voxels()[:, :, 1, 1].T)
