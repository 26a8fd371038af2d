from __future__ import annotations

from io import BytesIO

import pytest
from anonymization_factories import UID, file_bytes, item, mr
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import ImplicitVRLittleEndian

from myofed_anonymization.identifying_values import (
    Common,
    Identifying,
    elements_of,
    identifying_values,
    is_too_short,
    vr_of,
)
from myofed_anonymization.policy import default_policy

COMMON = Common.from_policy(default_policy())


def gathered(dataset: Dataset, *, transfer_syntax: str = "1.2.840.10008.1.2.1") -> Identifying:
    return identifying_values(dcmread(BytesIO(file_bytes(dataset, transfer_syntax=transfer_syntax))))


@pytest.mark.parametrize("transfer_syntax", ["1.2.840.10008.1.2.1", ImplicitVRLittleEndian])
def test_names_texts_uids_and_dates_are_gathered_at_any_depth(transfer_syntax: str) -> None:
    """Person names, identifiers, listed texts, unregistered UIDs and dates are found in items and private elements."""
    dataset = mr(
        OtherPatientNames=["Alt^Anna", "Neu^Anna"],
        RequestAttributesSequence=[
            item(
                RequestingPhysician="Nest^Nora",
                ScheduledProcedureStepStartDate="2021.07.16",
                StudyInstanceUID=UID + "9",
            )
        ],
    )
    dataset.private_block(0x2005, "Philips MR Imaging DD 005", create=True).add_new(0x11, "UI", UID + "88")
    found = gathered(dataset, transfer_syntax=transfer_syntax)
    assert {"Fantasia^Ottilie", "MRN-884422", "ACC-20217", "Nest^Nora", "Alt^Anna", "Neu^Anna"} <= found.personal
    assert {"Klinikum Wolkenstein", "167067", "Thigh Fantasia"} <= found.texts
    assert {UID + "1", UID + "9", UID + "88"} <= found.uids
    assert "1.2.840.10008.5.1.4.1.1.4" not in found.uids
    assert {"20210715", "19610214", "20210716"} <= found.dates


def test_texts_that_the_table_spares_identify_nobody() -> None:
    """Manufacturer and sequence names are of the device."""
    assert not {"SIEMENS", "Prisma_fit", "THIGH"} & gathered(mr()).texts


def test_common_texts_are_not_sought() -> None:
    """Words of the vocabulary alone are no identity; names are, whatever they are."""
    found = Identifying(personal={"Head^Left", "7", "X"}, texts={"gre_field_magph", "Wolkenstein", "3mm thigh"})
    assert found.values(COMMON) == {"head^left", "wolkenstein"}
    assert found.words() == {"head", "left"}


@pytest.mark.parametrize(("value", "short"), [("", True), ("X", True), ("123", True), ("1234", False), ("Li", False)])
def test_codes_and_counts_are_too_short(value: str, short: bool) -> None:
    """One character, or a number below four digits."""
    assert is_too_short(value) is short


def test_a_private_elements_vr_comes_from_its_creator() -> None:
    """In implicit VR files private elements without known creator have no VR that could be read."""
    dataset = mr()
    dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 1.0)
    dataset.private_block(0x2007, "NOBODY KNOWN", create=True).add_new(0x0E, "LO", "x")
    dataset.add_new(0x20091010, "LO", "x")
    dataset.add_new(0x00100099, "LO", "x")
    read = dcmread(BytesIO(file_bytes(dataset, transfer_syntax=ImplicitVRLittleEndian)))
    vrs = {int(tag): vr_of(read, tag) for tag in read.keys()}  # noqa: SIM118
    assert (vrs[0x2005100E], vrs[0x2007100E], vrs[0x20091010], vrs[0x20050010], vrs[0x00100099]) == (
        "FL",
        "UN",
        "UN",
        "LO",
        "UN",
    )
    assert vrs[0x00100010] == "PN"


def test_paths_tell_every_element_apart() -> None:
    """Each element of each item has one path."""
    dataset = mr(ReferencedImageSequence=[item(ReferencedSOPInstanceUID="1.2"), item(ReferencedSOPInstanceUID="1.3")])
    paths = [path for path, *_ in elements_of(dataset)]
    assert len(paths) == len(set(paths))
    assert (0x00081140, 1, 0x00081155) in paths


def test_a_standard_element_of_unknown_vr_is_read_by_the_dictionary() -> None:
    """A name written under VR UN is a name."""
    dataset = mr()
    dataset.add_new(0x00104000, "UN", b"Fantasia")
    assert vr_of(dcmread(BytesIO(file_bytes(dataset))), BaseTag(0x00104000)) == "LT"
