"""A labelled volume becomes pairs of images and classes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from learning_factories import MUSCLES, manifest, two_thighs

from myofed_node.learning.subjects import slices_of
from myofed_schemas.anatomy import Side
from myofed_schemas.errors import MyofedError
from myofed_schemas.muscle_sets import structures
from myofed_schemas.study_options import SiteLabels

IMAGE = manifest().image


def test_label_map_of_another_shape_is_refused() -> None:
    """Image and labels lie on one grid or nothing is made of them."""
    volume = two_thighs()
    with pytest.raises(MyofedError) as refusal:
        slices_of(dataclasses.replace(volume, labels=volume.labels[:-1]), image=IMAGE, muscles=MUSCLES)
    assert refusal.value.code == "LABEL_GRID"


def test_label_map_without_a_muscle_of_the_study_is_refused() -> None:
    """0 of 0 slices is a failure."""
    with pytest.raises(MyofedError) as refusal:
        slices_of(two_thighs(), image=IMAGE, muscles=("SM",))
    assert refusal.value.code == "LABELS_EMPTY"


def test_slices_that_the_reader_left_out_are_not_background() -> None:
    """An unlabelled slice is dropped: it does not teach that there is no muscle."""
    volume = two_thighs()
    volume.labels[:, :, 1] = 0
    assert len(slices_of(volume, image=IMAGE, muscles=MUSCLES).images) == 2


def test_each_slice_of_each_thigh_holds_both_muscles() -> None:
    """Two slices of two thighs give four pairs with all classes, in the types that torch wants."""
    slices = slices_of(two_thighs(), image=IMAGE, muscles=MUSCLES)
    assert slices.images.shape == (4, 1, 32, 32)
    assert slices.classes.shape == (4, 32, 32)
    assert (slices.images.dtype, slices.classes.dtype) == (torch.float32, torch.int64)
    assert all(set(np.unique(c)) == {0, 1, 2} for c in slices.classes)


def test_class_one_is_brighter_in_both_thighs() -> None:
    """VL was drawn brighter than GR: classes and images belong together on either side."""
    slices = slices_of(two_thighs(), image=IMAGE, muscles=MUSCLES)
    for image, classes in zip(slices.images[:, 0], slices.classes, strict=True):
        assert image[classes == 1].mean() > image[classes == 2].mean() + 0.5


def test_set_of_the_site_becomes_one_target() -> None:
    """A reader who drew the quadriceps as one: targets follow the site's structures, not the study's muscles."""
    labels = SiteLabels(site="hospital-a", structures=("GR", "quadriceps"))
    volume = two_thighs()
    for side in Side:
        vl, group = (structures()[name].label_value(side) for name in ("VL", "quadriceps"))
        volume.labels[volume.labels == vl] = group
    slices = slices_of(volume, image=IMAGE, muscles=("VL", "VM", "VI", "RF", "GR"), labels=labels)
    assert set(np.unique(slices.classes)) == {0, 1, 2}
    image, targets = slices.images[0, 0], slices.classes[0]
    assert image[targets == 2].mean() > image[targets == 1].mean() + 0.5


def test_set_at_a_site_that_draws_every_muscle_is_refused() -> None:
    """It cannot be split, and it is not background."""
    volume = two_thighs()
    volume.labels[volume.labels > 0] = structures()["quadriceps"].label_value(Side.LEFT)
    with pytest.raises(MyofedError) as refusal:
        slices_of(volume, image=IMAGE, muscles=MUSCLES)
    assert refusal.value.code == "LABEL_TOO_COARSE"
