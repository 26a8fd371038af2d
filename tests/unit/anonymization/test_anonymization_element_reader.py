from __future__ import annotations

import struct
from io import BytesIO

import pytest
from anonymization_factories import BOUNDS, UID, content_of, enhanced, file_bytes, item, mr
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from myofed_anonymization.element_reader import Bounds, Content, read_elements, texts_of
from myofed_anonymization.part10 import quiet_pydicom
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode

SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
HEADER = file_bytes(mr())[: file_bytes(mr()).index(b"\x08\x00\x05\x00CS")]


def element(tag: int, vr: bytes, value: bytes, *, length: int | None = None) -> bytes:
    """An explicit VR little endian element with a length field of four bytes."""
    size = len(value) if length is None else length
    return struct.pack("<HH2s2xI", tag >> 16, tag & 0xFFFF, vr, size) + value


def dataset_item(content: bytes, *, length: int | None = None) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content) if length is None else length) + content


def read(body: bytes, bounds: Bounds = BOUNDS) -> Content:
    return read_elements(HEADER + body, bounds=bounds)


def refusal(body: bytes, bounds: Bounds = BOUNDS) -> WithheldCode:
    with pytest.raises(WithheldError) as found:
        read(body, bounds)
    return found.value.reason


UNDEFINED = 0xFFFFFFFF
NAME = struct.pack("<HH2sH", 0x0010, 0x0010, b"PN", 4) + b"A^B "
END_OF_ITEM, END_OF_SEQUENCE = struct.pack("<HHI", 0xFFFE, 0xE00D, 0), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


@pytest.mark.parametrize("transfer_syntax", SYNTAXES)
@pytest.mark.parametrize("undefined", [False, True])
def test_it_finds_what_pydicom_finds(transfer_syntax: str, undefined: bool) -> None:
    """Every element of every item with the same path, VR and number of items, in all three encodings."""
    dataset = enhanced(RequestAttributesSequence=[item(RequestingPhysician="Nest^Nora"), item()])
    dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 1.5)
    if undefined:
        for sequence in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
            dataset[sequence].is_undefined_length = True
            for one in dataset[sequence].value:
                one.is_undefined_length_sequence_item = True
    found = content_of(dataset, transfer_syntax=transfer_syntax)
    expected = {}

    def note(level: Dataset, path: tuple[int, ...]) -> None:
        for one in level:
            expected[(*path, int(one.tag))] = (one.VR, len(one.value) if one.VR == "SQ" else -1)
            if one.VR == "SQ":
                for number, inner in enumerate(one.value):
                    note(inner, (*path, int(one.tag), number))

    note(dcmread(BytesIO(file_bytes(dataset, transfer_syntax=transfer_syntax))), ())
    expected[(0x7FE00010,)] = (found.elements[(0x7FE00010,)].vr, -1)  # OB or OW: the dictionary allows both
    assert {path: (one.vr, one.items) for path, one in found.elements.items()} == expected
    assert found.transfer_syntax == transfer_syntax
    assert [one.tag for one in found.meta][:2] == [0x00020000, 0x00020001]


@pytest.mark.parametrize("transfer_syntax", SYNTAXES)
def test_pixel_data_is_located_not_copied(transfer_syntax: str) -> None:
    """The place of the value, and no bytes of it among the elements."""
    content = file_bytes(mr(), transfer_syntax=transfer_syntax)
    found = read_elements(content, bounds=BOUNDS)
    assert content[slice(*found.pixels)] == dcmread(BytesIO(content)).PixelData
    assert found.elements[(0x7FE00010,)].value == b""


def test_encapsulated_pixels_are_located_without_their_delimiter() -> None:
    """As pydicom has the value of such an element."""
    pixels = encapsulate([b"\1\0\0\0" + bytes(60)])
    content = file_bytes(mr(PixelData=pixels), transfer_syntax=RLELossless)
    found = read_elements(content, bounds=BOUNDS)
    assert content[slice(*found.pixels)] == pixels


def test_pixel_data_cut_short_ends_with_the_file() -> None:
    """The rules of admission judge its length."""
    content = file_bytes(mr())[:-10]
    assert read_elements(content, bounds=BOUNDS).pixels[1] == len(content)


def test_unknown_and_missing_vrs_are_read_by_the_dictionaries() -> None:
    """UN, and letters that are no VR, take the VR of PS3.6 or of the private creator."""
    dataset = mr()
    dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "UN", b"\0\0\0\0")
    dataset.private_block(0x2007, "NOBODY KNOWN", create=True).add_new(0x0E, "UN", b"x")
    dataset.add_new(0x00104000, "UN", b"Fantasia")
    dataset.add_new(0x00100099, "UN", b"x")
    vrs = {path[-1]: one.vr for path, one in content_of(dataset).elements.items()}
    assert (vrs[0x2005100E], vrs[0x2007100E], vrs[0x20070010], vrs[0x00104000], vrs[0x00100099]) == (
        "FL",
        "UN",
        "LO",
        "LT",
        "UN",
    )
    switched = struct.pack("<HHI", 0x0010, 0x0010, 4) + b"A^B " + struct.pack("<HHI", 0x0010, 0, 4) + bytes(4)
    assert {one.tag: one.vr for one in read(switched).elements.values()} == {0x00100010: "PN", 0x00100000: "UL"}


def test_letters_that_no_edition_names_are_a_vr_with_a_short_length() -> None:
    """Two capitals are taken for a VR of two bytes of length, as pydicom takes them."""
    (found,) = read(struct.pack("<HH2sH", 0x0008, 0x0060, b"ZZ", 2) + b"MR").elements.values()
    assert (found.vr, found.value) == ("ZZ", b"MR")


