"""Sites with different sequences: found, put on one grid, missing ones zero, and left out at random in training."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_factories import architecture, manifest, stripes, two_thighs
from test_node_learning_data import write_subject

from myofed_node.learning.augment import augmented
from myofed_node.learning.batch import training_batch
from myofed_node.learning.channels import available, channel_images, on_grid, with_dropout
from myofed_node.learning.data import SubjectCache, read_subject
from myofed_node.learning.device import choose_device
from myofed_node.learning.models import initial_weights, state_dict_spec
from myofed_node.learning.train import TrainingData, steps_of_round, train
from myofed_node.mids.dataset import Dataset
from myofed_schemas.errors import MyofedError
from myofed_schemas.study import InputChannels, StudyManifest

ALL = ("in-phase", "water", "fat", "t1w")


def study(*channels: str, dropout: float = 0.3, **changes: object) -> StudyManifest:
    """The tiny study on these channels."""
    image = InputChannels.model_validate(
        {"kind": "channels", "channels": channels or ALL, "dropout": dropout, "spacing_mm": 5.0, "size_px": (32, 32)}
    )
    network = architecture(in_channels=len(image.channels))
    return manifest(image=image, architecture=network, state_dict=state_dict_spec(network), **changes)


def add(dataset: Path, subject: str, suffix: str, *, values: np.ndarray | None = None, spacing: float = 3.0) -> Path:
    """Another image of the session, in the patient's space where `two_thighs` lies."""
    volume = two_thighs()
    affine = volume.affine_ras.copy()
    affine[:2, :2] *= spacing / 3.0
    path = dataset / f"sub-{subject}" / "ses-1" / "mr-anat" / f"sub-{subject}_ses-1_{suffix}.nii.gz"
    nib.save(nib.Nifti1Image(volume.image if values is None else values, affine), path)
    return path


def test_session_without_any_of_the_channels_is_refused(tmp_path: Path) -> None:
    """Its labels lie on an image that the study does not take."""
    write_subject(tmp_path, "p1")
    with pytest.raises(MyofedError) as refusal:
        read_subject(tmp_path, "p1", manifest=study("water", "fat"))
    assert refusal.value.code == "SUBJECT_NOT_LABELLED"


def test_missing_channels_are_zero_and_present_ones_are_standardised(tmp_path: Path) -> None:
    """In-phase and water are here, fat and T1w are not; the in-phase plane is that of a study of one channel."""
    write_subject(tmp_path, "p1")
    add(tmp_path, "p1", "WAT", values=two_thighs(1).image)
    images = read_subject(tmp_path, "p1", manifest=study()).images
    assert images.shape == (4, 4, 32, 32)
    assert available(images).tolist() == [[True, True, False, False]] * 4
    assert torch.equal(images[:, :1], read_subject(tmp_path, "p1", manifest=manifest()).images)
    assert not torch.equal(images[:, 0], images[:, 1])


def test_labels_may_lie_on_any_channel(tmp_path: Path) -> None:
    """A site of T1w alone trains with its label maps there, and channels keep the study's order."""
    write_subject(tmp_path, "p1")
    for path in sorted(tmp_path.rglob("*MEGRE*")):
        path.rename(path.with_name(path.name.replace("MEGRE", "T1w")))
    add(tmp_path, "p1", "T1w")
    slices = read_subject(tmp_path, "p1", manifest=study())
    assert available(slices.images).tolist() == [[False, False, False, True]] * 4
    assert set(slices.classes.unique().tolist()) == {0, 1, 2}


def test_channel_on_another_grid_is_sampled_where_the_labels_lie(tmp_path: Path) -> None:
    """Fat with twice the spacing over the same tissue: nearly the same plane after sampling."""
    write_subject(tmp_path, "p1")
    coarse = two_thighs().image[::2, ::2]
    add(tmp_path, "p1", "FAT", values=coarse, spacing=6.0)
    images = read_subject(tmp_path, "p1", manifest=study("in-phase", "fat")).images
    both = torch.corrcoef(torch.stack([images[:, 0].ravel(), images[:, 1].ravel()]))[0, 1]
    assert float(both) > 0.9


def test_broken_channel_is_a_code_of_its_subject(tmp_path: Path) -> None:
    """A damaged image that the study names is not taken for a missing one."""
    write_subject(tmp_path, "p1")
    path = add(tmp_path, "p1", "WAT")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(MyofedError) as refusal:
        read_subject(tmp_path, "p1", manifest=study())
    assert refusal.value.code == "IMAGE_UNREADABLE"


