"""One file, read once: every encoding that de-identification releases, the right pixels or a code."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from mids_factories import Kind, classic, stored
from pydicom import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from myofed_anonymization.part10 import inflated
from myofed_node.mids.dicom_input import pixel_data
from myofed_node.mids.dicom_input.header_reader import Header
from myofed_node.mids.dicom_input.source import SourceFile
from myofed_node.mids.dicom_input.stored_file import read_file
from myofed_node.mids.refusal import SeriesRefusedError


def one(kind: Kind | None = None) -> Dataset:
    return classic(kind or Kind(slices=1, echo_times_ms=(2.3,)))[0]


def on_disk(folder: Path, dataset: Dataset, *, pixels: bytes | None = None) -> SourceFile:
    """The file with the digests that de-identification would have told."""
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    content = inflated(stream.getvalue(), max_bytes=2**20)
    path = folder / "x.dcm"
    path.write_bytes(content)
    value = dataset.PixelData if pixels is None and "PixelData" in dataset else pixels or b""
    return SourceFile(path, hashlib.sha256(content).hexdigest(), hashlib.sha256(value).hexdigest())


def refused(file: SourceFile) -> str:
    with pytest.raises(SeriesRefusedError) as refusal:
        pixel_data.stored_values(read_file(file).pixels())
    return refusal.value.code


def values_of(file: SourceFile) -> np.ndarray:
    """The values, which both ways to them tell alike."""
    converted, proof = pixel_data.stored_values(read_file(file).pixels())
    assert np.array_equal(converted, proof)
    return converted


def with_bits(values: np.ndarray, *, stored_bits: int, signed: bool) -> Dataset:
    dataset = one()
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = values.itemsize * 8, stored_bits, stored_bits - 1
    dataset.PixelRepresentation = int(signed)
    dataset.Rows, dataset.Columns = values.shape
    dataset.PixelData = values.tobytes() + b"\0" * (values.nbytes % 2)
    return dataset


def test_file_that_is_no_dicom_is_refused(tmp_path: Path) -> None:
    """Bytes that are not DICOM quarantine the series, even with a matching digest."""
    path = tmp_path / "x.dcm"
    for content in (b"not dicom", bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI\xff\xff1.2"):
        path.write_bytes(content)
        assert refused(SourceFile(path, hashlib.sha256(content).hexdigest(), "")) == "HEADER_INVALID"


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_file_without_pixel_data_is_refused(tmp_path: Path, syntax: UID) -> None:
    """Float Pixel Data would be no stored integers either; de-identification releases none."""
    dataset = one()
    dataset.file_meta.TransferSyntaxUID = syntax
    del dataset.PixelData
    assert refused(on_disk(tmp_path, dataset)) == "PIXELS_UNREADABLE"


def test_pixels_that_de_identification_did_not_prove_are_refused(tmp_path: Path) -> None:
    """The Pixel Data value has another digest than the scanner's file had: what we read is not what it stored."""
    assert refused(on_disk(tmp_path, one(), pixels=b"other")) == "PIXELS_CHANGED"


def test_pixel_data_shorter_than_the_header_says_is_refused(tmp_path: Path) -> None:
    """Too few bytes for the stated size."""
    dataset = one()
    dataset.PixelData = b"\0\0"
    assert refused(on_disk(tmp_path, dataset)) == "PIXELS_UNREADABLE"
    dataset.Rows = 0
    assert refused(on_disk(tmp_path, dataset)) == "PIXELS_UNREADABLE"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"SamplesPerPixel": 3}, "PIXELS_SHAPE"),
        ({"BitsAllocated": 12}, "PIXELS_SHAPE"),
        ({"BitsStored": 17, "HighBit": 16}, "PIXELS_SHAPE"),
        ({"HighBit": 15}, "PIXELS_SHAPE"),
        ({"LossyImageCompression": "01", "syntax": RLELossless}, "LOSSY_COMPRESSION"),
        ({"syntax": JPEGLSNearLossless}, "LOSSY_COMPRESSION"),
        ({"syntax": JPEGBaseline8Bit}, "LOSSY_COMPRESSION"),
        ({"syntax": UID("1.2.840.10008.1.2.4.100")}, "DECODER_MISSING"),
    ],
)
def test_pixels_of_a_form_that_gives_no_stored_values_are_refused(changes: dict[str, object], code: str) -> None:
    """Colour, odd widths, bits elsewhere in the word, lossy compression, video."""
    dataset = one()
    syntax = changes.get("syntax", ExplicitVRLittleEndian)
    for keyword, value in changes.items():
        if keyword != "syntax":
            setattr(dataset, keyword, value)
    with pytest.raises(SeriesRefusedError) as refusal:
        pixel_data.pixel_format(dataset, str(syntax))
    assert refusal.value.code == code


