"""`open_dataset`: subjects, sessions, selection, descriptions, derivatives."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from reading_factories import AFFINE_RAS, MEGRE, T1W, small_dataset, tree, voxels, write_image

from myofed_node.mids import open_dataset
from myofed_node.mids.dataset import ANY_PART, Description
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import ImageName, Part, Suffix


def code(ask: object) -> str:
    with pytest.raises(MyofedError) as refusal:
        ask()
    return refusal.value.code


def test_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Also a file in its place."""
    (tmp_path / "file").write_text("")
    assert code(lambda: open_dataset(tmp_path / "none")) == "DATASET_MISSING"
    assert code(lambda: open_dataset(str(tmp_path / "file"))) == "DATASET_MISSING"


def test_labels_that_are_not_there_are_refused_and_not_named(tmp_path: Path) -> None:
    """A pseudonym never stands in a message."""
    dataset = open_dataset(small_dataset(tmp_path))
    with pytest.raises(MyofedError) as refusal:
        dataset.subject("secret")
    assert (refusal.value.code, "secret" in str(refusal.value)) == ("SUBJECT_MISSING", False)
    assert code(lambda: dataset.subject("01").session("B")) == "SESSION_MISSING"


@pytest.mark.parametrize("path", ["", "x", "sub-01/ses-A/mr-anat/sub-01_ses-A_T1w.nii.gz", "../sub-01/ses-A"])
def test_image_that_is_not_there_is_refused(tmp_path: Path, path: str) -> None:
    """A path leads to an image of the data set or to a refusal."""
    dataset = open_dataset(small_dataset(tmp_path))
    assert code(lambda: dataset.image(path)) == "IMAGE_MISSING"


@pytest.mark.parametrize("content", ["{", "[]", '"text"'])
def test_damaged_description_is_refused(tmp_path: Path, content: str) -> None:
    """It is there and says nothing: somebody should look."""
    (tmp_path / "dataset_description.json").write_text(content)
    assert code(lambda: open_dataset(tmp_path).description) == "DESCRIPTION_INVALID"


def test_description_of_other_makers_is_as_far_as_it_goes(tmp_path: Path) -> None:
    """Absent, or with other types: what is not told is None."""
    assert open_dataset(tmp_path).description == Description()
    (tmp_path / "dataset_description.json").write_text('{"Name": 3, "GeneratedBy": "me", "DatasetType": "raw"}')
    assert open_dataset(tmp_path).description == Description(dataset_type="raw")
    told = open_dataset(small_dataset(tmp_path / "ours")).description
    assert (told.format, told.tools) == ("ORMIR-MIDS", (("myofed", "0.1.0"),))


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, ["MEGRE", "phase MEGRE", "T1w"]),
        ({"part": None}, ["MEGRE", "T1w"]),
        ({"part": Part.MAG}, ["MEGRE", "T1w"]),
        ({"part": Part.PHASE}, ["phase MEGRE"]),
        ({"suffix": Suffix.MEGRE, "part": ANY_PART}, ["MEGRE", "phase MEGRE"]),
        ({"subject": "02"}, ["T1w"]),
        ({"subject": "01", "session": "B"}, []),
        ({"session": "A", "suffix": Suffix.T1W}, ["T1w"]),
        ({"subject": "99"}, []),
    ],
)
def test_images_are_selected(tmp_path: Path, chosen: dict[str, object], expected: list[str]) -> None:
    """By suffix, part, subject and session, in one order."""
    found = open_dataset(small_dataset(tmp_path)).images(**chosen)
    assert [f"{image.part or ''} {image.suffix}".strip() for image in found] == expected


def test_subject_and_session_select_their_own(tmp_path: Path) -> None:
    """As the data set does."""
    dataset = open_dataset(small_dataset(tmp_path))
    write_image(tmp_path, dataclasses.replace(MEGRE, session="B"), voxels())
    subject = dataset.subject("01")
    assert [session.label for session in subject.sessions] == ["A", "B"]
    assert len(subject.images(part=None)) == 2
    assert [image.name.session for image in subject.session("B").images(suffix=Suffix.MEGRE)] == ["B"]


def test_suffix_is_read_in_any_case_and_from_its_real_file(tmp_path: Path) -> None:
    """The draft writes lower case, the reference implementation upper case."""
    folder = tmp_path / T1W.folder
    write_image(tmp_path, T1W, voxels(echoes=1))
    (tmp_path / T1W.image).rename(folder / "sub-02_ses-A_t1W.nii.gz")
    (tmp_path / T1W.sidecar).rename(folder / "sub-02_ses-A_t1W.json")
    (image,) = open_dataset(tmp_path).images(suffix=Suffix.T1W)
    assert image.values().shape == (5, 4, 3)
    assert image.sidecar.flip_angle_degrees == 15.0


def test_derivatives_are_data_sets_of_their_own(tmp_path: Path) -> None:
    """Maps are images, label maps know theirs; hidden folders are none."""
    dataset = open_dataset(small_dataset(tmp_path))
    (tmp_path / "derivatives" / ".draft").mkdir()
    assert [derivative.pipeline for derivative in dataset.derivatives] == ["labels", "myofed-quantify"]
    labels = dataset.derivatives[0]
    assert (labels.images(), len(labels.label_maps()), labels.unread) == ((), 1, ())
    assert dataset.label_maps(pipeline="none") == ()
    assert dataset.label_maps(subject="02") == dataset.label_maps(session="B") == ()
    assert dataset.derivatives[1].images()[0].file.is_file()


def test_nothing_can_be_changed_and_nothing_is(tmp_path: Path) -> None:
    """Frozen values; reading leaves every byte as it was, and a changed array is the caller's own."""
    before = tree(small_dataset(tmp_path))
    dataset = open_dataset(tmp_path)
    image = dataset.images()[0]
    for thing in (dataset, dataset.subjects[0], dataset.subjects[0].sessions[0], image, image.labels(), image.keys):
        field = dataclasses.fields(thing)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(thing, field, None)
    image.values()[:] = 0
    affine = image.affine_ras
    affine[:] = 0
    assert image.values().max() == 120
    assert (image.affine_ras == AFFINE_RAS).all()
    assert tree(tmp_path) == before


def test_image_added_later_is_seen(tmp_path: Path) -> None:
    """Selections list the folders."""
    dataset = open_dataset(small_dataset(tmp_path))
    write_image(tmp_path, ImageName("02", "A", Suffix.T1W, run=2), voxels(echoes=1))
    assert len(dataset.images(subject="02")) == 2


def test_import_needs_neither_numpy_nor_nibabel_nor_torch() -> None:
    """Who only wants names does not wait for them; the names alone need none either."""
    script = (
        "import sys; from myofed_node.mids import open_dataset; open_dataset('.').images()\n"
        "print([m for m in ('numpy', 'nibabel', 'torch', 'pydicom') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