def test_fragments_elsewhere_than_in_pixel_data_are_a_value() -> None:
    """Bytes of undefined length go on to their delimiter, which is theirs."""
    fragments = dataset_item(b"Fantasia") + END_OF_SEQUENCE
    (found,) = read(element(0x7FE00008, b"OB", fragments, length=UNDEFINED)).elements.values()
    assert (found.vr, found.value) == ("OB", fragments)


def test_a_sequence_written_as_un_holds_implicit_items() -> None:
    """PS3.5 6.2.2, note 2: its items are implicit VR little endian, whatever the file is."""
    inner = struct.pack("<HHI", 0x0010, 0x0010, 4) + b"A^B "
    found = read(element(0x00081140, b"UN", dataset_item(inner) + END_OF_SEQUENCE, length=UNDEFINED))
    assert found.elements[(0x00081140, 0, 0x00100010)].value == b"A^B "


def test_bytes_that_only_claim_to_be_a_sequence_stay_bytes() -> None:
    """An unknown element whose dictionary VR is SQ but whose value is none is no reason to refuse the file."""
    found = read(element(0x00081140, b"UN", b"no items at all "))
    assert (found.elements[(0x00081140,)].vr, found.elements[(0x00081140,)].value) == ("UN", b"no items at all ")


@pytest.mark.parametrize(
    "body",
    [
        element(0x00081140, b"SQ", dataset_item(NAME), length=UNDEFINED),
        element(0x00081140, b"SQ", dataset_item(NAME)[:-4]),
        element(0x00081140, b"SQ", b"", length=64),
        element(0x00081140, b"SQ", NAME),
        element(0x00081140, b"SQ", dataset_item(NAME, length=UNDEFINED)),
        element(0x00081140, b"SQ", dataset_item(NAME, length=400)),
        element(0x00081140, b"SQ", dataset_item(NAME) + b"\0\0\0\0"),
        element(0x00104000, b"UT", b"abc ", length=40),
        element(0x00104000, b"UT", b"")[:10],
        element(0x7FE00010, b"OB", dataset_item(b"ab"), length=UNDEFINED),
        element(0x7FE00010, b"OB", NAME + NAME, length=UNDEFINED),
        NAME + NAME,
    ],
)
def test_broken_structure_is_refused(body: bytes) -> None:
    """Lengths that lie, missing delimiters and items that are none withhold the file."""
    assert refusal(body) is WithheldCode.DICOM_DAMAGED


def test_fewer_than_eight_bytes_at_the_end_are_nobodys() -> None:
    """As pydicom reads it."""
    assert len(read(NAME + b"\0\0\0").elements) == 1


def test_what_a_file_may_ask_is_bounded() -> None:
    """Depth, number of elements and their length have limits of their own."""
    deep = NAME
    for _ in range(BOUNDS.depth + 1):
        deep = element(0x00081140, b"SQ", dataset_item(deep))
    assert refusal(deep) is WithheldCode.NESTED_TOO_DEEP
    implicit = struct.pack("<HHI", 0x0008, 0x1140, len(item_in_item := dataset_item(b""))) + item_in_item
    hidden = element(0x00081140, b"UN", dataset_item(implicit))
    assert refusal(hidden, Bounds(1, 99, 100)) is WithheldCode.NESTED_TOO_DEEP
    assert refusal(NAME + element(0x00104000, b"UT", b"ab"), Bounds(4, 1, 100)) is WithheldCode.TOO_MANY_ELEMENTS
    many = element(0x00081140, b"UN", dataset_item(struct.pack("<HHI", 0x0010, 0x0010, 0) * 2) + b"broken")
    assert refusal(many + NAME, Bounds(4, 2, 100)) is WithheldCode.TOO_MANY_ELEMENTS
    assert refusal(element(0x00104000, b"UT", bytes(102)), Bounds(4, 9, 100)) is WithheldCode.ELEMENT_TOO_LONG


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 192", "Größe^Örtel"),
        ("ISO_IR 100", "Größe^Örtel"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        (["ISO 2022 IR 6", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞"),
    ],
)
def test_text_is_decoded_in_the_character_set_of_its_place(charset: str | list[str], name: str) -> None:
    """An item without a character set of its own has that of the data set around it."""
    nested = item(RequestingPhysician=name)
    found = content_of(mr(SpecificCharacterSet=charset, PatientName=name, RequestAttributesSequence=[nested]))
    assert texts_of(found.elements[(0x00100010,)]) == (name,)
    assert texts_of(found.elements[(0x00400275, 0, 0x00321032)]) == (name,)


def test_values_are_split_where_the_vr_allows_several() -> None:
    """A backslash separates in LO and is a character in LT."""
    found = content_of(mr(OtherPatientIDs=["A1 ", "", "B2"], PatientComments="a\\b"))
    assert texts_of(found.elements[(0x00101000,)]) == ("A1", "B2")
    assert texts_of(found.elements[(0x00104000,)]) == ("a\\b",)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_bytes_raise_anything_else(data: st.DataObject) -> None:
    """Whatever a file holds, it is read or refused with a code."""
    content = bytearray(file_bytes(enhanced(SOPInstanceUID=UID + "8")))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(132, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        with quiet_pydicom():
            found = read_elements(bytes(content[: data.draw(st.integers(140, len(content)))]), bounds=BOUNDS)
            for one in found.elements.values():
                texts_of(one)
    except (WithheldError, LookupError, ValueError) as error:
        assert isinstance(error, WithheldError | LookupError | ValueError)  # noqa: PT017  damage_withholds turns these into a code
