"""A data set's maps for other tools."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from label_factories import LEFT, NAME, RIGHT, drawn, make_dataset, source_files, write_map
from mids_factories import NOW, affine_ras

from myofed_node.label_exchange.delivery import Reading, read_delivery
from myofed_node.label_exchange.export import ExportFormat, ExportOptions, ExportReport, GroupLevel, export_labels
from myofed_node.label_exchange.name_tables import read_names
from myofed_node.label_exchange.text_tables import itksnap_table, slicer_table
from myofed_node.label_map import DrawnMap, read_label_map, write_label_map
from myofed_node.mids.nifti import read_nifti, write_nifti
from myofed_schemas.anatomy import Side
from myofed_schemas.errors import MyofedError
from myofed_schemas.muscle_sets import label_name, structures

PAIR = {LEFT: 7101, RIGHT: 7102}
STEM = "labels/sub-A/ses-1/mr-anat/sub-A_ses-1_INPH_dseg"
QUADRICEPS = structures()["quadriceps"].value


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    uid = str(source_files(tmp_path / "source")[0].SeriesInstanceUID)
    root = make_dataset(tmp_path / "mids", uid)
    write_label_map(root, NAME, drawn(PAIR))
    return root


def export(dataset: Path, form: str, *, level: str = "muscle", source: bool = True, out: str = "out") -> ExportReport:
    options = ExportOptions(ExportFormat(form), GroupLevel(level), NOW, dataset.parent / "source" if source else None)
    return export_labels(dataset, dataset.parent / out, options)


def code_of(dataset: Path, form: str, **named: object) -> str:
    with pytest.raises(MyofedError) as caught:
        export(dataset, form, **named)  # type: ignore[arg-type]
    return caught.value.code


def test_seg_without_its_source_is_refused(dataset: Path) -> None:
    """A SEG refers to images; the hint says what is possible without."""
    assert code_of(dataset, "seg", source=False) == "SEG_SOURCE_MISSING"
    assert code_of(dataset, "seg-binary", source=False) == "SEG_SOURCE_MISSING"


def test_folder_in_use_is_left_alone(dataset: Path, tmp_path: Path) -> None:
    """Nothing is written over."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    assert code_of(dataset, "nifti") == "OUT_NOT_EMPTY"
    assert code_of(dataset, "nifti", out="out/mine") == "OUT_NOT_EMPTY"


def test_data_set_without_labels_is_refused(tmp_path: Path) -> None:
    """Nothing to export is no success; neither is a folder that is not there."""
    assert code_of(tmp_path / "nothing", "nifti") == "DATASET_MISSING"
    assert code_of(make_dataset(tmp_path / "mids", "2.25.1"), "nifti") == "LABELS_NONE"
    assert not ExportReport(maps=()).complete


def test_map_that_cannot_be_read_or_placed_is_refused_and_the_others_go_on(dataset: Path) -> None:
    """By its path below derivatives, which holds pseudonyms only."""
    folder = dataset / "derivatives" / "labels" / "sub-A" / "ses-1" / "mr-anat"
    for stem, labels in [("WAT", '"7101": "x"'), ("FAT", '"7101": "x"'), ("T1w", '"7101": "x", "1": "y"')]:
        (folder / f"sub-A_ses-1_{stem}_dseg.json").write_text(f'{{"Labels": {{{labels}}}}}')
    (folder / "sub-A_ses-1_WAT_dseg.nii.gz").write_bytes(b"no image")
    write_map(folder / "odd_dseg.nii.gz", PAIR)
    write_map(folder.parents[1] / "sub-A_ses-1_FAT_dseg.nii.gz", PAIR)
    write_map(folder / "sub-A_ses-1_T1w_dseg.nii.gz", PAIR)
    report = export(dataset, "nifti")
    assert {Path(m.source).name: m.code for m in report.maps} == {
        "sub-A_ses-1_INPH_dseg.nii.gz": None,
        "sub-A_ses-1_WAT_dseg.nii.gz": "LABEL_FILE_UNREADABLE",
        "sub-A_ses-1_T1w_dseg.nii.gz": "LABEL_VALUE_UNKNOWN",
        "odd_dseg.nii.gz": "LABEL_IMAGE_UNKNOWN",
        "sub-A_ses-1_FAT_dseg.nii.gz": "LABEL_IMAGE_UNKNOWN",
    }
    assert report.lines()[0] == "1 label maps exported, 4 refused"
    assert not report.complete


def test_value_beyond_16_bits_is_not_taken_for_another(dataset: Path) -> None:
    """7101 + 2^16 is no muscle."""
    path = dataset / "derivatives" / f"{STEM}.nii.gz"
    write_nifti(path, drawn(PAIR).values.astype(np.int32) + 2**16, affine_ras())
    assert [m.code for m in export(dataset, "nifti").maps] == ["LABEL_VALUE_UNKNOWN"]


