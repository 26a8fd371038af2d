"""A subject that cannot be used is left out by its code; too few left is a refusal; only large counts leave."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from learning_factories import initial, manifest
from test_node_learning_data import write_subject

from myofed_node.learning.data import SubjectCache
from myofed_node.learning.exclusions import (
    Exclusion,
    Exclusions,
    UsableSubjects,
    check_usable,
    counts_that_may_leave,
)
from myofed_node.learning.local import evaluate_task, train_task
from myofed_node.learning.protocol import EvaluateRequest, Roles, TrainRequest
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import ExclusionCount

CPU = torch.device("cpu")


def image_of(dataset: Path, subject: str) -> Path:
    return next((dataset / f"sub-{subject}").rglob("*_MEGRE.nii.gz"))


def labels_of(dataset: Path, subject: str) -> Path:
    return next((dataset / "derivatives" / "labels" / f"sub-{subject}").rglob("*_dseg.nii.gz"))


def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray], affine: np.ndarray | None = None) -> None:
    found = nib.load(path)
    values = change(np.asarray(found.dataobj).copy())
    nib.save(nib.Nifti1Image(values, found.affine if affine is None else affine), path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def with_nan(values: np.ndarray) -> np.ndarray:
    values[3, 3] = np.nan
    return values


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "image cut short": (lambda d: cut(image_of(d, "p1")), "IMAGE_UNREADABLE"),
    "image of other bytes": (lambda d: image_of(d, "p1").write_bytes(gzip.compress(b"no image")), "IMAGE_UNREADABLE"),
    "image with NaN": (lambda d: rewrite(image_of(d, "p1"), with_nan), "IMAGE_NOT_FINITE"),
    "image of zeros": (lambda d: rewrite(image_of(d, "p1"), np.zeros_like), "IMAGE_NOT_TWO_THIGHS"),
    "label map cut short": (lambda d: cut(labels_of(d, "p1")), "IMAGE_UNREADABLE"),
    "label map of another shape": (lambda d: rewrite(labels_of(d, "p1"), lambda v: v[1:]), "LABEL_GRID"),
    "label map with an unknown value": (lambda d: rewrite(labels_of(d, "p1"), lambda v: v + 30_000), "LABEL_VALUE_UNKNOWN"),
    "label map with a negative value": (lambda d: rewrite(labels_of(d, "p1"), lambda v: v - 1), "LABEL_VALUE_UNKNOWN"),
    "label map of halves": (lambda d: rewrite(labels_of(d, "p1"), lambda v: v + np.float32(0.5)), "LABEL_NOT_INTEGER"),
    "empty label map": (lambda d: rewrite(labels_of(d, "p1"), np.zeros_like), "LABELS_EMPTY"),
    "no label map": (lambda d: labels_of(d, "p1").unlink(), "SUBJECT_NOT_LABELLED"),
    "sidecar of other text": (
        lambda d: image_of(d, "p1").with_name("sub-p1_ses-1_MEGRE.json").write_text("{"),
        "SIDECAR_INVALID",
    ),
}  # fmt: skip


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Three subjects."""
    for seed, name in enumerate(("p1", "p2", "p3")):
        write_subject(tmp_path, name, seed=seed)
    return tmp_path


def test_code_that_is_not_about_one_subject_refuses_the_task(dataset: Path) -> None:
    """A data set that cannot be listed says nothing about its subjects: nobody is left out for it."""

    class Unlisted(SubjectCache):
        def read(self, *_arguments: object, **_named: object) -> list[object]:
            raise MyofedError("DATASET_UNREADABLE", "expected a data set, found none")

    with pytest.raises(MyofedError) as refusal:
        UsableSubjects(Unlisted()).read(dataset, ["p1"], manifest=manifest())
    assert refusal.value.code == "DATASET_UNREADABLE"


@pytest.mark.parametrize("damage", sorted(DAMAGE))
def test_damaged_subject_is_left_out_by_its_code_and_the_others_are_read(
    dataset: Path, tmp_path: Path, damage: str
) -> None:
    """One subject less, written down with its pseudonym for the site alone."""
    spoil, code = DAMAGE[damage]
    spoil(dataset)
    record = tmp_path / "exclusions.json"
    usable = UsableSubjects(SubjectCache(), record)
    assert len(usable.read(dataset, ["p1", "p2", "p3"], manifest=manifest())) == 2
    assert usable.counts() == (ExclusionCount(code=code, subjects=1),)
    written = Exclusions.model_validate_json(record.read_bytes())
    assert written == Exclusions(asked=3, excluded=(Exclusion(subject="p1", code=code),))
    assert record.stat().st_mode & 0o777 == 0o600