def test_lowest_run_of_each_channel_comes_first(tmp_path: Path) -> None:
    """Repeated scans do not decide by chance."""
    write_subject(tmp_path, "p1")
    for name in ("run-2_WAT", "run-1_WAT"):
        add(tmp_path, "p1", name)
    found = channel_images(Dataset(tmp_path), "p1", "1", channels=("water",))
    assert [item.image.name.run for item in found] == [1, 2]


def test_linear_image_keeps_its_values_on_another_grid() -> None:
    """Linear interpolation is exact on a ramp; outside there is nothing."""
    i, j, k = np.meshgrid(*(np.arange(n) for n in (8, 6, 4)), indexing="ij")
    ramp = (i + 10 * j + 100 * k).astype(np.float32)
    target = np.diag([0.5, 0.5, 1.0, 1.0])
    target[0, 3] = 1.0
    moved = on_grid(ramp, np.eye(4), shape=(4, 4, 4), target_ras=target)
    assert moved[2, 2, 1] == pytest.approx((1 + 1.0) + 10 * 1 + 100 * 1)
    far = np.eye(4)
    far[:3, 3] = 50.0
    assert not on_grid(ramp, np.eye(4), shape=(2, 2, 2), target_ras=far).any()
    assert on_grid(ramp, np.eye(4), shape=ramp.shape, target_ras=np.eye(4)).tobytes() == ramp.tobytes()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=6),
    st.floats(0, 0.9),
    st.integers(0, 99),
)
def test_dropout_never_adds_a_channel_and_never_leaves_none(present: list[list[bool]], share: float, seed: int) -> None:
    """Kept channels are unchanged, missing ones stay zero, and the same seed leaves out the same."""
    has = torch.tensor(present)
    images = torch.rand(len(present), 4, 3, 3) + 0.5
    one, two = (
        with_dropout(images, present=has, share=share, generator=torch.Generator().manual_seed(seed)) for _ in range(2)
    )
    kept = available(one)
    assert torch.equal(one, two)
    assert not bool((kept & ~has).any())
    assert torch.equal(kept.any(dim=1), has.any(dim=1))
    assert torch.equal(one[kept], images[kept])


def test_share_of_left_out_channels_is_the_one_asked_for() -> None:
    """1000 slices of four channels: within three standard deviations of 30 %."""
    images = torch.ones(1000, 4, 1, 1)
    seen = with_dropout(images, present=available(images), share=0.3, generator=torch.Generator().manual_seed(1))
    assert float(available(seen).float().mean()) == pytest.approx(0.7, abs=0.025)


def test_augmentation_treats_each_channel_for_itself_and_brings_none_back() -> None:
    """Noise and bias do not fill a missing channel; one of other brightness stays standardised."""
    plain = stripes().images
    images = torch.cat([plain, plain * 50 + 9, torch.zeros_like(plain)], dim=1)
    many = study("in-phase", "water", "fat", dropout=0.0, training={"augmentation": "geometric-intensity"})
    seen, _ = training_batch(images, stripes().classes, manifest=many, generator=torch.Generator().manual_seed(1))
    assert available(seen).tolist() == [[True, True, False]] * len(seen)
    assert float(seen[:, 1].std()) < 5


def test_study_of_one_channel_draws_what_its_augmentation_draws() -> None:
    """Its trained weights stay what they were before there were channels."""
    slices = stripes()
    one = augmented(slices.images, slices.classes, kind="geometric", generator=torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(5)
    two = training_batch(slices.images, slices.classes, manifest=manifest(), generator=generator)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_sites_with_different_sequences_train_one_network(tmp_path: Path) -> None:
    """One has in-phase and water, one in-phase alone; both return weights of the same study."""
    write_subject(tmp_path / "a", "p1")
    add(tmp_path / "a", "p1", "WAT")
    write_subject(tmp_path / "b", "p1")
    asked = study("in-phase", "water")
    weights = initial_weights(asked.architecture, seed=1)
    for site in ("a", "b"):
        subjects = SubjectCache().read(tmp_path / site, ["p1"], manifest=asked)
        steps = steps_of_round(asked, round_number=1)
        trained, metrics = train(weights, TrainingData(subjects), manifest=asked, steps=steps, device=choose_device())
        assert metrics.steps == 4
        assert trained != weights
