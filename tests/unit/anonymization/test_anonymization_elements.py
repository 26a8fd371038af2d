from __future__ import annotations

from io import BytesIO

import pytest
from anonymization_factories import file_bytes, item, mr
from pydicom import dcmread
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from myofed_anonymization.elements import encodings_of, items_of, peek, standard_vr, value_bytes, values_of


def test_tags_outside_the_dictionary_have_no_vr() -> None:
    """An unknown tag gives the empty string, which means removal."""
    assert standard_vr(0x00100010) == "PN"
    assert standard_vr(0x00080002) == standard_vr(0x00091010) == ""


def test_values_come_as_bytes_without_padding() -> None:
    """Raw, decoded, multiple and absent values all become bytes; other decoded values are refused."""
    assert value_bytes(RawDataElement(BaseTag(0x00100010), "PN", 4, b"A^B ", 0, False, True)) == b"A^B"
    assert value_bytes(DataElement(0x00080005, "CS", "ISO_IR 100")) == b"ISO_IR 100"
    assert value_bytes(DataElement(0x00080005, "CS", MultiValue(str, ["", "ISO 2022 IR 87"]))) == b"\\ISO 2022 IR 87"
    assert value_bytes(DataElement(0x00100010, "PN", None)) == b""
    with pytest.raises(TypeError):
        value_bytes(DataElement(0x00280010, "US", 4))


def test_peeking_leaves_the_bytes_in_place() -> None:
    """A value that was looked at is still written as it was read."""
    dataset = dcmread(BytesIO(file_bytes(mr())))
    assert peek(dataset, 0x00280010) == 4
    assert isinstance(dataset.get_item(0x00280010), RawDataElement)
    assert peek(dataset, 0x00280008, 1) == 1
    assert peek(mr(), 0x00280010) == 4
    assert peek(mr(AccessionNumber=""), 0x00080050, "none") == "none"


def test_text_is_decoded_in_the_files_character_set() -> None:
    """Names in UTF-8 and Latin-1 are read as what they are."""
    for charset in ("ISO_IR 192", "ISO_IR 100"):
        dataset = dcmread(BytesIO(file_bytes(mr(SpecificCharacterSet=charset, PatientName="Größe^Örtel"))))
        assert values_of(dataset, 0x00100010, encodings=encodings_of(dataset)) == ["Größe^Örtel"]
    assert values_of(Dataset(), 0x00100010, encodings=encodings_of(Dataset())) == []


def read(**attributes: object) -> Dataset:
    return dcmread(BytesIO(file_bytes(mr(**attributes))))


def test_the_items_of_equal_sequences_are_decoded_once() -> None:
    """Files of a series share them; a longer sequence is the file's own; an element of another kind has none."""
    images = [item(ReferencedSOPInstanceUID="1.2.3")]
    first, second = (read(ReferencedImageSequence=images, InstanceNumber=str(number)) for number in (1, 2))
    tag = 0x00081140
    found = items_of(first, tag)
    assert found
    assert found is items_of(second, tag)
    assert found[0].ReferencedSOPInstanceUID == "1.2.3"
    other = items_of(read(ReferencedImageSequence=images * 1000), tag)
    assert other
    assert len(other) == 1000
    assert items_of(read(), 0x00080060) is None


def test_a_damaged_pixel_representation_is_no_ones_to_remember() -> None:
    """It is decoded with every sequence, and so it is where the items come from memory."""
    images = [item(ReferencedSOPInstanceUID="1.2.4")]
    assert items_of(read(ReferencedImageSequence=images), 0x00081140)
    damaged = read(ReferencedImageSequence=images)
    place = BaseTag(0x00280103)
    raw = damaged.get_item(place)
    assert isinstance(raw, RawDataElement)
    damaged[place] = raw._replace(value=b"\0\0\0", length=3)
    with pytest.raises(BytesLengthException):
        items_of(damaged, 0x00081140)
