"""Subjects of a data set: labelled or refused, read once, read again when a file changed."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from learning_factories import manifest, two_thighs

from myofed_node.learning.data import SubjectCache, labelled_subjects, read_subject
from myofed_schemas.errors import MyofedError
from myofed_schemas.sidecar import Sidecar


def sidecar() -> Sidecar:
    """Two echoes at 3 T, the second in phase."""
    provenance = {
        "SourceSeriesInstanceUID": "2.25.1",
        "SourceDigest": "0" * 64,
        "SourceFiles": 1,
        "PolicyDigest": "0" * 64,
        "ImageDigest": "0" * 64,
        "ValueScaling": "stored",
        "Tools": {},
    }
    times = {"EchoTime": (1.15, 2.3), "MagneticFieldStrength": 3.0, "FourthDimension": "EchoTime"}
    return Sidecar.model_validate({**times, "Provenance": provenance})


def write_subject(dataset: Path, subject: str, *, seed: int = 0, session: str = "1", label_shift: float = 0.0) -> None:
    """One session: a MEGRE whose second echo is the image, and its label map."""
    volume = two_thighs(seed)
    stem = f"sub-{subject}_ses-{session}_MEGRE"
    anat = Path(f"sub-{subject}") / f"ses-{session}" / "mr-anat"
    labels = dataset / "derivatives" / "labels" / anat
    for folder in (dataset / anat, labels):
        folder.mkdir(parents=True)
    echoes = np.stack([np.zeros_like(volume.image), volume.image], axis=-1)
    nib.save(nib.Nifti1Image(echoes, volume.affine_ras), dataset / anat / f"{stem}.nii.gz")
    affine = volume.affine_ras.copy()
    affine[0, 3] += label_shift
    nib.save(nib.Nifti1Image(volume.labels, affine), labels / f"{stem}_dseg.nii.gz")
    (dataset / anat / f"{stem}.json").write_bytes(sidecar().to_json())


def test_subject_without_labels_is_refused_and_not_named(tmp_path: Path) -> None:
    """A study cannot train on whom nobody labelled; the pseudonym is not in the message."""
    with pytest.raises(MyofedError) as refusal:
        read_subject(tmp_path, "p1secret", manifest=manifest())
    assert refusal.value.code == "SUBJECT_NOT_LABELLED"
    assert "p1secret" not in str(refusal.value)


def test_label_map_on_another_grid_is_refused(tmp_path: Path) -> None:
    """The same shape a centimetre away is another grid."""
    write_subject(tmp_path, "p1", label_shift=10.0)
    with pytest.raises(MyofedError) as refusal:
        read_subject(tmp_path, "p1", manifest=manifest())
    assert refusal.value.code == "LABEL_GRID"


def test_sessions_of_a_subject_are_put_together(tmp_path: Path) -> None:
    """Two sessions of two slices of two thighs are eight pairs, and the echo is the one that is in phase."""
    write_subject(tmp_path, "p1", session="1")
    write_subject(tmp_path, "p1", session="2", seed=1)
    slices = read_subject(tmp_path, "p1", manifest=manifest())
    assert slices.images.shape == (8, 1, 32, 32)
    assert float(slices.images.std()) > 0.5


def test_label_map_on_a_later_choice_of_image_is_found(tmp_path: Path) -> None:
    """A Dixon in-phase product without labels comes first by rank; the reader labelled the gradient echo."""
    write_subject(tmp_path, "p1")
    anat = tmp_path / "sub-p1" / "ses-1" / "mr-anat"
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4)), anat / "sub-p1_ses-1_INPH.nii.gz")
    assert len(read_subject(tmp_path, "p1", manifest=manifest()).images) == 4


def test_only_subjects_with_a_label_map_count(tmp_path: Path) -> None:
    """Who was scanned but not labelled is not in the list."""
    write_subject(tmp_path, "p2")
    write_subject(tmp_path, "p1")
    (tmp_path / "sub-p3" / "ses-1").mkdir(parents=True)
    assert labelled_subjects(tmp_path) == ("p1", "p2")
    assert labelled_subjects(tmp_path / "none") == ()


def test_subject_is_read_once_until_a_file_changes(tmp_path: Path) -> None:
    """The same tensors come back; a corrected label map is seen at the next task."""
    write_subject(tmp_path, "p1")
    cache = SubjectCache()
    first = cache.read(tmp_path, ["p1"], manifest=manifest())[0]
    assert cache.read(tmp_path, ["p1"], manifest=manifest())[0] is first
    labels = next((tmp_path / "derivatives").rglob("*_dseg.nii.gz"))
    corrected = np.asarray(nib.load(labels).dataobj).copy()
    corrected[:, :, 1] = 0
    nib.save(nib.Nifti1Image(corrected, nib.load(labels).affine), labels)
    os.utime(labels, ns=(1, 1))
    assert len(cache.read(tmp_path, ["p1"], manifest=manifest())[0].images) == 2


def test_another_grid_or_other_muscles_are_another_entry(tmp_path: Path) -> None:
    """Two studies of one site do not see each other's tensors."""
    write_subject(tmp_path, "p1")
    cache = SubjectCache()
    first = cache.read(tmp_path, ["p1"], manifest=manifest())[0]
    swapped = cache.read(tmp_path, ["p1"], manifest=manifest(muscles=("GR", "VL")))[0]
    assert torch.equal(first.classes == 1, swapped.classes == 2)
    assert bool((first.classes == 1).any())


def test_oldest_subject_leaves_a_full_cache(tmp_path: Path) -> None:
    """Memory is bounded; the subject asked for is always there."""
    for name in ("p1", "p2"):
        write_subject(tmp_path, name)
    cache = SubjectCache(max_bytes=1)
    first = cache.read(tmp_path, ["p1", "p2"], manifest=manifest())
    assert cache.read(tmp_path, ["p1"], manifest=manifest())[0] is not first[0]
    assert len(cache._kept) == 1
