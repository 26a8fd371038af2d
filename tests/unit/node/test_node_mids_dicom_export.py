"""Images back as DICOM: whole or absent, again and again the same, nothing passed over."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread
from reading_factories import MEGRE, PHASE, T1W, small_dataset, tree, voxels, write_image

from myofed_node.mids.back_to_dicom import dicom_export, dicom_objects
from myofed_node.mids.back_to_dicom.dicom_export import export_dicom
from myofed_schemas.errors import MyofedError


def code(*args: object, **kwargs: object) -> str:
    with pytest.raises(MyofedError) as refusal:
        export_dicom(*args, **kwargs)
    return refusal.value.code


def ours(tmp_path: Path) -> Path:
    """The small data set without the foreign file."""
    root = small_dataset(tmp_path / "mids")
    (root / "sub-03" / "mr-anat" / "sub-03_MESE.nii.gz").unlink()
    return root


def test_usage_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    """Before anything is written."""
    root = ours(tmp_path)
    before = tree(tmp_path)
    assert code(tmp_path / "none", tmp_path / "out") == "DATASET_MISSING"
    assert code(root, root / "dicom") == code(root, root) == "OUT_INSIDE_SOURCE"
    assert code(root, tmp_path / "out", image="x.nii.gz") == "IMAGE_MISSING"
    assert code(root, tmp_path / "out", subject="99") == "SUBJECT_MISSING"
    (tmp_path / "empty").mkdir()
    assert code(tmp_path / "empty", tmp_path / "out") == "DATASET_EMPTY"
    assert tree(tmp_path) == before


def test_image_that_does_not_suffice_is_told_and_the_others_are_written(tmp_path: Path) -> None:
    """One outcome an image; the code and what was missing, no label."""
    root = ours(tmp_path)
    (root / MEGRE.sidecar).write_text("{}")
    report = export_dicom(root, tmp_path / "out")
    assert [(i.outcome, i.code) for i in report.images] == [
        ("refused", "SIDECAR_INVALID"),
        ("written", None),
        ("written", None),
    ]
    assert not report.complete
    assert f"  {MEGRE.image}: SIDECAR_INVALID: {report.images[0].message}" in report.lines()


def test_file_that_was_not_read_is_told(tmp_path: Path) -> None:
    """A foreign image is not exported, and the report is not complete."""
    root = small_dataset(tmp_path / "mids")
    report = export_dicom(root, tmp_path / "out")
    assert [(u.path, u.reason) for u in report.unread] == [("sub-03/mr-anat/sub-03_MESE.nii.gz", "PLACE")]
    assert not report.complete
    assert report.lines()[-1].endswith("not read, PLACE")
    assert export_dicom(root, tmp_path / "out", subject="01").complete
    assert not export_dicom(root, tmp_path / "out", subject="03").complete


def test_every_image_becomes_a_series(tmp_path: Path) -> None:
    """Folders by name, one SeriesInstanceUID each, one study a session; progress counts images."""
    shown: list[tuple[int, int]] = []
    report = export_dicom(ours(tmp_path), tmp_path / "out", progress=lambda *step: shown.append(step))
    assert report.complete
    assert report.lines() == ["3 images: 3 written, 0 kept, 0 refused"]
    assert shown == [(1, 3), (2, 3), (3, 3)]
    assert [(image.folder, image.files) for image in report.images] == [
        ("sub-01/ses-A/sub-01_ses-A_MEGRE", 6),
        ("sub-01/ses-A/sub-01_ses-A_part-phase_MEGRE", 6),
        ("sub-02/ses-A/sub-02_ses-A_T1w", 3),
    ]
    files = [dcmread(path) for path in sorted((tmp_path / "out").rglob("*.dcm"))]
    assert {str(f.SeriesInstanceUID) for f in files} == {image.series_instance_uid for image in report.images}
    assert len({f.StudyInstanceUID for f in files}) == 2
    assert len({f.SOPInstanceUID for f in files}) == len(files) == 15


def test_second_call_keeps_and_proves_what_is_there(tmp_path: Path) -> None:
    """Not a byte changes."""
    root = ours(tmp_path)
    export_dicom(root, tmp_path / "out")
    before = tree(tmp_path / "out")
    report = export_dicom(root, tmp_path / "out")
    assert report.count("kept") == 3
    assert tree(tmp_path / "out") == before
    export_dicom(root, tmp_path / "other")
    assert tree(tmp_path / "other") == before


def test_one_image_or_one_subject(tmp_path: Path) -> None:
    """What was not asked for is not written."""
    root = ours(tmp_path)
    assert [i.image for i in export_dicom(root, tmp_path / "a", image=str(PHASE.image)).images] == [str(PHASE.image)]
    assert [i.image for i in export_dicom(root, tmp_path / "b", subject="02").images] == [str(T1W.image)]
    assert len(list((tmp_path / "a").rglob("*.dcm"))) == 6


def test_something_else_in_its_place_is_left_as_it_is(tmp_path: Path) -> None:
    """A file, another series, or one whose image changed since."""
    root = ours(tmp_path)
    (tmp_path / "out" / "sub-02" / "ses-A").mkdir(parents=True)
    (tmp_path / "out" / "sub-02" / "ses-A" / "sub-02_ses-A_T1w").write_text("mine")
    export_dicom(root, tmp_path / "out")
    write_image(root, MEGRE, voxels()[::-1].copy())
    before = tree(tmp_path / "out")
    report = export_dicom(root, tmp_path / "out")
    assert [image.code for image in report.images] == ["EXPORT_EXISTS", None, "EXPORT_EXISTS"]
    assert tree(tmp_path / "out") == before


@pytest.mark.parametrize("files", [0, 1, 4])
def test_stop_at_any_file_leaves_no_half_series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int) -> None:
    """A folder has its name only when it is whole; the next call goes on."""
    root = ours(tmp_path)
    honest, count = dicom_export.dcmwrite, iter(range(100))

    def stops(*args: object, **kwargs: object) -> None:
        if next(count) == files:
            raise KeyboardInterrupt
        honest(*args, **kwargs)

    monkeypatch.setattr(dicom_export, "dcmwrite", stops)
    with pytest.raises(KeyboardInterrupt):
        export_dicom(root, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.dcm"))
    monkeypatch.undo()
    assert export_dicom(root, tmp_path / "out").count("written") == 3


def test_draft_of_a_killed_call_is_replaced(tmp_path: Path) -> None:
    """What `kill -9` left under the hidden name does not get into the series."""
    root = ours(tmp_path)
    draft = tmp_path / "out" / "sub-01" / "ses-A" / ".sub-01_ses-A_MEGRE.partial"
    draft.mkdir(parents=True)
    (draft / "00009.dcm").write_text("half a file")
    report = export_dicom(root, tmp_path / "out")
    assert report.images[0].files == 6
    assert not draft.exists()


def test_series_that_fails_its_proof_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that mirrors an image says so, and nothing of it is there."""
    honest = dicom_objects._add_pixels

    def mirrored(dataset: object, frame: dicom_objects.StoredFrame) -> None:
        honest(dataset, dicom_objects.StoredFrame(frame.pixels[:, ::-1], frame.slope))

    monkeypatch.setattr(dicom_objects, "_add_pixels", mirrored)
    report = export_dicom(ours(tmp_path), tmp_path / "out", subject="02")
    assert report.images[0].code == "EXPORT_PROOF_FAILED"
    assert not list((tmp_path / "out").rglob("*.dcm"))
