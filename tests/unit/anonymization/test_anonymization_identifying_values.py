from __future__ import annotations

import pytest
from anonymization_factories import BOUNDS, UID, content_of, file_bytes, item, mr
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from myofed_anonymization.element_reader import read_elements
from myofed_anonymization.identifying_values import Common, Identifying, identifying_values, is_too_short
from myofed_anonymization.policy import default_policy

COMMON = Common.from_policy(default_policy())


def gathered(dataset: Dataset, *, transfer_syntax: str = "1.2.840.10008.1.2.1") -> Identifying:
    return identifying_values(content_of(dataset, transfer_syntax=transfer_syntax))


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


def test_texts_of_the_meta_information_count() -> None:
    """The name of the station that sent the file is an identifying text."""
    dataset = mr()
    content = content_of(dataset, SourceApplicationEntityTitle="WOLKENSTEIN_MR")
    assert "WOLKENSTEIN_MR" in identifying_values(content).texts


def test_uids_that_the_policy_retains_are_not_sought() -> None:
    """Names and dates still are."""
    found = identifying_values(content_of(mr()), uids_stay=True)
    assert found.uids == set()
    assert "Fantasia^Ottilie" in found.personal


def test_a_text_that_cannot_be_decoded_is_not_passed_over() -> None:
    """Of an element that identifies nobody, too: ImagedNucleus in a character set that is none."""
    content = file_bytes(mr(ImagedNucleus="1H ....")).replace(b"1H ....", b"1H \x1b$B.")
    content = content.replace(b"ISO_IR 100", b"zip       ")
    with pytest.raises(LookupError):
        identifying_values(read_elements(content, bounds=BOUNDS))
