"""What lies where: images by name, everything else with its reason."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from reading_factories import small_dataset

from myofed_node.mids import listing
from myofed_node.mids.dataset import open_dataset
from myofed_node.mids.listing import list_session
from myofed_schemas.errors import MyofedError

ANAT = "sub-01/ses-A/mr-anat"


def place(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")
    return root


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (f"{ANAT}/sub-01_MEGRE.nii.gz", "NAME"),
        (f"{ANAT}/004_sub-01_ses-A_MEGRE.nii.gz", "NAME"),
        (f"{ANAT}/sub-01_ses-A_MEGRE_RECO.nii.gz", "NAME"),
        (f"{ANAT}/sub-02_ses-A_MEGRE.nii.gz", "NAME_OF_ANOTHER_FOLDER"),
        (f"{ANAT}/sub-01_ses-B_MEGRE.nii.gz", "NAME_OF_ANOTHER_FOLDER"),
        (f"{ANAT}/sub-01_ses-A_MEGRE.nii", "NOT_COMPRESSED"),
        (f"{ANAT}/deeper/sub-01_ses-A_MEGRE.nii.gz", "PLACE"),
        (f"{ANAT}/sub-01_ses-A_MEGRE_dseg.nii.gz", "PLACE"),
        (f"{ANAT}/sub-01_ses-A_MEGRE.json", "NO_IMAGE_BESIDE"),
        (f"{ANAT}/sub-01_ses-A_MEGRE_patient.json", "NO_IMAGE_BESIDE"),
        (f"{ANAT}/sub-01_ses-A_MEGRE.dcm", "NO_IMAGE_BESIDE"),
        ("sub-01/mr-anat/sub-01_MESE.nii.gz", "PLACE"),
        ("sub-01/ses-A/sub-01_ses-A_MEGRE.nii.gz", "PLACE"),
        ("sub-01/ses-A/anat/sub-01_ses-A_MEGRE.nii.gz", "PLACE"),
        ("sub-01/ses-A/notes.txt", "PLACE"),
        ("loose.nii.gz", "PLACE"),
        ("rawdata/sub-01/ses-A/mr-anat/sub-01_ses-A_T1w.nii.gz", "PLACE"),
        ("derivatives/loose.nii", "PLACE"),
    ],
)
def test_file_that_is_no_image_is_told_with_its_reason(tmp_path: Path, path: str, reason: str) -> None:
    """Nothing is passed over silently."""
    dataset = open_dataset(place(tmp_path, path))
    assert [(str(unread.path), str(unread.reason)) for unread in dataset.unread] == [(path, reason)]
    assert dataset.images() == ()


@pytest.mark.parametrize("second", ["sub-01_ses-A_megre", "sub-01_ses-A_run-1_MEGRE", "sub-01_ses-A_part-mag_MEGRE"])
def test_two_files_of_one_name_are_both_unread(tmp_path: Path, second: str) -> None:
    """Case of the suffix, run-1 and part-mag say nothing: which of the two is meant cannot be known."""
    place(tmp_path, f"{ANAT}/sub-01_ses-A_MEGRE.nii.gz", f"{ANAT}/{second}.nii.gz", f"{ANAT}/{second}.json")
    dataset = open_dataset(tmp_path)
    assert [unread.reason.value for unread in dataset.unread] == ["NAME_TWICE", "NAME_TWICE"]
    assert dataset.images() == ()


@pytest.mark.parametrize("link", ["sub-02", "sub-01/ses-B", f"{ANAT}/more", "sub-01/ses-A/mr-quant", "derivatives/x"])
def test_linked_folder_is_told_and_not_followed(tmp_path: Path, link: str) -> None:
    """A data set is what lies in its folder."""
    outside = place(tmp_path / "outside", "sub-02_ses-A_T1w.nii.gz", "mr-anat/sub-01_ses-B_T1w.nii.gz")
    root = place(tmp_path / "dataset", f"{ANAT}/sub-01_ses-A_MEGRE.nii.gz")
    (root / link).parent.mkdir(exist_ok=True)
    (root / link).symlink_to(outside)
    dataset = open_dataset(root)
    assert [(str(unread.path), unread.reason.value) for unread in dataset.unread] == [(link, "LINKED_FOLDER")]
    assert len(dataset.images()) == 1
    assert dataset.images(subject="02") == ()


def test_folder_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreadable folder is not an empty one; tests run as root, so the system call refuses here."""
    small_dataset(tmp_path)

    def refuse(_path: object) -> None:
        raise PermissionError(13, "denied")

    monkeypatch.setattr(listing.os, "scandir", refuse)
    for ask in (lambda: open_dataset(tmp_path).images(), lambda: open_dataset(tmp_path).unread):
        with pytest.raises(MyofedError) as refusal:
            ask()
        assert refusal.value.code == "DATASET_UNREADABLE"


def test_hidden_files_and_tables_are_not_told(tmp_path: Path) -> None:
    """Temporary files of a running write are hidden; tables of sessions and scans belong to the data set."""
    place(
        tmp_path,
        f"{ANAT}/.sub-01_ses-A_MEGRE.nii.gz.x.tmp",
        f"{ANAT}/sub-01_ses-A_scans.tsv",
        "sub-01/sub-01_sessions.tsv",
        ".git/sub-01.nii.gz",
        ".hidden.nii",
        "participants.tsv",
        "sourcedata/readme.txt",
    )
    (tmp_path / ".linked").symlink_to(tmp_path / "sourcedata")
    assert open_dataset(tmp_path).unread == ()


def test_order_does_not_depend_on_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same listing whatever order the system gives."""
    names = ("sub-01_ses-A_run-2_T1w", "sub-01_ses-A_T1w", "sub-01_ses-A_MEGRE", "sub-01_ses-A_run-10_T1w")
    place(tmp_path, *(f"{ANAT}/{name}.nii.gz" for name in names))
    first = list_session(tmp_path, "01", "A")
    honest = os.walk
    monkeypatch.setattr(
        listing.os, "walk", lambda *a, **k: ((f, d[::-1], sorted(n)[::-1]) for f, d, n in honest(*a, **k))
    )
    assert list_session(tmp_path, "01", "A") == first
    assert [named.path.name for named in first.images] == sorted(f"{name}.nii.gz" for name in names)


def test_session_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """No error: a selection matches nothing."""
    assert list_session(tmp_path, "01", "A") == listing.Listing()
