"""Pixel Data judged without decoding it: its length, its spare bits, and overlays that hide in them."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import FileDataset
from pydicom.tag import BaseTag

from myofed_anonymization.elements import peek
from myofed_anonymization.part10 import EXPLICIT_BIG, UNCOMPRESSED
from myofed_anonymization.pixel_stream import check_stream
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode

PIXEL_DATA = BaseTag(0x7FE00010)
SAMPLES, FRAMES, ROWS, COLUMNS = 0x00280002, 0x00280008, 0x00280010, 0x00280011
BITS_ALLOCATED, HIGH_BIT, PIXEL_REPRESENTATION = 0x00280100, 0x00280102, 0x00280103
OVERLAYS, OVERLAY_BIT_POSITION = 0xFF00FFFF, 0x60000102
"""The bits of a tag that all overlay groups share, and (60xx,0102)."""


def pixel_bytes(dataset: FileDataset) -> bytes:
    """The Pixel Data value as it lies in the file.

    Raises:
        WithheldError: NO_PIXEL_DATA.
    """
    content = dataset.get_item(PIXEL_DATA).value if PIXEL_DATA in dataset else None
    if not isinstance(content, bytes) or not content:
        raise WithheldError(WithheldCode.NO_PIXEL_DATA)
    return content


def check_pixels(dataset: FileDataset, *, bits_allowed: frozenset[int], max_pixels: int) -> None:
    """Returns when the Pixel Data value holds pixels and, as far as can be seen without decoding, nothing else.

    Uncompressed data must have the length that the image needs, anything behind it being zeros (PS3.5 8.1.1), and the
    bits above HighBit must be zero or the sign. Retired overlays in those bits (60xx,0102) withhold the file.

    Args:
        dataset: A file's; its elements stay undecoded.
        bits_allowed: What BitsAllocated may be in this kind of object.
        max_pixels: Rows x columns x samples x frames; who claims more is not looked at.

    Raises:
        WithheldError: PIXEL_STREAM_REFUSED, NO_PIXEL_DATA, TOO_MANY_PIXELS, PIXEL_LENGTH, PIXEL_BITS_IN_USE or OVERLAY_IN_PIXEL_DATA.
    """
    content = pixel_bytes(dataset)
    if any(tag & OVERLAYS == OVERLAY_BIT_POSITION and peek(dataset, tag) for tag in dataset.keys()):  # noqa: SIM118
        raise WithheldError(WithheldCode.OVERLAY_IN_PIXEL_DATA)
    rows, columns, samples, bits = (int(peek(dataset, tag)) for tag in (ROWS, COLUMNS, SAMPLES, BITS_ALLOCATED))
    values = rows * columns * samples * int(peek(dataset, FRAMES, 1))
    if values > max_pixels:
        raise WithheldError(WithheldCode.TOO_MANY_PIXELS)
    transfer_syntax = dataset.file_meta.TransferSyntaxUID
    if transfer_syntax not in UNCOMPRESSED:
        frames = int(peek(dataset, FRAMES, 1))
        check_stream(content, transfer_syntax=transfer_syntax, frames=frames, pixels_a_plane=rows * columns)
        return
    expected = -(-values * bits // 8)
    if bits not in bits_allowed or not values or len(content) < expected or any(content[expected:]):
        raise WithheldError(WithheldCode.PIXEL_LENGTH)
    if bits == 1:  # packed label maps (PS3.5 8.1.1): no bit to spare but those behind the last pixel
        if content[expected - 1] >> (values % 8 or 8):
            raise WithheldError(WithheldCode.PIXEL_BITS_IN_USE)
        return
    kind = "i" if peek(dataset, PIXEL_REPRESENTATION) else "u"
    order = ">" if transfer_syntax == EXPLICIT_BIG else "<"
    _check_spare_bits(np.frombuffer(content, f"{order}{kind}{bits // 8}", values), int(peek(dataset, HIGH_BIT)))


def _are_zero(values: np.ndarray[tuple[int], np.dtype[np.integer]], high_bit: int) -> bool:
    """Whether the bits above HighBit are zero although the values are signed: scanners write so, too."""
    return int(values.view(values.dtype.str.replace("i", "u")).max()) < 1 << (high_bit + 1)


def _check_spare_bits(values: np.ndarray[tuple[int], np.dtype[np.integer]], high_bit: int) -> None:
    """Signed values shift down to 0 or -1, unsigned ones to 0, unless something lies above HighBit."""
    low, high = int(values.min()), int(values.max())
    signed = values.dtype.kind == "i"
    limit = 1 << (high_bit if signed else high_bit + 1)
    if (high >= limit or low < (-limit if signed else 0)) and not (signed and _are_zero(values, high_bit)):
        raise WithheldError(WithheldCode.PIXEL_BITS_IN_USE)
