"""Our reader of headers: what pydicom reads, byte for byte, or not at all."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from mids_factories import NOW, Kind, classic, enhanced
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.filewriter import dcmwrite
from pydicom.uid import ImplicitVRLittleEndian

from myofed_anonymization import SiteKeys, default_policy, deidentify
from myofed_anonymization.part10 import TRANSFER_SYNTAX, meta_elements, quiet_pydicom
from myofed_node.mids.dicom_input import header_reader
from myofed_node.mids.dicom_input.header_reader import (
    EXPLICIT_LITTLE,
    MOST_LEVELS,
    Header,
    UnfamiliarError,
    read_header,
)


def written(dataset: Dataset) -> bytes:
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def start_of(content: bytes) -> int:
    return meta_elements(content)[1]


def compared(ours: Dataset, theirs: Dataset) -> int:
    """Number of values that both readers tell alike; every element is in both."""
    assert list(ours.keys()) == list(theirs.keys())
    count = 0
    for tag in list(theirs.keys()):
        mine, other = ours[tag], theirs[tag]
        assert (mine.tag, mine.VR) == (other.tag, other.VR)
        if other.VR == "SQ":
            assert len(mine.value) == len(other.value)
            count += sum(compared(one, two) for one, two in zip(mine.value, other.value, strict=True))
        else:
            assert mine.value == other.value
            count += 1
    return count


def assert_as_pydicom(content: bytes) -> int:
    """Header and place of the pixels are those that pydicom finds."""
    read = read_header(content, start_of(content))
    whole = dcmread(BytesIO(content))
    if "PixelData" in whole:
        assert read.pixels is not None
        assert content[read.pixels.start : read.pixels.start + read.pixels.length] == whole.PixelData
    else:
        assert read.pixels is None
    return compared(read.header, dcmread(BytesIO(content), stop_before_pixels=True))


def refused(content: bytes) -> None:
    with pytest.raises(UnfamiliarError):
        read_header(content, start_of(content))


def test_sequence_of_undefined_length_is_left_to_pydicom() -> None:
    """Its end is found by delimiters only."""
    dataset = enhanced()
    dataset["SharedFunctionalGroupsSequence"].is_undefined_length = True
    refused(written(dataset))


def test_item_of_undefined_length_is_left_to_pydicom() -> None:
    """The same of an item."""
    dataset = enhanced()
    dataset.SharedFunctionalGroupsSequence[0].is_undefined_length_sequence_item = True
    refused(written(dataset))


def test_elements_out_of_order_are_left_to_pydicom() -> None:
    """Which of two values is meant, readers do not agree on."""
    content = written(classic()[0])
    place = content.index(b"\x18\x00\x50\x00DS")
    refused(content[:place] + content[place:].replace(b"\x18\x00\x50\x00DS", b"\x08\x00\x50\x00DS", 1))


@pytest.mark.parametrize("cut", [1, 5, 9, 29])
def test_bytes_that_end_too_early_are_left_to_pydicom(cut: int) -> None:
    """Pixel Data and the element before it must be whole."""
    content = written(classic()[0])
    refused(content[:-cut])
    refused(content[: content.index(b"\xe0\x7f\x10\x00") - cut])


def test_unknown_vr_is_left_to_pydicom() -> None:
    """Letters that are no VR of PS3.5."""
    content = written(classic()[0])
    refused(content.replace(b"\x18\x00\x50\x00DS", b"\x18\x00\x50\x00ZZ"))


def test_item_with_another_tag_is_left_to_pydicom() -> None:
    """Something else stands where an item must begin."""
    refused(written(enhanced()).replace(b"\xfe\xff\x00\xe0", b"\xfe\xff\x01\xe0", 1))


def test_item_that_ends_behind_its_sequence_is_left_to_pydicom() -> None:
    """Lengths that contradict each other."""
    content = written(enhanced())
    place = content.index(b"\xfe\xff\x00\xe0") + 4
    refused(content[:place] + (2**20).to_bytes(4, "little") + content[place + 4 :])


def test_item_with_bytes_behind_its_last_element_is_left_to_pydicom() -> None:
    """Pixels inside an item end its elements before its length does."""
    dataset = classic()[0]
    item = Dataset()
    item.Rows, item.PixelData = 1, b"\0\0"
    item["PixelData"].VR = "OW"
    dataset.ReferencedImageSequence = [item]
    refused(written(dataset))


def test_sequences_in_sequences_without_end_are_left_to_pydicom() -> None:
    """A bound for what a file may ask of us."""
    dataset = classic()[0]
    inner = Dataset()
    for _ in range(MOST_LEVELS + 1):
        outer = Dataset()
        outer.RelatedSeriesSequence = [inner]
        inner = outer
    dataset.RelatedSeriesSequence = [inner]
    refused(written(dataset))


def test_classic_and_enhanced_headers_are_as_pydicom_reads_them() -> None:
    """Texts, numbers, sequences in sequences."""
    assert assert_as_pydicom(written(classic()[0])) > 30
    assert assert_as_pydicom(written(enhanced())) > 60


def test_private_and_unknown_elements_are_as_pydicom_reads_them() -> None:
    """A private creator's block, UN whose VR the dictionaries know, and UN that nobody knows."""
    dataset = classic()[0]
    block = dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    block.add_new(0x0E, "FL", 0.5)
    content = written(dataset).replace(b"\x05\x20\x0e\x10FL\x04\x00", b"\x05\x20\x0e\x10UN\0\0\x04\0\0\0")
    content = content.replace(b"\x18\x00\x50\x00DS\x02\x00", b"\x18\x00\x50\x00UN\x00\x00\x02\x00\x00\x00")
    assert assert_as_pydicom(content) > 30
    header = read_header(content, start_of(content)).header
    assert (header[0x2005100E].value, header["SliceThickness"].value) == (0.5, 5)


