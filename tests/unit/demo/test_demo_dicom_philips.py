"""Philips enhanced exports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import tiny
from pydicom import dcmread
from pydicom.dataset import FileDataset

from myofed_demo.dicom_philips import write_images, write_quarantine
from myofed_demo.exam import Exam
from myofed_demo.identities import make_hospital_identity, make_patient_identity
from myofed_demo.phantom import Subject, make_subject, subject_rng
from myofed_demo.presets import PHILIPS_15T


def visit() -> tuple[Exam, Subject]:
    """A patient and their images."""
    hospital = make_hospital_identity(np.random.default_rng(0))
    exam = Exam(hospital, make_patient_identity(hospital, np.random.default_rng(1)), "key")
    return exam, make_subject("control", tiny(PHILIPS_15T), subject_rng(1, hospital="x", subject=0))


def written(folder: Path) -> FileDataset:
    """The one object of the visit."""
    write_images(folder, *visit())
    (path,) = folder.iterdir()
    return dcmread(path)


def test_four_kinds_of_frames_at_three_positions_are_one_object(tmp_path: Path) -> None:
    """Water, fat, in phase, opposed phase; as many per-frame items as frames, each combination once."""
    file = written(tmp_path)
    frames = file.PerFrameFunctionalGroupsSequence
    assert int(file.NumberOfFrames) == len(frames) == file.pixel_array.shape[0] == 12
    found = {
        (f.MRImageFrameTypeSequence[0].FrameType[3], f.FrameContentSequence[0].InStackPositionNumber) for f in frames
    }
    assert found == {(kind, k) for kind in ("WATER", "FAT", "IN_PHASE", "OPP_PHASE") for k in (1, 2, 3)}
    assert len({tuple(f.FrameContentSequence[0].DimensionIndexValues) for f in frames}) == 12


def test_rescale_differs_between_kinds_of_frames(tmp_path: Path) -> None:
    """Whoever applies one slope to all frames gets water and fat wrong."""
    slopes: dict[str, set[str]] = {}
    for frame in written(tmp_path).PerFrameFunctionalGroupsSequence:
        kind = frame.MRImageFrameTypeSequence[0].FrameType[3]
        slopes.setdefault(kind, set()).add(str(frame.PixelValueTransformationSequence[0].RescaleSlope))
    assert all(len(found) == 1 for found in slopes.values())
    assert len(set.union(*slopes.values())) > 1


def test_private_copy_of_the_position_is_half_a_voxel_off(tmp_path: Path) -> None:
    """As in real files: only PlanePositionSequence is right; the scale slope stands in (2005,xx0E)."""
    file = written(tmp_path)
    frame = file.PerFrameFunctionalGroupsSequence[0]
    copy = frame.private_block(0x2005, "Philips MR Imaging DD 005")[0x0F].value[0]
    spacing = [float(v) for v in frame.PixelMeasuresSequence[0].PixelSpacing]
    standard = [float(v) for v in frame.PlanePositionSequence[0].ImagePositionPatient]
    assert np.allclose(np.subtract(standard, [float(v) for v in copy.ImagePositionPatient])[:2], np.array(spacing) / 2)
    assert copy.private_block(0x2005, "Philips MR Imaging DD 001")[0x0E].value > 0


def test_dimension_pointers_name_what_the_index_counts(tmp_path: Path) -> None:
    """First the position in the stack, then the frame type (PS3.3 C.7.6.17)."""
    keywords = [item.DimensionIndexPointer for item in written(tmp_path).DimensionIndexSequence]
    assert [int(tag) for tag in keywords] == [0x00209057, 0x00089007]


def test_series_to_quarantine_lacks_water_and_fat_at_the_second_position(tmp_path: Path) -> None:
    """An export that lost frames: the positions of water and fat are not uniformly spaced."""
    write_quarantine(tmp_path, *visit())
    (path,) = tmp_path.iterdir()
    places: dict[str, list[int]] = {}
    for frame in dcmread(path).PerFrameFunctionalGroupsSequence:
        kind = frame.MRImageFrameTypeSequence[0].FrameType[3]
        places.setdefault(kind, []).append(int(frame.FrameContentSequence[0].InStackPositionNumber))
    assert places == {"WATER": [1, 3], "FAT": [1, 3], "IN_PHASE": [1, 2, 3], "OPP_PHASE": [1, 2, 3]}
