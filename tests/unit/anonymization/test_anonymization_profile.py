from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydicom.datadict import tag_for_keyword

from myofed_anonymization.profile import ROWS, load_profile


def tag(keyword: str) -> int:
    found = tag_for_keyword(keyword)
    assert found is not None
    return found


def test_the_table_is_the_basic_profile_of_edition_2026c() -> None:
    """Every row of the independent table of dicom-anonymizer 2.1 is ours with the same action, and no other is."""
    source = pytest.importorskip("dicomanonymizer.dicom_anonymization_databases.dicomfields_2026c")
    names = {
        "D": "D",
        "Z": "Z",
        "X": "X",
        "U": "U",
        "Z_D": "Z/D",
        "X_Z": "X/Z",
        "X_D": "X/D",
        "X_Z_D": "X/Z/D",
        "X_Z_U_STAR": "X/Z/U*",
    }
    theirs = {
        (entry[0] << 16) | entry[1]: action
        for name, action in names.items()
        for entry in getattr(source, f"{name}_TAGS")
        if len(entry) == 2
    }
    assert len(source.ALL_TAGS) == ROWS
    assert {tag: row.basic for tag, row in load_profile().confidentiality.items()} == theirs


@pytest.mark.real_data
def test_the_options_are_those_of_edition_2024b(shared_data: Path) -> None:
    """Date and description options agree with the standard's table as data."""
    rows = json.loads((shared_data / "dicom-standard" / "confidentiality_profile_attributes.json").read_text())
    ours = load_profile().confidentiality
    for row in rows:
        if "X" not in row["tag"] and row["id"].isalnum() and "gggg" not in row["tag"]:
            options = ours[int(row["id"], 16)].options
            assert ("dates=C" in options) == ("rtnLongModifDatesOpt" in row)
            assert ("desc=C" in options) == ("cleanDescOpt" in row)


def test_types_depend_on_the_place() -> None:
    """PixelSpacing is Type 1 at the top of an MR image and 1C in the Pixel Measures group of an enhanced one."""
    profile = load_profile()
    assert profile.type_of(tag("PixelSpacing"), parent=0, iod="mr") == "1"
    assert profile.type_of(tag("PixelSpacing"), parent=tag("PixelMeasuresSequence"), iod="enhanced") == "1"
    assert profile.type_of(tag("PatientName"), parent=0, iod="mr") == "2"
    assert profile.type_of(tag("PatientComments"), parent=0, iod="mr") == "3"


def test_curves_overlays_and_unknown_tags_are_not_known() -> None:
    """Nothing of groups 50xx and 60xx, and nothing outside the tables, is known."""
    profile = load_profile()
    assert not any(profile.knows(unknown) for unknown in (0x50000005, 0x60003000, 0x60100010, 0x00080001, 0x00091010))
    assert profile.knows(tag("EchoTime"))


def test_mandatory_type_2_attributes_are_those_the_table_acts_on() -> None:
    """An MR image must have a patient's name, birth date and accession number, be they empty."""
    assert {tag("PatientName"), tag("PatientBirthDate"), tag("AccessionNumber")} <= set(
        load_profile().mandatory_type_2["mr"]
    )