def test_subject_put_right_is_used_again(dataset: Path, tmp_path: Path) -> None:
    """The next task reads it, and the record is empty."""
    whole = image_of(dataset, "p1").read_bytes()
    cut(image_of(dataset, "p1"))
    record, cache = tmp_path / "exclusions.json", SubjectCache()
    assert len(UsableSubjects(cache, record).read(dataset, ["p1", "p2"], manifest=manifest())) == 1
    image_of(dataset, "p1").write_bytes(whole)
    assert len(UsableSubjects(cache, record).read(dataset, ["p1", "p2"], manifest=manifest())) == 2
    assert json.loads(record.read_bytes()) == {"asked": 2, "excluded": []}


@pytest.mark.parametrize(("least", "code"), [({"min_usable": 3}, True), ({"min_train": 2}, True), ({}, False)])
def test_round_goes_on_until_too_few_are_left(dataset: Path, least: dict[str, int], code: bool) -> None:
    """Of two that train and one that validates, one is damaged; the record is written in either case."""
    cut(image_of(dataset, "p1"))
    record = dataset / "exclusions.json"
    roles = Roles(train=("p1", "p2"), validation=("p3",))
    request = TrainRequest(manifest=manifest(), dataset=str(dataset), subjects=roles, round=1, **least)
    source = UsableSubjects(SubjectCache(), record)
    if code:
        with pytest.raises(MyofedError) as refusal:
            train_task(request, initial(), cache=source, device=CPU)
        assert refusal.value.code == "TOO_FEW_USABLE_SUBJECTS"
        assert "p1" not in str(refusal.value)
    else:
        _, metrics = train_task(request, initial(), cache=source, device=CPU)
        assert metrics.examples == 1
        assert metrics.exclusions == ()
    assert json.loads(record.read_bytes())["excluded"] == [{"code": "IMAGE_UNREADABLE", "subject": "p1"}]


def test_round_without_one_subject_is_the_round_of_the_others(dataset: Path) -> None:
    """Leaving out changes nothing but who trains: the same bytes as if the subject had never been in the split."""
    fewer = Roles(train=("p2",), validation=("p3",))
    request = TrainRequest(manifest=manifest(), dataset=str(dataset), subjects=fewer, round=1)
    expected = train_task(request, initial(), cache=SubjectCache(), device=CPU)
    cut(image_of(dataset, "p1"))
    whole = request.model_copy(update={"subjects": Roles(train=("p1", "p2"), validation=("p3",))})
    assert train_task(whole, initial(), cache=UsableSubjects(SubjectCache()), device=CPU) == expected


def test_evaluation_of_nobody_is_refused(dataset: Path) -> None:
    """A Dice over no subject is no Dice."""
    cut(image_of(dataset, "p1"))
    request = EvaluateRequest(manifest=manifest(), dataset=str(dataset), subjects=("p1",))
    with pytest.raises(MyofedError) as refusal:
        evaluate_task(request, initial(), cache=UsableSubjects(SubjectCache()), device=CPU)
    assert refusal.value.code == "TOO_FEW_USABLE_SUBJECTS"


def test_small_counts_stay_and_large_ones_leave_as_buckets() -> None:
    """Four of one code are nobody's business; thirteen are told as ten."""
    counts = (ExclusionCount(code="IMAGE_UNREADABLE", subjects=13), ExclusionCount(code="LABEL_GRID", subjects=4))
    assert counts_that_may_leave(counts, least=5) == (ExclusionCount(code="IMAGE_UNREADABLE", subjects=10),)
    assert counts_that_may_leave((), least=1) == ()


def test_as_many_as_needed_are_enough() -> None:
    """The limits themselves are allowed."""
    check_usable(train=2, others=1, min_train=2, min_usable=3)
    with pytest.raises(MyofedError):
        check_usable(train=2, others=1, min_train=2, min_usable=4)


def test_subjects_that_do_not_fit_beside_the_step_are_refused_while_they_are_read(dataset: Path) -> None:
    """The limit holds for training and validation subjects together; what fits exactly is taken."""
    every = SubjectCache().read(dataset, ("p1", "p2", "p3"), manifest=manifest())
    sizes = [slices.bytes() for slices in every]
    usable = UsableSubjects(SubjectCache(), room=sum(sizes))
    usable.read(dataset, ("p1", "p2"), manifest=manifest())
    usable.read(dataset, ("p3",), manifest=manifest())
    tight = UsableSubjects(SubjectCache(), room=sum(sizes) - 1)
    tight.read(dataset, ("p1", "p2"), manifest=manifest())
    with pytest.raises(MyofedError) as refusal:
        tight.read(dataset, ("p3",), manifest=manifest())
    assert refusal.value.code == "POLICY_MEMORY"
    assert tight.counts() == (), "it is no subject's own fault"
