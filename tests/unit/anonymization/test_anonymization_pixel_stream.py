from __future__ import annotations

import struct
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames

from myofed_anonymization.pixel_stream import check_stream
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode

BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"
JPEG, JPEG_LS, JPEG_2000, RLE = (f"1.2.840.10008.1.2.{end}" for end in ("4.50", "4.80", "4.90", "5"))
NAME = b"Fantasia^Ottilie"


def passes(frames: list[bytes], syntax: str, *, pixels: int = 16, has_bot: bool = False) -> bool:
    return stream_passes(encapsulate(frames, has_bot=has_bot), syntax, frames=len(frames), pixels=pixels)


def stream_passes(content: bytes, syntax: str, *, frames: int = 1, pixels: int = 16) -> bool:
    try:
        check_stream(content, transfer_syntax=syntax, frames=frames, pixels_a_plane=pixels)
    except WithheldError as refusal:
        return refusal.reason is not WithheldCode.PIXEL_STREAM_REFUSED
    return True


def frame_of(name: str) -> bytes:
    dataset = dcmread(BUNDLED / name)
    return next(generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames", 1))))


@pytest.mark.parametrize(
    "name",
    [
        "JPGExtended.dcm",
        "JPEGLSNearLossless_16.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "SC_rgb_jls_lossy_line.dcm",
        "SC_rgb_jpeg_gdcm.dcm",
        "SC_rgb_jpeg_app14_dcmd.dcm",
        "SC_rgb_small_odd_jpeg.dcm",
        "693_J2KI.dcm",
        "JPEG2000.dcm",
        "MR_small_jp2klossless.dcm",
        "SC_rgb_gdcm_KY.dcm",
        "examples_jpeg2k.dcm",
        "MR_small_RLE.dcm",
        "SC_rgb_rle_16bit_2frame.dcm",
    ],
)
def test_streams_of_many_encoders_pass(name: str) -> None:
    """What real encoders write, their comments about themselves included, is no reason to withhold a file."""
    dataset = dcmread(BUNDLED / name)
    frames, pixels = int(dataset.get("NumberOfFrames", 1)), dataset.Rows * dataset.Columns
    assert stream_passes(dataset.PixelData, dataset.file_meta.TransferSyntaxUID, frames=frames, pixels=pixels)


def jpeg(
    *segments: tuple[int, bytes], scan: bytes = b"\x01\xff\x00\x02\xff\xd0\x03", end: bytes = b"\xff\xd9"
) -> bytes:
    """A stream of this form, not of any picture."""
    written = b"".join(bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body for marker, body in segments)
    return b"\xff\xd8" + written + b"\xff\xda\x00\x04ab" + scan + end


@pytest.mark.parametrize(
    ("frame", "good"),
    [
        (jpeg(), True),
        (jpeg((0xE0, b"JFIF\0\1\2\0\0\1\0\1\0\0"), (0xDB, NAME[:8])), True),
        (jpeg((0xFE, b"LEAD Technologies Inc. V1.01\0")), True),
        (jpeg(end=b"\xff\xd9\0"), True),
        (jpeg(end=b"\xff\xff\xd9"), True),
        (b"\xff\xd8\xff" + jpeg((0xDB, b"ab"))[2:], True),
        (jpeg((0xFE, NAME)), False),
        (jpeg((0xFE, b"LEAD Technologies Inc. V1.01 " + NAME)), False),
        (jpeg((0xE1, b"Exif\0\0" + NAME)), False),
        (jpeg((0xE0, b"JFIF\0" + NAME)), False),
        (jpeg((0xEE, NAME)), False),
        (jpeg(end=b"\xff\xd9" + NAME), False),
        (jpeg(end=b""), False),
        (jpeg(end=b"\xff"), False),
        (jpeg(end=b"\xff\xda\x00\x04ab\1\xff\xfe" + struct.pack(">H", 2 + len(NAME)) + NAME + b"\xff\xd9"), False),
        (jpeg((0xD8, b"")), False),
        (b"\xff\xd8\xff\xfe\xff\xff" + NAME, False),
        (NAME + jpeg(), False),
        (b"\xff\xd8" + NAME + b"\xff\xd9", False),
    ],
)
def test_text_in_a_jpeg_stream_is_found(frame: bytes, good: bool) -> None:
    """Comments, application segments, and bytes before, between and behind what a decoder reads."""
    assert passes([frame], JPEG) is good
    assert passes([frame], JPEG_LS) is good


def jpeg_2000(
    *,
    header: bytes = b"",
    tile_header: bytes = b"",
    data: bytes = b"\1\2\3\4",
    length: int | None = None,
    end: bytes = b"",
) -> bytes:
    """A codestream of this form with one tile part."""
    size = 12 + len(tile_header) + 2 + len(data) if length is None else length
    tile = b"\xff\x90\x00\x0a\x00\x00" + struct.pack(">I", size) + b"\x00\x01" + tile_header + b"\xff\x93" + data
    return b"\xff\x4f\xff\x51\x00\x04ab" + header + tile + (end or b"\xff\xd9")


def comment(text: bytes) -> bytes:
    return b"\xff\x64" + struct.pack(">HH", 4 + len(text), 1) + text


@pytest.mark.parametrize(
    ("frame", "good"),
    [
        (jpeg_2000(), True),
        (jpeg_2000(length=0), True),
        (jpeg_2000(data=b"\1\2\3", end=b"\xff\xd9\0"), True),
        (jpeg_2000(header=comment(b"Kakadu-v7.9.1")), True),
        (jpeg_2000(header=comment(NAME)), False),
        (jpeg_2000(tile_header=comment(NAME)), False),
        (jpeg_2000(end=b"\xff\xd9" + NAME), False),
        (jpeg_2000(end=NAME), False),
        (jpeg_2000(length=4), False),
        (jpeg_2000(length=4000), False),
        (jpeg_2000(header=b"\xff\x64\xff\xff"), False),
        (jpeg_2000(header=NAME), False),
        (b"\0\0\0\x0cjP  " + jpeg_2000(), False),
        (b"\xff\x4f", False),
    ],
)
def test_text_in_a_jpeg_2000_stream_is_found(frame: bytes, good: bool) -> None:
    """Comments in the main header and in tile headers, and bytes that no tile part owns."""
    assert passes([frame], JPEG_2000) is good


def run_lengths(*segments: bytes, starts: list[int] | None = None) -> bytes:
    found, position = [], 64
    for segment in segments:
        found.append(position)
        position += len(segment)
    table = [*(starts or found), *[0] * 15][:15]
    return struct.pack("<16I", len(segments), *table) + b"".join(segments)


PLANE = b"\xf1\x07"
"""16 pixels of value 7."""


@pytest.mark.parametrize(
    ("frame", "good"),
    [
        (run_lengths(PLANE, PLANE), True),
        (run_lengths(b"\x0f" + bytes(16) + b"\0"), True),
        (run_lengths(b"\x80" + PLANE + b"\0"), True),
        (run_lengths(PLANE, PLANE + NAME), False),
        (run_lengths(PLANE + NAME, PLANE), False),
        (run_lengths(b"\xf5\x07"), False),
        (run_lengths(b"\xf2\x07"), False),
        (run_lengths(PLANE, starts=[64, *struct.unpack("<4I", NAME)]), False),
        (run_lengths(PLANE, starts=[66]), False),
        (run_lengths(PLANE, PLANE, starts=[64, 64]), False),
        (run_lengths(PLANE, PLANE, starts=[64, 6400]), False),
        (run_lengths(), False),
        (run_lengths(*[PLANE] * 15)[:4].replace(b"\x0f", b"\x10") + run_lengths(*[PLANE] * 15)[4:], False),
    ],
)
def test_bytes_that_no_run_needs_are_found(frame: bytes, good: bool) -> None:
    """Each segment gives one plane of pixels, the table of starts points to segments, and one byte may pad."""
    assert passes([frame + b"\0" * (len(frame) % 2)], RLE) is good


def test_the_offset_table_points_to_the_frames() -> None:
    """Four bytes a frame could hold a name."""
    frames = [run_lengths(PLANE), run_lengths(PLANE, PLANE)]
    assert passes(frames, RLE, has_bot=True)
    assert passes(frames, RLE)
    content = bytearray(encapsulate(frames, has_bot=True))
    content[8:16] = NAME[:8]
    assert not stream_passes(bytes(content), RLE, frames=2)
    one = bytearray(encapsulate(frames[:1], has_bot=True))
    assert not stream_passes(bytes(one), RLE, frames=2)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_bytes_hang_it_or_raise_anything_else(data: st.DataObject) -> None:
    """A mutated stream passes, is refused, or is damaged."""
    syntax, frame = data.draw(
        st.sampled_from(
            [
                (JPEG, frame_of("SC_rgb_small_odd_jpeg.dcm")),
                (JPEG_2000, frame_of("693_J2KI.dcm")),
                (RLE, frame_of("MR_small_RLE.dcm")),
            ]
        )
    )
    content = bytearray(encapsulate([frame]))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert stream_passes(bytes(content), syntax, pixels=4096) in {True, False}
    except (ValueError, struct.error):
        assert content != encapsulate([frame])
