"""One delivered map, in whatever form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from label_factories import LEFT, NAME, RIGHT, drawn, make_dataset, sidecar_of, source_files, write_map
from mids_factories import NOW, affine_ras

from myofed_node.label_exchange.delivery import Reading, read_delivery, translation_of
from myofed_node.label_exchange.refusal import LabelRefusedError
from myofed_node.label_exchange.seg_source import source_slices
from myofed_node.label_exchange.seg_write import SegOrigin, segmentation_bytes
from myofed_node.label_exchange.single_import import Destination, ImportedMap, import_map, source_series
from myofed_node.label_map import read_label_map
from myofed_schemas.anatomy import MUSCLES_VERSION, muscles_digest
from myofed_schemas.muscle_sets import structures

IMAGE = Path(NAME.image)
UID = "2.25.42"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "mids", UID)


def taken(dataset: Path, path: Path, reading: Reading, *, image: Path = IMAGE) -> ImportedMap:
    return import_map(path, Destination(dataset, image, "automatic"), reading)


@pytest.mark.parametrize(
    ("reading", "code"),
    [
        (Reading("musclemap-2"), "LABEL_SCHEME_UNKNOWN"),
        (Reading("table"), "LABEL_TABLE_INVALID"),
        (Reading("names"), "LABEL_TABLE_INVALID"),
        (Reading("table", Path("/nonexistent/t.tsv")), "LABEL_TABLE_INVALID"),
        (Reading("names", Path("/nonexistent/t.tsv")), "LABEL_TABLE_INVALID"),
    ],
)
def test_reading_without_its_table_is_refused(reading: Reading, code: str) -> None:
    """An unknown scheme, or no table where one is needed."""
    with pytest.raises(LabelRefusedError) as refusal:
        translation_of(reading)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "image", ["sub-A/ses-1/mr-anat/sub-A_ses-1_T1w.nii.gz", "mr-anat/sub-A_ses-1_INPH.nii.gz", "x.nii.gz", "/etc/hosts"]
)
def test_image_that_is_not_in_the_data_set_is_refused(dataset: Path, tmp_path: Path, image: str) -> None:
    """Another image, another folder, no name of the profile, outside."""
    with pytest.raises(LabelRefusedError) as refusal:
        taken(dataset, write_map(tmp_path / "m.nii.gz", {LEFT: 7101}), Reading("musclemap"), image=Path(image))
    assert refusal.value.code == "LABEL_IMAGE_UNKNOWN"


def test_seg_of_an_unreadable_image_is_refused(tmp_path: Path) -> None:
    """There is no grid to place it on."""
    (tmp_path / "image.nii.gz").write_bytes(b"no image")
    with pytest.raises(LabelRefusedError) as refusal:
        read_delivery(tmp_path / "seg.dcm", tmp_path / "image.nii.gz", Reading("dicom-seg"))
    assert refusal.value.code == "LABEL_FILE_UNREADABLE"


def test_seg_for_an_image_of_unknown_source_is_refused(tmp_path: Path, dataset: Path) -> None:
    """Without our sidecar nobody knows which series it is."""
    (dataset / NAME.sidecar).write_text("{}")
    assert source_series(dataset / NAME.sidecar) == ()
    seg = make_seg(tmp_path, {LEFT: 7101})[0]
    with pytest.raises(LabelRefusedError) as refusal:
        taken(dataset, seg, Reading("dicom-seg"))
    assert refusal.value.code == "SEG_OTHER_SERIES"


def make_seg(tmp_path: Path, values: dict[tuple[int, int, int], int]) -> tuple[Path, str]:
    uid = str(source_files(tmp_path / "source")[0].SeriesInstanceUID)
    slices = source_slices(tmp_path / "source", affine_ras(), (5, 4, 3), series_uids=[uid])
    path = tmp_path / "seg.dcm"
    path.write_bytes(segmentation_bytes(drawn(values), slices, origin=SegOrigin("manual", "table"), now=NOW))
    return path, uid


def test_musclemap_map_lies_beside_single_muscles(dataset: Path, tmp_path: Path) -> None:
    """Values are its own; the sidecar names version and digest of the table; the same again changes nothing."""
    path = write_map(tmp_path / "m.nii.gz", {LEFT: 7101, RIGHT: 7102, (4, 3, 2): 6171})
    imported = taken(dataset, path, Reading("musclemap", ignored=("bone",)), image=dataset / IMAGE)
    assert imported.path == "derivatives/labels/sub-A/ses-1/mr-anat/sub-A_ses-1_INPH_dseg.nii.gz"
    assert (imported.labels, imported.lossy) == (("left vastus lateralis", "right vastus lateralis"), False)
    assert imported.lines() == [f"2 labels imported: {imported.path}"]
    document = sidecar_of(dataset / imported.path)
    assert (document["MusclesVersion"], document["MusclesDigest"]) == (MUSCLES_VERSION, muscles_digest())
    assert (document["LabelOrigin"], document["ImportedFrom"], "Lossy" in document) == ("automatic", "musclemap", False)
    assert taken(dataset, path, Reading("musclemap", ignored=("bone",))) == imported


def test_coarse_map_lies_apart_with_its_flag(dataset: Path, tmp_path: Path) -> None:
    """Training reads derivatives/labels alone; the sidecar says which muscles a label may be."""
    path = write_map(tmp_path / "m.nii.gz", {LEFT: 48, RIGHT: 49, (4, 3, 2): 54})
    imported = taken(dataset, path, Reading("totalsegmentator-mr"))
    assert imported.path.startswith("derivatives/label-groups/")
    assert imported.lossy
    assert "no training" in imported.lines()[1]
    quadriceps = structures()["quadriceps"].value
    members = ["VL", "VI", "VM", "RF"]
    document = sidecar_of(dataset / imported.path)
    assert document["Lossy"] == {str(quadriceps): members, str(quadriceps + 1): members}
    assert not (dataset / "derivatives" / "labels").exists()
    assert read_label_map(dataset / imported.path).lossy


def test_viewers_table_gives_names_to_values(dataset: Path, tmp_path: Path) -> None:
    """Numbers are the viewer's own."""
    path = write_map(tmp_path / "m.nii.gz", {LEFT: 1, RIGHT: 2})
    (tmp_path / "t.ctbl").write_text(
        "# Color table file\n1 Soleus_Left 1 2 3 255\n2 Soleus_Right 1 2 3 255\n3 Tumour 1 2 3 255\n"
    )
    imported = taken(dataset, path, Reading("names", tmp_path / "t.ctbl"))
    assert imported.labels == ("left soleus", "right soleus")


def test_tools_names_with_other_numbers(dataset: Path, tmp_path: Path) -> None:
    """A scheme with a table: whose names they are."""
    path = write_map(tmp_path / "m.nii.gz", {LEFT: 12, RIGHT: 11})
    (tmp_path / "t.tsv").write_text("value\tname\n11\tPeroneus_R\n12\tPeroneus_L\n")
    imported = taken(dataset, path, Reading("dafne-leg", tmp_path / "t.tsv"))
    assert imported.labels == ("left fibulares group", "right fibulares group")


def test_seg_of_the_images_own_series_is_taken(tmp_path: Path) -> None:
    """The sidecar's SourceSeriesInstanceUID is the series that the SEG refers to."""
    seg, uid = make_seg(tmp_path, {LEFT: 7101, RIGHT: 7102})
    dataset = make_dataset(tmp_path / "mids", uid)
    imported = taken(dataset, seg, Reading("dicom-seg"))
    assert imported.labels == ("left vastus lateralis", "right vastus lateralis")
    assert np.array_equal(read_label_map(dataset / imported.path).values, drawn({LEFT: 7101, RIGHT: 7102}).values)
