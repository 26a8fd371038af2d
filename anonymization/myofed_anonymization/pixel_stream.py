"""Compressed Pixel Data walked without decoding: nothing but the frames, and nothing in a frame but what a decoder reads.

A comment in a JPEG stream, bytes behind the last segment of a run-length frame or an offset table that points nowhere can hold
a name that no element shows. Comments of known encoders pass; all else withholds the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom.encaps import generate_frames, parse_basic_offsets
from pydicom.uid import RLELossless

from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode

CODEC_COMMENTS = re.compile(
    rb"Kakadu-v?[0-9.]{1,12}|Created by (?:GDCM/)?OpenJPEG version [0-9.]{1,12}|Creator: JasPer Version [0-9.]{1,12}"
    rb"|Kdu-Layer-Info: log_2\{Delta-D\([a-z-]{1,24}\)/\[2\^16\*Delta-L\(bytes\)\]\}, L\(bytes\)[-+0-9.e,\s]{0,4096}"
    rb"|LEAD Technologies Inc\. V[0-9.]{1,8}"
)
"""What encoders write about themselves into JPEG and JPEG 2000 comments."""
APPLICATION_DATA = {
    0xE0: ((b"JFIF\0", 14),),
    0xE8: ((b"SPIFF\0", 30), (b"\0\0\0\1", 6), (b"mrfx", 8)),
    0xEE: ((b"Adobe", 12),),
}
"""JPEG application segments that hold no text: marker, beginnings, most bytes (JFIF 1.02; T.84 F for SPIFF; T.87; Adobe)."""
_JPEG_2000 = frozenset({f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203)})
_SOI, _EOI, _SOS, _COM, _RESTARTS = 0xD8, 0xD9, 0xDA, 0xFE, range(0xD0, 0xD8)
_SOC, _SOT, _SOD, _EOC, _COM_2000 = 0xFF4F, 0xFF90, 0xFF93, 0xFFD9, 0xFF64


def check_stream(content: bytes, *, transfer_syntax: str, frames: int, pixels_a_plane: int) -> None:
    """Returns when the fragments hold the frames and nothing else that could be read.

    Args:
        content: The value of encapsulated Pixel Data, from the basic offset table on, without the sequence delimiter.
        transfer_syntax: One of part10.COMPRESSED.
        frames: NumberOfFrames.
        pixels_a_plane: Rows x Columns.

    Raises:
        WithheldError: PIXEL_STREAM_REFUSED.
        ValueError, struct.error: The fragments are not as PS3.5 A.4 has them.
    """
    _check_offsets(content, frames)
    for frame in generate_frames(content, number_of_frames=frames):
        if transfer_syntax == RLELossless:
            _check_run_lengths(frame, pixels_a_plane)
        elif transfer_syntax in _JPEG_2000:
            _check_jpeg_2000(frame)
        else:
            _check_jpeg(frame)


def _refuse_unless(holds: bool) -> None:  # noqa: FBT001  reads as a sentence
    if not holds:
        raise WithheldError(WithheldCode.PIXEL_STREAM_REFUSED)


def _check_offsets(content: bytes, frames: int) -> None:
    """The basic offset table is empty, or holds the place of a fragment for each frame (PS3.5 A.4)."""
    offsets = parse_basic_offsets(content)
    if offsets:
        starts = set(_fragment_starts(content))
        _refuse_unless(len(offsets) == frames and set(offsets) <= starts and offsets == sorted(set(offsets)))


def _fragment_starts(content: bytes) -> Iterator[int]:
    first = 8 + int.from_bytes(content[4:8], "little")
    position = first
    while position + 8 <= len(content):
        yield position - first
        position += 8 + int.from_bytes(content[position + 4 : position + 8], "little")


def _is_padding(rest: bytes) -> bool:
    return rest in {b"", b"\0", b"\xff"}


def _check_run_lengths(frame: bytes, pixels_a_plane: int) -> None:
    """Each segment gives exactly one byte plane (PS3.5 G)."""
    count = int.from_bytes(frame[:4], "little")
    starts = [int.from_bytes(frame[4 * n : 4 * n + 4], "little") for n in range(1, 16)]
    _refuse_unless(0 < count <= 15 and starts[0] == 64 and not any(starts[count:]))
    ends = [*starts[1:count], len(frame)]
    for start, end in zip(starts[:count], ends, strict=True):
        _refuse_unless(start < end <= len(frame))
        position, made = start, 0
        while made < pixels_a_plane and position < end:
            control = frame[position]
            made += (257 - control) if control > 128 else (control + 1 if control < 128 else 0)
            position += 2 if control > 128 else (control + 2 if control < 128 else 1)
        _refuse_unless(made == pixels_a_plane and position <= end and _is_padding(frame[position:end]))


def _check_jpeg(frame: bytes) -> None:
    """JPEG and JPEG-LS: from SOI to EOI, application segments and comments of known kinds only (T.81 B, T.87 C)."""
    _refuse_unless(frame[:2] == b"\xff\xd8")
    position = 2
    while position + 4 <= len(frame) and frame[position] == 0xFF:
        marker = frame[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == _EOI:
            break
        length = int.from_bytes(frame[position + 2 : position + 4], "big")
        segment = frame[position + 4 : position + 2 + length]
        _check_segment(marker, segment, length)
        position += 2 + length
        if marker == _SOS:
            position = _end_of_scan(frame, position)
    _refuse_unless(frame[position : position + 2] == b"\xff\xd9" and _is_padding(frame[position + 2 :]))


def _check_segment(marker: int, segment: bytes, length: int) -> None:
    _refuse_unless(len(segment) == length - 2 and marker >= 0xC0 and marker not in {*_RESTARTS, _SOI})
    if marker == _COM:
        _refuse_unless(bool(CODEC_COMMENTS.fullmatch(segment.rstrip(b"\0"))))
    elif 0xE0 <= marker <= 0xEF:
        kinds = APPLICATION_DATA.get(marker, ())
        _refuse_unless(any(segment.startswith(beginning) and len(segment) <= most for beginning, most in kinds))


def _end_of_scan(frame: bytes, position: int) -> int:
    """The position of the next marker that is neither stuffing nor a restart."""
    while True:
        position = frame.find(b"\xff", position)
        _refuse_unless(0 <= position < len(frame) - 1)
        following = frame[position + 1]
        if following >= 0xC0 and following not in _RESTARTS and following != 0xFF:
            return position
        position += 1


def _check_jpeg_2000(frame: bytes) -> None:
    """A codestream from SOC to EOC, its tile parts where their headers say, comments of known kinds only (T.800 A)."""
    _refuse_unless(int.from_bytes(frame[:2], "big") == _SOC)
    position = _end_of_header(frame, 2, _SOT)
    while int.from_bytes(frame[position : position + 2], "big") == _SOT:
        length = int.from_bytes(frame[position + 6 : position + 10], "big")
        body = _end_of_header(frame, position, _SOD)
        end = position + length if length else frame.rfind(b"\xff\xd9")
        _refuse_unless(body < end <= len(frame))
        position = end
    _refuse_unless(frame[position : position + 2] == b"\xff\xd9" and _is_padding(frame[position + 2 :]))


def _end_of_header(frame: bytes, position: int, last: int) -> int:
    """The position of the marker that ends the header; every segment before it was looked at."""
    while True:
        marker = int.from_bytes(frame[position : position + 2], "big")
        _refuse_unless(marker >= 0xFF00)
        if marker == last:
            return position
        length = int.from_bytes(frame[position + 2 : position + 4], "big")
        segment = frame[position + 4 : position + 2 + length]
        _refuse_unless(len(segment) == length - 2)
        if marker == _COM_2000:
            _refuse_unless(bool(CODEC_COMMENTS.fullmatch(segment[2:].rstrip(b"\0"))))
        position += 2 + length
