"""Images of a subject whom nobody labelled, formed as training forms them."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from learning_factories import manifest, two_thighs
from test_node_learning_data import write_subject

from myofed_node.learning.data import read_subject
from myofed_node.learning.unlabelled import subjects_with_images, unlabelled_slices
from myofed_schemas.errors import MyofedError
from myofed_schemas.study import InputChannels

IMAGE = manifest().image
CHANNELS = InputChannels(kind="channels", channels=("in-phase", "t1w"), dropout=0.0, spacing_mm=5.0, size_px=(32, 32))


def unlabelled(dataset: Path) -> None:
    shutil.rmtree(dataset / "derivatives")


def code_of(dataset: Path, subject: str = "p1") -> str:
    with pytest.raises(MyofedError) as refusal:
        unlabelled_slices(dataset, subject, image=IMAGE, most=100)
    assert subject not in str(refusal.value)
    return refusal.value.code


def image_of(dataset: Path) -> Path:
    return next((dataset / "sub-p1").rglob("*.nii.gz"))


def rewrite(path: Path, change: float) -> None:
    volume = nib.load(path)  # type: ignore[attr-defined]
    values = np.asarray(volume.dataobj).copy()
    values[..., 1] = change
    nib.save(nib.Nifti1Image(values, volume.affine), path)  # type: ignore[attr-defined]


def test_subject_without_a_usable_image_is_refused_and_not_named(tmp_path: Path) -> None:
    """No image of the study's channels, one with infinities, one of nothing."""
    write_subject(tmp_path, "p1")
    rewrite(image_of(tmp_path), np.inf)
    assert code_of(tmp_path) == "IMAGE_NOT_FINITE"
    rewrite(image_of(tmp_path), 0.0)
    assert code_of(tmp_path) == "IMAGE_NOT_TWO_THIGHS"
    image_of(tmp_path).unlink()
    assert code_of(tmp_path) == "SUBJECT_WITHOUT_INPUT"


def test_slices_are_those_that_training_would_see(tmp_path: Path) -> None:
    """Where every slice is labelled: the same numbers; and labels are not needed for them."""
    write_subject(tmp_path, "p1")
    labelled = read_subject(tmp_path, "p1", manifest=manifest()).images
    unlabelled(tmp_path)
    found = unlabelled_slices(tmp_path, "p1", image=IMAGE, most=100)
    assert found.dtype == torch.float32
    assert torch.equal(found, labelled)


def test_slices_without_tissue_are_left_out(tmp_path: Path) -> None:
    """The second slice shows air."""
    write_subject(tmp_path, "p1")
    path = image_of(tmp_path)
    volume = nib.load(path)  # type: ignore[attr-defined]
    values = np.asarray(volume.dataobj).copy()
    values[:, :, 1] = 0.0
    nib.save(nib.Nifti1Image(values, volume.affine), path)  # type: ignore[attr-defined]
    assert len(unlabelled_slices(tmp_path, "p1", image=IMAGE, most=100)) == 2


def test_many_slices_are_thinned_out_evenly(tmp_path: Path) -> None:
    """The first and the last stay; sessions are put together; one that has no such image says nothing."""
    write_subject(tmp_path, "p1", session="1")
    write_subject(tmp_path, "p1", session="2", seed=1)
    (tmp_path / "sub-p1" / "ses-3" / "mr-anat").mkdir(parents=True)
    every = unlabelled_slices(tmp_path, "p1", image=IMAGE, most=100)
    assert len(every) == 8
    few = unlabelled_slices(tmp_path, "p1", image=IMAGE, most=3)
    assert torch.equal(few[0], every[0])
    assert torch.equal(few[2], every[7])
    assert len(unlabelled_slices(tmp_path, "p1", image=IMAGE, most=1)) == 1


def test_channels_lie_on_the_grid_of_the_first_and_a_missing_one_is_zero(tmp_path: Path) -> None:
    """A second sequence on a coarser grid is sampled there; a subject without it has zeros."""
    write_subject(tmp_path, "p1")
    write_subject(tmp_path, "p2", seed=1)
    volume = two_thighs(0)
    coarse = volume.affine_ras @ np.diag([2.0, 2.0, 1.0, 1.0])
    anat = tmp_path / "sub-p1" / "ses-1" / "mr-anat"
    nib.save(nib.Nifti1Image(volume.image[::2, ::2], coarse), anat / "sub-p1_ses-1_T1w.nii.gz")
    both = unlabelled_slices(tmp_path, "p1", image=CHANNELS, most=100)
    assert both.shape == (4, 2, 32, 32)
    assert float(np.corrcoef(both[:, 0].ravel(), both[:, 1].ravel())[0, 1]) > 0.9
    one = unlabelled_slices(tmp_path, "p2", image=CHANNELS, most=100)
    assert float(one[:, 1].abs().max()) == 0.0


def test_all_subjects_are_named_labelled_or_not(tmp_path: Path) -> None:
    """And none where there is no data set."""
    assert subjects_with_images(tmp_path / "none") == ()
    write_subject(tmp_path, "p2")
    write_subject(tmp_path, "p1", seed=1)
    unlabelled(tmp_path)
    assert subjects_with_images(tmp_path) == ("p1", "p2")