def test_seg_of_other_images_is_refused(dataset: Path) -> None:
    """The source folder holds another series."""
    for path in (dataset.parent / "source").iterdir():
        path.unlink()
    assert [m.code for m in export(dataset, "seg").maps] == ["SEG_SOURCE_MISSING"]


def test_level_that_a_map_does_not_have_is_refused(dataset: Path) -> None:
    """A lossy compartment has no group."""
    medial = structures()["thigh medial compartment"].value
    write_label_map(dataset, NAME, drawn({LEFT: medial, RIGHT: medial + 1}))
    report = export(dataset, "nifti", level="group")
    assert [m.code for m in report.maps] == [None, "LABEL_NOT_AGGREGABLE"]


@pytest.mark.parametrize(
    ("form", "endings"),
    [
        ("nifti", [".tsv", ".json", ".nii.gz"]),
        ("itksnap", [".label", ".nii.gz"]),
        ("slicer", [".ctbl", ".nii.gz"]),
        ("seg", [".dcm"]),
        ("seg-binary", [".dcm"]),
    ],
)
def test_every_format_comes_back_voxel_by_voxel(dataset: Path, tmp_path: Path, form: str, endings: list[str]) -> None:
    """Same values, same affine."""
    report = export(dataset, form)
    assert report.complete
    assert list(report.maps[0].files) == [f"{STEM}{ending}" for ending in endings]
    out = tmp_path / "out" / STEM
    table = out.with_suffix(endings[0])
    reading = Reading("dicom-seg") if form.startswith("seg") else Reading("names", table)
    path = table if form.startswith("seg") else out.with_suffix(".nii.gz")
    uid = json.loads((dataset / NAME.sidecar).read_text())["Provenance"]["SourceSeriesInstanceUID"]
    back = read_delivery(path, dataset / NAME.image, reading, series_uids=(uid,))
    assert np.array_equal(back.values, drawn(PAIR).values)
    assert back.labels == (7101, 7102)
    if not form.startswith("seg"):
        assert np.allclose(read_nifti(path).affine, affine_ras(), atol=1e-5)


@pytest.mark.parametrize(("level", "value"), [("group", QUADRICEPS), ("compartment", 27411)])
def test_coarser_level_is_derived_and_marked(dataset: Path, tmp_path: Path, level: str, value: int) -> None:
    """The map of the data set stays as it is."""
    assert export(dataset, "nifti", level=level).complete
    coarse = read_label_map(tmp_path / "out" / f"{STEM}.nii.gz")
    assert coarse.labels == (value, value + 1)
    assert (coarse.derived, coarse.lossy) == (level, False)
    assert json.loads((tmp_path / "out" / f"{STEM}.json").read_text())["Derived"] == level
    assert read_label_map(dataset / "derivatives" / f"{STEM}.nii.gz").labels == (7101, 7102)


def test_group_level_as_seg_says_that_it_is_derived(dataset: Path, tmp_path: Path) -> None:
    """And comes back as the group, not as one of its muscles."""
    assert export(dataset, "seg", level="group").complete
    uid = json.loads((dataset / NAME.sidecar).read_text())["Provenance"]["SourceSeriesInstanceUID"]
    path = tmp_path / "out" / f"{STEM}.dcm"
    back = read_delivery(path, dataset / NAME.image, Reading("dicom-seg"), series_uids=(uid,))
    assert back.labels == (QUADRICEPS, QUADRICEPS + 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sets(st.sampled_from([s.label_value(side) for s in structures().values() for side in Side]), min_size=1))
def test_tables_of_any_labels_come_back(tmp_path: Path, values: set[int]) -> None:
    """ITK-SNAP and Slicer."""
    for content in (itksnap_table(sorted(values)), slicer_table(sorted(values))):
        (tmp_path / "t").write_bytes(content)
        names = read_names(tmp_path / "t")
        assert {value: name.replace("_", " ") for value, name in names.items()} == {v: label_name(v) for v in values}


def test_derived_map_keeps_its_mark_when_read(tmp_path: Path) -> None:
    """Written and read, it is neither lossy nor a muscle's."""
    coarse = DrawnMap(
        np.full((5, 4, 3), QUADRICEPS, np.int16), affine_ras(), (QUADRICEPS,), (QUADRICEPS,), derived=None
    )
    path, _ = write_label_map(tmp_path, NAME, coarse)
    assert str(path).startswith("derivatives/label-groups/")
    assert read_label_map(tmp_path / path).lossy
