"""Counting a data set by subject."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_factories import Scan, write_image, write_labels

from myofed_node.dataset_census import labelled_subjects, nominal_tesla, take_census, vendor_of
from myofed_node.subject_table import subject_table
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import ImageName, Suffix
from myofed_schemas.muscle_sets import muscle_sets
from myofed_schemas.subject_facts import SubjectRegister


def test_image_without_its_sidecar_is_refused(tmp_path: Path) -> None:
    """A count that leaves something out would be wrong on the card."""
    scan = Scan(1)
    write_image(tmp_path, scan)
    (tmp_path / scan.name.sidecar).unlink()
    with pytest.raises(MyofedError) as caught:
        take_census(tmp_path)
    assert caught.value.code == "SIDECAR_INVALID"
    assert "S1" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"Labels": {"VL": 1}, "LabelOrigin": "manual"}', '{"Labels": {"1": 1}}'])
def test_damaged_label_sidecar_is_refused(tmp_path: Path, text: str) -> None:
    """As for images."""
    write_labels(tmp_path, "S1")
    next(tmp_path.rglob("*_dseg.json")).write_text(text)
    with pytest.raises(MyofedError, match="label map"):
        take_census(tmp_path)


def test_folder_without_images_counts_nothing(tmp_path: Path) -> None:
    """Zeros, no error: publishing refuses later."""
    assert take_census(tmp_path).subjects == 0


def test_each_subject_counts_once_in_each_category(tmp_path: Path) -> None:
    """Two sessions of one subject are one subject, two sessions and one Siemens subject."""
    write_image(tmp_path, Scan(1))
    write_image(tmp_path, Scan(2, ImageName("S1", "B", Suffix.MEGRE)))
    write_image(tmp_path, Scan(3, ImageName("S2", "A", Suffix.T1W), manufacturer="Philips Medical", tesla=1.494))
    write_labels(tmp_path, "S1", values=(7101, 7102, 7131))
    census = take_census(tmp_path)
    assert (census.subjects, census.sessions, census.labelled_subjects) == (2, 3, 1)
    assert census.vendors == {"Siemens": 1, "Philips": 1}
    assert census.tesla == {3.0: 1, 1.5: 1}
    assert census.suffixes == {"MEGRE": 1, "T1w": 1}
    assert census.muscles == {"VL": 1, "RF": 1}
    assert census.origins == {"manual": 1}
    assert labelled_subjects(tmp_path) == ("S1",)


@pytest.mark.parametrize(
    ("manufacturer", "vendor"),
    [("SIEMENS", "Siemens"), ("Siemens Healthineers", "Siemens"), ("GE MEDICAL SYSTEMS", "GE"), ("UIH", "United Imaging"),
     ("TOSHIBA", "Canon"), ("", "other"), ("Garage MR of Dr. Doe", "other")],
)  # fmt: skip
def test_manufacturer_becomes_a_name_of_the_card(manufacturer: str, vendor: str) -> None:
    """Free text never reaches the card."""
    assert vendor_of(manufacturer) == vendor


@pytest.mark.parametrize(("value", "nominal"), [(2.89362, 3.0), (1.494, 1.5), (0.55, 0.55), (6.98, 7.0)])
def test_exact_field_strength_becomes_the_nominal_one(value: float, nominal: float) -> None:
    """An exact value would name one magnet."""
    assert nominal_tesla(value) == nominal


@pytest.mark.parametrize("name", ["sub-S1_MEGRE.nii.gz", "004_sub-S1_ses-A_MEGRE.nii.gz", "sub-S1_ses-A_MEGRE.nii"])
def test_image_that_cannot_be_counted_is_refused(tmp_path: Path, name: str) -> None:
    """A name that is none of the profile's: the card would lack it."""
    write_image(tmp_path, Scan(1))
    (tmp_path / Scan(1).name.folder / name).write_bytes(b"")
    with pytest.raises(MyofedError) as caught:
        take_census(tmp_path)
    assert caught.value.code == "MIDS_NAME"
    assert "S1" not in str(caught.value)


def test_label_value_of_no_muscle_is_refused(tmp_path: Path) -> None:
    """It would be counted as nothing."""
    write_labels(tmp_path, "S1", values=(7101, 3))
    with pytest.raises(MyofedError, match=r"muscles\.tsv") as caught:
        take_census(tmp_path)
    assert caught.value.code == "SIDECAR_INVALID"


def test_group_label_counts_its_subject_and_names_no_muscle(tmp_path: Path) -> None:
    """Values of muscle_groups.tsv are delivered, too; in the cube they are `groups`."""
    write_image(tmp_path, Scan(1, ImageName("S1", "A", Suffix.MEGRE)))
    write_labels(tmp_path, "S1", values=(next(iter(muscle_sets())).value,))
    census = take_census(tmp_path)
    assert (census.labelled_subjects, census.muscles) == (1, {})
    assert [each["labels"] for each in subject_table(tmp_path, SubjectRegister())] == [("groups",)]


def test_data_set_that_is_not_there_has_no_labelled_subjects(tmp_path: Path) -> None:
    """Before the first ingest."""
    assert labelled_subjects(tmp_path / "none") == ()


def test_image_whose_field_is_not_told_is_counted_without_it(tmp_path: Path) -> None:
    """A field strength is never invented."""
    write_image(tmp_path, Scan(1, tesla=0.0))
    census = take_census(tmp_path)
    assert (census.subjects, census.tesla) == (1, {})
