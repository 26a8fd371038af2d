"""Where an instance belongs, read from its first elements; damaged ones are told as such."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import Dataset, dcmwrite
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from myofed_node.intake.instance import UnreadableInstanceError, place_of
from myofed_node.intake.received import Place


def encoded(syntax: UID, **elements: str) -> bytes:
    dataset = Dataset()
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.PatientID = "secret"
    dataset.PixelData = b"\0" * 64
    dataset["PixelData"].VR = "OW"
    stream = BytesIO()
    dcmwrite(
        stream,
        dataset,
        implicit_vr=syntax.is_implicit_VR,
        little_endian=syntax.is_little_endian,
        enforce_file_format=False,
    )
    return stream.getvalue()


UIDS = {"SOPInstanceUID": "1.2.3", "StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3"}


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_place_is_read_in_every_encoding(syntax: UID) -> None:
    """What follows the UIDs need not even be whole."""
    content = encoded(syntax, **UIDS)
    assert place_of(content, transfer_syntax=syntax) == Place("1.2", "1.3", "1.2.3")
    assert place_of(content[:-32], transfer_syntax=syntax) == Place("1.2", "1.3", "1.2.3")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08\x00\x18\x00UI\xff\xff1.2",
        encoded(ExplicitVRLittleEndian, **{k: v for k, v in UIDS.items() if k != "SeriesInstanceUID"}),
        encoded(ExplicitVRLittleEndian, **UIDS)[:20],
        bytes(range(256)) * 8,
    ],
    ids=["nothing", "cut off", "no series", "cut in an element", "noise"],
)
def test_damaged_instance_is_told(content: bytes) -> None:
    """The sender learns it; nothing is kept."""
    with pytest.raises(UnreadableInstanceError):
        place_of(content, transfer_syntax=ExplicitVRLittleEndian)


def test_value_that_is_no_uid_is_told() -> None:
    """A name in the place of a UID would become part of a digest that stays for good."""
    content = encoded(ExplicitVRLittleEndian, **UIDS).replace(b"1.2\0", b"Ann\0")
    with pytest.raises(UnreadableInstanceError):
        place_of(content, transfer_syntax=ExplicitVRLittleEndian)
