"""Augmentation moves images and classes together and draws from its own generator only."""

from __future__ import annotations

import pytest
import torch
from learning_factories import stripes

from myofed_node.learning.augment import augmented

KINDS = ("none", "geometric", "geometric-intensity")


@pytest.mark.parametrize("kind", KINDS)
def test_same_generator_state_gives_the_same_batch(kind: str) -> None:
    """Nothing but the generator decides, and the global one is left alone."""
    data = stripes()
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, second = (
        augmented(data.images, data.classes, kind=kind, generator=torch.Generator().manual_seed(4)) for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_types_and_classes_are_kept(kind: str) -> None:
    """No class appears that was not there, no number is lost."""
    data = stripes()
    images, classes = augmented(data.images, data.classes, kind=kind, generator=torch.Generator().manual_seed(4))
    assert (images.shape, images.dtype) == (data.images.shape, torch.float32)
    assert (classes.shape, classes.dtype) == (data.classes.shape, torch.int64)
    assert set(classes.unique().tolist()) == {0, 1, 2}
    assert bool(torch.isfinite(images).all())


@pytest.mark.parametrize("kind", KINDS[1:])
def test_classes_follow_the_image(kind: str) -> None:
    """Class 1 was drawn bright and class 2 dark: still so after the change, and the change happened."""
    data = stripes()
    images, classes = augmented(data.images, data.classes, kind=kind, generator=torch.Generator().manual_seed(4))
    assert not torch.equal(classes, data.classes)
    for image, plane in zip(images[:, 0], classes, strict=True):
        assert image[plane == 1].mean() > image[plane == 2].mean() + 0.5


def test_none_changes_nothing() -> None:
    """The manifest's `none` means none."""
    data = stripes()
    images, classes = augmented(data.images, data.classes, kind="none", generator=torch.Generator())
    assert torch.equal(images, data.images)
    assert torch.equal(classes, data.classes)
