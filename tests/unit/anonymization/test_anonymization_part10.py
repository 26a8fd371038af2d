from __future__ import annotations

import struct
import warnings
import zlib

import pytest
from anonymization_factories import UID, file_bytes, mr
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from myofed_anonymization.clean_elements import clean_element
from myofed_anonymization.part10 import inflated, meta_elements, quiet_pydicom, read, write
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode

DEFLATED = file_bytes(mr(), transfer_syntax=DeflatedExplicitVRLittleEndian)
_PLAIN = file_bytes(mr())
_META = meta_elements(_PLAIN)[1]
TWO_SYNTAXES = _PLAIN[:_META] + struct.pack("<HH2sH", 2, 0x10, b"UI", 22) + b"1.2.840.10008.1.2.1.99" + _PLAIN[_META:]
"""pydicom takes the last one and would inflate without a limit."""
LIMIT = 1 << 20


def refusal_of(content: bytes, *, max_bytes: int = LIMIT) -> WithheldCode:
    with pytest.raises(WithheldError) as refusal:
        read(inflated(content, max_bytes=max_bytes))
    assert "Fantasia" not in str(refusal.value)
    return refusal.value.reason


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", WithheldCode.DICOM_DAMAGED),
        (bytes(4096), WithheldCode.DICOM_DAMAGED),
        (b"Fantasia" * 40, WithheldCode.NOT_DICOM),
        (file_bytes(mr())[128:], WithheldCode.PREAMBLE_MISSING),
        (file_bytes(mr())[132:], WithheldCode.PREAMBLE_MISSING),
        (b"\x08\0\x05\0\x0a\0\0\0ISO_IR 100" + bytes(20), WithheldCode.PREAMBLE_MISSING),
        (b"\0\x08\0\x05CS\0\x0aISO_IR 100", WithheldCode.PREAMBLE_MISSING),
        (b"\x08\0\x05\0\xff\xff\xff\x7f", WithheldCode.NOT_DICOM),
        (b"\x08\0", WithheldCode.NOT_DICOM),
        (bytes(128) + b"DICM", WithheldCode.TRANSFER_SYNTAX_REFUSED),
        (bytes(128) + b"DICM\x02\x00\x01\x00OB\x00", WithheldCode.TRANSFER_SYNTAX_REFUSED),
        (bytes(128) + b"DICM\x02\x00\x01\x00UI\xff\x00", WithheldCode.DICOM_DAMAGED),
        (
            file_bytes(mr()).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"),
            WithheldCode.TRANSFER_SYNTAX_REFUSED,
        ),
        (file_bytes(mr())[:-44] + b"\x00\x52\x29\x92SQ\0\0\xff\xff\xff\xff\xfe\xff", WithheldCode.DICOM_DAMAGED),
        (TWO_SYNTAXES, WithheldCode.DICOM_DAMAGED),
        (DEFLATED[:-20], WithheldCode.DICOM_DAMAGED),
        (DEFLATED[: meta_elements(DEFLATED)[1]] + b"\xff" * 64, WithheldCode.DICOM_DAMAGED),
        (DEFLATED[:-40] + b"Fantasia" * 5, WithheldCode.DICOM_DAMAGED),
    ],
)
def test_what_is_no_readable_dicom_is_withheld(content: bytes, code: WithheldCode) -> None:
    """Each kind of unreadable file has its code."""
    assert refusal_of(content) is code


def test_a_deflated_file_is_read_as_explicit_little_endian() -> None:
    """The same data set, and a transfer syntax that says how it lies there now."""
    dataset = read(inflated(DEFLATED, max_bytes=LIMIT))
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert dataset.PatientID == "MRN-884422"
    assert dataset.PixelData == mr().PixelData


def test_a_bomb_is_not_inflated() -> None:
    """200 kB that become 200 MB are refused after the limit, not after all of it."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = DEFLATED[: meta_elements(DEFLATED)[1]] + packer.compress(bytes(200 << 20)) + packer.flush()
    assert len(bomb) < 300_000
    assert refusal_of(bomb) is WithheldCode.INFLATES_TOO_LARGE


def test_other_files_stay_as_they_are() -> None:
    """No byte of a file that is not deflated is touched."""
    content = file_bytes(mr())
    assert inflated(content, max_bytes=1) is content


def test_meta_elements_end_where_the_data_set_begins() -> None:
    """The group length that the file states agrees."""
    content = file_bytes(mr())
    found, end = meta_elements(content)
    assert found[0] == (0x00020000, "UL", struct.pack("<I", end - 144))
    assert content[end : end + 2] == b"\x08\x00"


def test_meta_elements_of_every_vr_are_read() -> None:
    """Addresses (UR) have long lengths; what follows them is found."""
    content = file_bytes(mr(), SourcePresentationAddress="wolkenstein:104")
    assert inflated(content, max_bytes=1) is content
    assert (0x00020026, "UR", b"wolkenstein:104 ") in meta_elements(content)[0]


def test_nothing_of_the_old_preamble_and_meta_information_survives() -> None:
    """A written file has an empty preamble and only our own meta information."""
    dataset = {
        0x00080016: clean_element("UI", b"1.2.840.10008.5.1.4.1.1.4"),
        0x00080018: clean_element("UI", b"2.25.7"),
        0x00100010: clean_element("PN", b"ABC"),
    }
    for transfer_syntax in ("1.2.840.10008.1.2", ExplicitVRLittleEndian, "1.2.840.10008.1.2.2"):
        written = write(dataset, transfer_syntax=transfer_syntax)
        assert written[:128] == bytes(128)
        found = read(written)
        assert [element.tag.elem for element in found.file_meta] == [0x00, 0x01, 0x02, 0x03, 0x10, 0x12, 0x13]
        assert found.file_meta.MediaStorageSOPInstanceUID == "2.25.7"
        assert found.PatientName == "ABC"


def test_pydicom_is_quiet_about_values() -> None:
    """A warning would print an element's value."""
    with warnings.catch_warnings(record=True) as caught, quiet_pydicom():
        warnings.simplefilter("always")
    assert caught == []
    with quiet_pydicom():
        dataset = Dataset()
        dataset.PatientBirthDate = "Fantasia"
        assert dataset.PatientBirthDate == "Fantasia"
    assert UID not in str(caught)
