from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.filewriter import dcmwrite

from myofed_anonymization.clean_elements import CleanElement, clean_element, encoded

DATASET = {
    0x00280010: CleanElement("US", b"\4\0"),
    0x00080018: clean_element("UI", b"2.25.1"),
    0x00081140: CleanElement(
        "SQ", ({0x00081155: clean_element("UI", b"2.25.22"), 0x0008103E: CleanElement("LO", b"")}, {})
    ),
    0x00189999: clean_element("UT", b"abc"),
    0x7FE00010: CleanElement("OW", b"\1\2\3\4"),
}


@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, True), (False, False)])
def test_every_encoding_is_read_by_pydicom_as_it_was_meant(implicit: bool, little: bool) -> None:
    """Tags ascend, sequences and their items keep their elements, values their bytes."""
    found = dcmread(BytesIO(encoded(DATASET, implicit=implicit, little=little)), force=True, specific_tags=None)
    reread = BytesIO()
    dcmwrite(reread, found, implicit_vr=implicit, little_endian=little)
    assert [int(element.tag) for element in found] == sorted(DATASET)
    assert found.SOPInstanceUID == "2.25.1"
    assert found.ReferencedImageSequence[0].ReferencedSOPInstanceUID == "2.25.22"
    assert len(found.ReferencedImageSequence) == 2
    assert found.PixelData == b"\1\2\3\4"


def test_elements_are_padded_by_their_vr() -> None:
    """UIDs are padded with a null, text with a space (PS3.5 6.2); ambiguous VRs are written as their first."""
    assert clean_element("UI", b"1.2.3").value == b"1.2.3\0"
    assert clean_element("LO", b"abc").value == b"abc "
    assert clean_element("LO", b"abcd").value == b"abcd"
    assert clean_element("US or SS", b"\0\0").vr == "US"


def test_fragments_have_no_length_and_end_with_a_delimiter() -> None:
    """Encapsulated pixels lie between an undefined length and the sequence delimiter (PS3.5 A.4)."""
    pixels = CleanElement("OB", b"\xfe\xff\x00\xe0\0\0\0\0", fragments=True)
    written = encoded({0x7FE00010: pixels}, implicit=False, little=True)
    assert written == b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"


def test_a_value_too_long_for_its_vr_is_written_as_un() -> None:
    """PS3.5 6.2.2: a short length field cannot hold it."""
    written = encoded({0x00186024: CleanElement("DS", b"1 " * 40_000)}, implicit=False, little=True)
    assert written[4:12] == b"UN\0\0" + (80_000).to_bytes(4, "little")
