from __future__ import annotations

import warnings

import pytest
from anonymization_factories import file_bytes, mr
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from myofed_anonymization.part10 import quiet_pydicom, read, transfer_syntax_of, write
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", WithheldCode.DICOM_DAMAGED),
        (bytes(4096), WithheldCode.DICOM_DAMAGED),
        (b"Fantasia" * 40, WithheldCode.NOT_DICOM),
        (bytes(128) + b"DICM", WithheldCode.TRANSFER_SYNTAX_REFUSED),
        (bytes(128) + b"DICM\x02\x00\x01\x00OB\x00", WithheldCode.DICOM_DAMAGED),
        (file_bytes(mr(), transfer_syntax=DeflatedExplicitVRLittleEndian), WithheldCode.TRANSFER_SYNTAX_REFUSED),
        (file_bytes(mr())[:-44] + b"\x00\x52\x29\x92SQ\0\0\xff\xff\xff\xff\xfe\xff", WithheldCode.DICOM_DAMAGED),
    ],
)
def test_what_is_no_readable_dicom_is_withheld(content: bytes, code: WithheldCode) -> None:
    """Each kind of unreadable file has its code; deflated data is never inflated."""
    with pytest.raises(WithheldError) as refusal:
        read(content)
    assert refusal.value.reason is code
    assert "Fantasia" not in str(refusal.value)


def test_the_transfer_syntax_is_found_without_the_data_set() -> None:
    """The file meta information alone tells it."""
    content = file_bytes(mr())
    assert transfer_syntax_of(content[:400]) == ExplicitVRLittleEndian


def test_nothing_of_the_old_preamble_and_meta_information_survives() -> None:
    """A written file has an empty preamble and only our own meta information."""
    dataset = read(b"Fantasia" * 16 + file_bytes(mr())[128:])
    dataset.file_meta.SourceApplicationEntityTitle = "WOLKENSTEIN"
    written = write(dataset, transfer_syntax=ExplicitVRLittleEndian)
    assert written[:128] == bytes(128)
    assert [element.tag.elem for element in read(written).file_meta] == [0x00, 0x01, 0x02, 0x03, 0x10, 0x12, 0x13]


def test_pydicom_is_quiet_about_values() -> None:
    """A warning would print an element's value."""
    with warnings.catch_warnings(record=True) as caught, quiet_pydicom():
        warnings.simplefilter("always")
    assert caught == []
    with quiet_pydicom():
        assert mr(PatientBirthDate="Fantasia").PatientBirthDate == "Fantasia"
