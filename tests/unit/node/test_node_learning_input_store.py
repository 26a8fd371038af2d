"""Prepared inputs on disk: the same numbers, never stale, never damaged, never more than allowed."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from learning_factories import manifest, stripes
from test_node_learning_data import write_subject

from myofed_node.learning import data
from myofed_node.learning.data import SubjectCache, read_subject
from myofed_node.learning.input_store import MAGIC, InputKey, InputStore, decoded, encoded
from myofed_schemas.study import InputImage


def entries(store: InputStore) -> list[str]:
    return sorted(str(path.relative_to(store.folder)) for path in store.folder.rglob("*") if path.is_file())


@pytest.fixture
def store(tmp_path: Path) -> InputStore:
    return InputStore(tmp_path / "cache" / "inputs")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    for seed, name in enumerate(("p1", "p2")):
        write_subject(tmp_path / "dataset", name, seed=seed)
    return tmp_path / "dataset"


def forbid_preparing(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_arguments: object, **_named: object) -> object:
        raise AssertionError

    monkeypatch.setattr(data, "slices_of", never)


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[:-1],
        lambda whole: whole[:100] + bytes([whole[100] ^ 1]) + whole[101:],
        lambda whole: b"OTHERS01" + whole[8:],
        lambda whole: whole + b"x",
    ],
    ids=["empty", "cut", "bit", "magic", "longer"],
)
def test_damaged_entry_is_made_again(dataset: Path, store: InputStore, damage: object) -> None:
    """What is read is what was prepared, or it is prepared anew."""
    expected = SubjectCache(store=store).read(dataset, ["p1"], manifest=manifest())[0]
    path = next(store.folder.glob("p1/*"))
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    again = SubjectCache(store=store).read(dataset, ["p1"], manifest=manifest())[0]
    assert torch.equal(again.images, expected.images)
    assert decoded(path.read_bytes()) is not None


def test_body_that_is_no_safetensors_is_no_entry() -> None:
    """Also where its digest is right."""
    import hashlib

    assert decoded(MAGIC + hashlib.sha256(b"body").digest() + b"body") is None


def test_restarted_worker_reads_the_same_numbers_without_preparing(
    dataset: Path, store: InputStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images to the bit, classes in their type; nobody else can read the files."""
    expected = read_subject(dataset, "p1", manifest=manifest())
    SubjectCache(store=store).read(dataset, ["p1"], manifest=manifest())
    forbid_preparing(monkeypatch)
    found = SubjectCache(store=store).read(dataset, ["p1"], manifest=manifest())[0]
    assert torch.equal(found.images, expected.images)
    assert torch.equal(found.classes, expected.classes)
    assert found.classes.dtype == torch.int64
    assert {path.stat().st_mode & 0o777 for path in store.folder.rglob("*.bin")} == {0o600}
    assert store.folder.stat().st_mode & 0o777 == 0o700


def test_same_size_and_time_but_other_bytes_are_another_entry(dataset: Path, store: InputStore) -> None:
    """The name is made of the content: a label map corrected within a clock tick is seen, and the old entry goes."""
    first = SubjectCache(store=store).read(dataset, ["p1"], manifest=manifest())[0]
    labels = next((dataset / "derivatives").rglob("sub-p1*_dseg.nii.gz"))
    before = labels.stat()
    corrected = np.asarray(nib.load(labels).dataobj).copy()
    corrected[:, :, 1] = 0
    nib.save(nib.Nifti1Image(corrected, nib.load(labels).affine), labels)
    os.utime(labels, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = SubjectCache(store=store).read(dataset, ["p1"], manifest=manifest())[0]
    assert len(second.images) < len(first.images)
    assert len(entries(store)) == 1


def test_other_settings_have_their_own_entry(dataset: Path, store: InputStore) -> None:
    """Another grid and other muscles beside the first; each is found again."""
    other = InputImage(kind="in-phase-magnitude", spacing_mm=4.0, size_px=(32, 32))
    for asked in (manifest(), manifest(image=other), manifest(muscles=("GR", "VL"))):
        SubjectCache(store=store).read(dataset, ["p1"], manifest=asked)
    assert len(entries(store)) == 3


def test_file_changed_while_it_was_read_is_not_kept(
    dataset: Path, store: InputStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest was of other bytes than the voxels."""
    genuine = data.slices_of

    def slow(*arguments: object, **named: object) -> object:
        os.utime(next((dataset / "sub-p1").rglob("*.nii.gz")), ns=(1, 1))
        return genuine(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(data, "slices_of", slow)
    SubjectCache(store=store).read(dataset, ["p1"], manifest=manifest())
    assert not store.folder.exists()


def test_nothing_is_left_of_a_subject_who_is_gone(dataset: Path, store: InputStore) -> None:
    """A withdrawn subject's images do not stay behind in a cache."""
    SubjectCache(store=store).read(dataset, ["p1", "p2"], manifest=manifest())
    (dataset / "sub-p1").rename(dataset.parent / "withdrawn")
    SubjectCache(store=store).read(dataset, ["p2"], manifest=manifest())
    assert [name.split("/")[0] for name in entries(store)] == ["p2"]
    assert not (store.folder / "p1").exists()


def test_longest_unused_entry_goes_first_and_the_limit_holds(tmp_path: Path) -> None:
    """Reading counts as use; an entry larger than the whole store is not written."""
    slices = stripes()
    size = len(encoded(slices))
    store = InputStore(tmp_path / "inputs", max_bytes=2 * size)
    keys = [InputKey(name, "a" * 64, "c" * 64) for name in ("p1", "p2", "p3")]
    for number, key in enumerate(keys[:2]):
        store.put(key, slices)
        os.utime(store.folder / key.subject / key.name, ns=(number, number))
    assert store.get(keys[0]) is not None
    store.put(keys[2], slices)
    assert [name.split("/")[0] for name in entries(store)] == ["p1", "p3"]
    small = InputStore(tmp_path / "small", max_bytes=size - 1)
    small.put(keys[0], slices)
    assert not small.folder.exists()