def test_numbers_that_are_none_are_refused() -> None:
    """A header whose Rows is a text, or a list."""
    for value in ("four", None):
        dataset = one()
        dataset.add_new("Rows", "LO", value or ["1", "2"])
        with pytest.raises(SeriesRefusedError) as refusal:
            pixel_data.pixel_format(dataset, ExplicitVRLittleEndian)
        assert refusal.value.code == "HEADER_INVALID"


def test_missing_decoder_is_said_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is another matter than a damaged file."""
    monkeypatch.setattr(type(get_decoder(JPEGLSLossless)), "is_available", property(lambda _: False))
    with pytest.raises(SeriesRefusedError) as refusal:
        pixel_data.pixel_format(one(), JPEGLSLossless)
    assert refusal.value.code == "DECODER_MISSING"


def test_fragments_that_are_no_image_are_refused(tmp_path: Path) -> None:
    """Compressed bytes that the decoder does not understand."""
    dataset = one()
    dataset.compress(RLELossless)
    dataset.PixelData = dataset.PixelData[:40] + b"\xff" * (len(dataset.PixelData) - 48) + dataset.PixelData[-8:]
    assert refused(on_disk(tmp_path, dataset)) == "PIXELS_UNREADABLE"


def test_eight_bit_values_in_big_endian_words_are_refused(tmp_path: Path) -> None:
    """Two values change places in each word; nobody writes such MR."""
    dataset = with_bits(np.arange(20, dtype=np.uint8).reshape(4, 5), stored_bits=8, signed=False)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset["PixelData"].VR = "OW"
    assert refused(on_disk(tmp_path, dataset)) == "PIXELS_UNREADABLE"


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_every_uncompressed_encoding_gives_the_same_values(tmp_path: Path, syntax: UID) -> None:
    """Deflated files arrive inflated from de-identification."""
    dataset = one()
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = stored(0, 0).astype(">u2").tobytes()
        dataset["PixelData"].VR = "OW"
    file = on_disk(tmp_path, dataset)
    assert np.array_equal(values_of(file)[0], stored(0, 0))
    ours = syntax in {ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian}
    assert isinstance(read_file(file).header, Header) == ours


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
@pytest.mark.parametrize("signed", [False, True])
def test_lossless_compression_gives_the_same_values(tmp_path: Path, syntax: UID, *, signed: bool) -> None:
    """Decoded by pydicom; signed values keep their sign."""
    values = stored(0, 0).astype(np.int16) - (10 if signed else 0)
    dataset = with_bits(values, stored_bits=16 if signed else 12, signed=signed)
    dataset.compress(syntax)
    assert np.array_equal(values_of(on_disk(tmp_path, dataset))[0], values)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32])
def test_every_width_gives_its_extreme_values(tmp_path: Path, dtype: type[np.integer]) -> None:
    """8, 16 and 32 bits, with and without sign; an odd number of bytes is padded in the file."""
    values = np.asarray([[np.iinfo(dtype).min, 0, 1], [np.iinfo(dtype).max, 2, 3], [4, 5, 6]], dtype=dtype)
    bits = values.itemsize * 8
    file = on_disk(
        tmp_path, with_bits(values, stored_bits=bits, signed=dtype(0).dtype.kind == "i"), pixels=values.tobytes()
    )
    found = values_of(file)
    assert found.dtype == dtype
    assert np.array_equal(found[0], values)


@pytest.mark.parametrize("extended", [False, True])
def test_sign_of_twelve_stored_bits_counts_whether_extended_or_not(tmp_path: Path, *, extended: bool) -> None:
    """Scanners leave the bits above HighBit zero, or repeat the sign in them."""
    truth = np.asarray([[-2048, -1, 0], [1, 100, 2047]], dtype=np.int16)
    values = truth if extended else truth & 0x0FFF
    file = on_disk(tmp_path, with_bits(values.astype(np.int16), stored_bits=12, signed=True))
    assert np.array_equal(values_of(file)[0], truth)


def test_two_ways_to_the_values_differ_where_bits_above_are_in_use(tmp_path: Path) -> None:
    """Bits above HighBit that are neither zero nor sign: the proof reads other values than the converter and refuses."""
    values = np.full((2, 3), 0xF001, dtype=np.uint16)
    file = on_disk(tmp_path, with_bits(values, stored_bits=12, signed=False))
    converted, proof = pixel_data.stored_values(read_file(file).pixels())
    assert not np.array_equal(converted, proof)
