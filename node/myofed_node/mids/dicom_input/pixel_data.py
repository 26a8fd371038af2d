"""Stored pixels of a file, twice: as the converter takes them, and as the proof reads them from the same bytes in its own way."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID

from myofed_node.mids.dicom_input.elements import damage_refused, element_value
from myofed_node.mids.dicom_input.header_reader import Span
from myofed_node.mids.refusal import SeriesRefusedError

Integers = NDArray[np.integer]
BIG_ENDIAN = "1.2.840.10008.1.2.2"
LOSSY = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 81, 203))
"""JPEG Baseline and Extended, JPEG-LS near-lossless, HTJ2K: never the values that the scanner stored."""
KEYWORDS = (
    *("NumberOfFrames", "Rows", "Columns", "BitsAllocated"),
    *("BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel"),
)
WIDTHS = frozenset({8, 16, 32})


@dataclass(frozen=True)
class PixelFormat:
    """How the stored values lie in Pixel Data (PS3.5 8.1.1, PS3.3 C.7.6.3).

    Attributes:
        shape: Frames, rows, columns.
        bits_allocated: Of each value.
        bits_stored: Of these the lowest that count.
        signed: Two's complement in the stored bits; those above may repeat the sign or be zero.
        syntax: Transfer syntax.
    """

    shape: tuple[int, int, int]
    bits_allocated: int
    bits_stored: int
    signed: bool
    syntax: str

    @property
    def dtype(self) -> np.dtype[np.integer]:
        """Of the values as they lie there."""
        order = ">" if self.syntax == BIG_ENDIAN else "<"
        return np.dtype(f"{order}{'i' if self.signed else 'u'}{self.bits_allocated // 8}")

    @property
    def values(self) -> int:
        """Number of values in all frames."""
        frames, rows, columns = self.shape
        return frames * rows * columns


@dataclass(frozen=True)
class PixelData:
    """The pixels of one file that was read, not yet an array.

    Attributes:
        content: The whole file, or its Pixel Data alone.
        span: Where the Pixel Data value lies in it; None where it is compressed, for pydicom to find.
        sha256: What de-identification proved of the Pixel Data value, which is that of the scanner's file.
    """

    content: bytes
    span: Span | None
    format: PixelFormat
    sha256: str

    @property
    def held_bytes(self) -> int:
        """Memory that this keeps."""
        return len(self.content)


def pixel_format(header: Dataset, syntax: str) -> PixelFormat:
    """What the header says of its pixels.

    Raises:
        SeriesRefusedError: PIXELS_SHAPE, LOSSY_COMPRESSION or DECODER_MISSING.
    """
    facts = tuple(_whole(header, keyword) for keyword in KEYWORDS)
    return _format(facts, syntax, lossy=str(element_value(header, "LossyImageCompression") or "").strip() == "01")


@lru_cache(maxsize=256)
def _format(facts: tuple[int, ...], syntax: str, *, lossy: bool) -> PixelFormat:
    """Files of one series say the same."""
    frames, rows, columns, allocated, stored, high_bit, representation, samples = facts
    if samples > 1 or allocated not in WIDTHS or not 0 < stored <= allocated or high_bit != stored - 1:
        raise SeriesRefusedError(
            "PIXELS_SHAPE", f"SamplesPerPixel={samples}", f"BitsAllocated={allocated}", f"BitsStored={stored}"
        )
    if UID(syntax).is_encapsulated:
        _refuse_encapsulated(UID(syntax), lossy=lossy)
    return PixelFormat((frames or 1, rows, columns), allocated, stored, representation == 1, syntax)


def _whole(header: Dataset, keyword: str) -> int:
    value = element_value(header, keyword)
    if type(value) is int:
        return value
    if value is None or value == "":
        return 0
    if not isinstance(value, int | str | float):
        raise SeriesRefusedError("HEADER_INVALID", f"{keyword}=not a number")
    with damage_refused("HEADER_INVALID", f"{keyword}=not a number"):
        return int(value)


def _refuse_encapsulated(syntax: UID, *, lossy: bool) -> None:
    if syntax in LOSSY or lossy:
        raise SeriesRefusedError("LOSSY_COMPRESSION", "TransferSyntaxUID or LossyImageCompression=lossy")
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise SeriesRefusedError("DECODER_MISSING", f"TransferSyntaxUID={syntax.name}")


def stored_values(pixels: PixelData) -> tuple[Integers, Integers]:
    """(frames, rows, columns), twice: the values as the converter takes them, and as the proof works them out by itself.

    For the proof the Pixel Data value must have the digest that de-identification proved; a compressed one, which is decoded
    once for both, lies in a file whose own digest was seen.

    Raises:
        SeriesRefusedError: PIXELS_UNREADABLE or PIXELS_CHANGED.
    """
    if pixels.span is None:
        stored = _decoded(pixels)
    else:
        _check_digest(memoryview(pixels.content)[pixels.span.start :][: pixels.span.length], pixels.sha256)
        stored = _raw(pixels, pixels.span)
    return _extended(stored, pixels.format), _counted(stored, pixels.format)


def _extended(stored: Integers, found: PixelFormat) -> Integers:
    """The sign in all bits above it; scanners leave them zero, too."""
    spare = found.bits_allocated - found.bits_stored
    if spare and found.signed:
        return np.right_shift(np.left_shift(stored, spare), spare)
    return stored


def _counted(stored: Integers, found: PixelFormat) -> Integers:
    """The stored bits by arithmetic: two's complement as its definition has it."""
    if found.bits_stored == found.bits_allocated:
        return stored
    counting = stored & stored.dtype.type((1 << found.bits_stored) - 1)
    if not found.signed:
        return counting
    sign, wide = 1 << (found.bits_stored - 1), counting.astype(np.int64)
    return np.where(wide >= sign, wide - 2 * sign, wide)


def _check_digest(value: memoryview, sha256: str) -> None:
    """A value of odd length got a zero byte more when it was written (PS3.5 7.1.1)."""
    if hashlib.sha256(value).hexdigest() == sha256:
        return
    if bytes(value[-1:]) != b"\0" or hashlib.sha256(value[:-1]).hexdigest() != sha256:
        raise SeriesRefusedError("PIXELS_CHANGED", "PixelData=not the value that de-identification proved")


def _raw(pixels: PixelData, span: Span) -> Integers:
    found = pixels.format
    if found.values * found.dtype.itemsize > span.length or not found.values:
        raise SeriesRefusedError("PIXELS_UNREADABLE", "PixelData=shorter than Rows, Columns and NumberOfFrames say")
    return np.frombuffer(pixels.content, found.dtype, found.values, span.start).reshape(found.shape)


def _decoded(pixels: PixelData) -> Integers:
    found = pixels.format
    with damage_refused("PIXELS_UNREADABLE", "PixelData=cannot be decoded"):
        decoded = pixel_array(dcmread(BytesIO(pixels.content)), raw=True).reshape(found.shape)
        return np.ascontiguousarray(decoded).view(found.dtype).reshape(found.shape)