@pytest.mark.parametrize("charset", ["ISO_IR 100", ["", "ISO 2022 IR 87"], "ISO_IR 192", None])
def test_texts_are_decoded_by_the_files_character_set(charset: str | list[str] | None) -> None:
    """Also in the items of its sequences."""
    dataset = classic()[0]
    text = {"ISO_IR 100": "Höhe", "ISO_IR 192": "Höhe 山"}.get(str(charset), "plain")
    if charset is not None:
        dataset.SpecificCharacterSet = charset
    dataset.ProtocolName = text
    item = Dataset()
    item.SeriesDescription = text
    dataset.ReferencedSeriesSequence = [item]
    content = written(dataset)
    assert assert_as_pydicom(content) > 30
    assert read_header(content, start_of(content)).header["ProtocolName"].value == text


def test_file_without_pixels_has_none() -> None:
    """Float Pixel Data is not the element of integers, and nothing at all is none either."""
    dataset = classic()[0]
    del dataset.PixelData
    assert_as_pydicom(written(dataset))
    dataset.FloatPixelData = bytes(80)
    content = written(dataset)
    assert read_header(content, start_of(content)).pixels is None


def test_look_up_is_by_keyword_or_tag_and_absence_is_said_as_pydicom_says_it() -> None:
    """`in`, `[]` and `get`."""
    content = written(classic()[0])
    header = read_header(content, start_of(content)).header
    assert isinstance(header, Header)
    assert isinstance(header, Dataset)
    assert header["EchoTime"].value == header[0x00180081].value == header.get("EchoTime")
    assert header.get(0x00180081).value == header.get("EchoTime")
    assert ("NoSuchKeyword" in header, "SpacingBetweenSlices" in header, header.get("NoSuchKeyword", 7)) == (0, 0, 7)
    for key in ("NoSuchKeyword", "SpacingBetweenSlices", 0x00180088):
        with pytest.raises(KeyError):
            header[key]


def test_values_are_decoded_when_asked_for_and_short_sequences_are_shared() -> None:
    """What nobody asks for costs nothing, and files of one series say the same."""
    first, second = (written(enhanced(Kind(study=number))) for number in (1, 2))
    one, two = (read_header(content, start_of(content)).header for content in (first, second))
    assert isinstance(dict(one.items())[0x00080060], RawDataElement)
    assert one["SharedFunctionalGroupsSequence"] is two["SharedFunctionalGroupsSequence"]
    assert one["StudyInstanceUID"].value != two["StudyInstanceUID"].value


def test_implicit_vr_is_not_read_by_mistake() -> None:
    """Bytes of another encoding end in a refusal, not in other values."""
    dataset = classic()[0]
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    refused(written(dataset))


@pytest.mark.real_data
def test_every_public_file_is_as_pydicom_reads_it(shared_data: Path, tmp_path: Path) -> None:
    """All real sets after de-identification; what is explicit VR little endian is read by us, all of it."""
    explicit = 0
    for number, source in enumerate(sorted(path for path in (shared_data / "dicom").iterdir() if path.is_dir())):
        clean = tmp_path / str(number)
        deidentify(source, clean, keys=SiteKeys(bytes(32)), policy=default_policy(), now=NOW)
        for path in sorted(clean.rglob("*.dcm")):
            content = path.read_bytes()
            syntax = next(value for tag, _, value in meta_elements(content)[0] if tag == TRANSFER_SYNTAX)
            if syntax.rstrip(b"\0 ").decode() == EXPLICIT_LITTLE:
                with quiet_pydicom():
                    assert assert_as_pydicom(content) > 30
                explicit += 1
    assert explicit > 150


def test_memory_for_tags_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files with ever new private elements are read all the same."""
    monkeypatch.setattr(header_reader, "MOST_TAGS", 5)
    header_reader._TAGS.clear()
    assert assert_as_pydicom(written(enhanced())) > 60
    assert len(header_reader._TAGS) <= 5
