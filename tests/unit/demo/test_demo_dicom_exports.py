"""What every vendor's export has in common: readable, complete, and the same image as the phantom's."""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import config, dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import EnhancedMRImageStorage

from myofed_demo.phantom import in_phase, make_subject, subject_rng
from myofed_demo.scanner import ScannerPreset


def instances(export: Path) -> list[FileDataset]:
    """All DICOM files of the export."""
    return [dcmread(path) for path in sorted((export / "dicom").rglob("*")) if path.is_file()]


def in_phase_volume(files: list[FileDataset], preset: ScannerPreset) -> tuple[NDArray[np.float64], tuple[float, ...]]:
    """The in-phase image (i, j, k) of one series, read with the standard attributes only, and its first position."""
    te_ms = preset.echo_times_ms[preset.in_phase_echo]
    found: dict[float, tuple[tuple[float, ...], NDArray[np.float64]]] = {}
    for file in files:
        if file.SOPClassUID == EnhancedMRImageStorage:
            for frame, pixels in zip(file.PerFrameFunctionalGroupsSequence, file.pixel_array, strict=True):
                if frame.MRImageFrameTypeSequence[0].FrameType[3] == "IN_PHASE":
                    position = tuple(frame.PlanePositionSequence[0].ImagePositionPatient)
                    slope = float(frame.PixelValueTransformationSequence[0].RescaleSlope)
                    found[position[2]] = (position, pixels.T * slope)
        elif float(file.EchoTime) == te_ms:
            found[file.ImagePositionPatient[2]] = (tuple(file.ImagePositionPatient), file.pixel_array.T.astype(float))
    ordered = [found[z] for z in sorted(found)]
    return np.stack([pixels for _, pixels in ordered], axis=-1), ordered[0][0]


def test_every_file_is_read_strictly(export: Path) -> None:
    """No value breaks its representation, no file lacks its meta group."""
    mode = config.settings.reading_validation_mode
    config.settings.reading_validation_mode = config.RAISE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for file in instances(export):
                file.walk(lambda _, element: element.value)
                assert file.file_meta.MediaStorageSOPInstanceUID == file.SOPInstanceUID
    finally:
        config.settings.reading_validation_mode = mode


def test_instances_are_unique_and_numbered(export: Path) -> None:
    """No SOPInstanceUID appears twice."""
    counts = Counter(str(file.SOPInstanceUID) for file in instances(export))
    assert max(counts.values()) == 1


def test_labelled_series_is_the_phantoms_image_on_the_label_maps_grid(export: Path, preset: ScannerPreset) -> None:
    """Read back by standard attributes, pixels and position are those of the phantom and of the label map."""
    with (export / "labels" / "labels.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for number, row in enumerate(rows):
        files = [f for f in instances(export) if f.SeriesInstanceUID == row["series_instance_uid"]]
        volume, origin = in_phase_volume(files, preset)
        disease = preset.diseases[number % len(preset.diseases)]
        expected = in_phase(make_subject(disease, preset, subject_rng(7, hospital="here", subject=number)))
        assert np.corrcoef(volume.ravel(), expected.ravel())[0, 1] > 0.9999
        label = nib.load(export / "labels" / row["file"])
        assert label.shape == volume.shape
        assert (label.affine[:3, 3] * [-1, -1, 1]).tolist() == pytest.approx([float(v) for v in origin], abs=1e-4)


def test_private_elements_hold_the_patients_name(export: Path) -> None:
    """Each image has private elements, and the family name stands in at least one of them."""
    for file in instances(export):
        if file.SeriesNumber in (1, 99):
            continue
        private = [str(e.value) for e in file.iterall() if e.tag.is_private and e.VR != "SQ"]
        family = str(file.PatientName).split("^")[0]
        assert any(family[:16] in text for text in private)
