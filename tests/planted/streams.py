"""Streams of pixels that carry more than pixels, and clean ones of the same encodings that must come out."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from planted.draft import Draft
from planted.made_up import Value
from planted.plants import Category, Fate, Kind


def padded_pixels(draft: Draft) -> None:
    """A text lies behind the pixels in their element."""
    word = draft.made.word()
    draft.dataset.PixelData += f"for {word}. ".encode().ljust(32)
    draft.fate, draft.syntax = Fate.EITHER, ExplicitVRLittleEndian
    draft.note(Category.STREAM, Value(word, Kind.TEXT, (word,)), place=(0x7FE00010,))


def commented_jpeg(draft: Draft) -> None:
    """The JPEG stream of the image carries a comment (ITU-T T.81, COM)."""
    word = draft.made.word()
    _encapsulated(draft, [_jpeg(draft.dataset, comment=f"scan of {word}")], JPEGBaseline8Bit)
    _beside(draft, word)


def commented_jpeg_2000(draft: Draft) -> None:
    """The JPEG 2000 code stream carries a comment (ISO/IEC 15444-1, COM)."""
    word = draft.made.word()
    _encapsulated(draft, [_jpeg_2000(draft.dataset, comment=f"scan of {word}")], JPEG2000Lossless)
    _beside(draft, word)


def tailed_rle(draft: Draft) -> None:
    """The RLE stream of the image is longer than its segments, and the rest is a text."""
    word = draft.made.word()
    _encapsulated(draft, [_rle(draft.dataset) + f" {word} ".encode().ljust(16)], RLELossless)
    _beside(draft, word)


def surplus_fragment(draft: Draft) -> None:
    """Behind the frame's fragment lies another, which is a text."""
    word = draft.made.word()
    _encapsulated(draft, [_rle(draft.dataset), f" {word} ".encode().ljust(16)], RLELossless)
    _beside(draft, word)


def text_for_offsets(draft: Draft) -> None:
    """The table of offsets before the fragments holds a text."""
    word = draft.made.word()
    _encapsulated(draft, [_rle(draft.dataset)], RLELossless)
    text = f" {word} ".encode().ljust(16)
    content = draft.dataset.PixelData
    start = content.index(b"\xfe\xff\x00\xe0", 4)
    draft.dataset.PixelData = content[:4] + len(text).to_bytes(4, "little") + text + content[start:]
    _beside(draft, word)


def clean_jpeg(draft: Draft) -> None:
    """A baseline JPEG image as encoders write it, with nothing beside it."""
    _encapsulated(draft, [_jpeg(draft.dataset)], JPEGBaseline8Bit)


def clean_jpeg_2000(draft: Draft) -> None:
    """A lossless JPEG 2000 image as encoders write it, with their own name as its only comment."""
    _encapsulated(draft, [_jpeg_2000(draft.dataset)], JPEG2000Lossless)


def _pixels(dataset: Dataset) -> np.ndarray:
    return np.frombuffer(dataset.PixelData, "<u2").reshape(dataset.Rows, dataset.Columns)


def _jpeg(dataset: Dataset, **options: Any) -> bytes:
    stream = BytesIO()
    Image.fromarray((_pixels(dataset) // 16).astype("u1")).save(stream, format="JPEG", **options)
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.LossyImageCompression, dataset.LossyImageCompressionMethod = 7, "01", "ISO_10918_1"
    return stream.getvalue()


def _jpeg_2000(dataset: Dataset, **options: Any) -> bytes:
    stream = BytesIO()
    Image.fromarray(_pixels(dataset)).save(stream, format="JPEG2000", no_jp2=True, **options)
    dataset.BitsStored, dataset.HighBit = 16, 15
    return stream.getvalue()


def _rle(dataset: Dataset) -> bytes:
    return RLELosslessEncoder.encode(_pixels(dataset), **_layout(dataset))


def _layout(dataset: Dataset) -> dict[str, Any]:
    return {
        "rows": dataset.Rows,
        "columns": dataset.Columns,
        "samples_per_pixel": 1,
        "bits_allocated": 16,
        "bits_stored": 12,
        "pixel_representation": 0,
        "photometric_interpretation": "MONOCHROME2",
        "number_of_frames": 1,
    }


def _encapsulated(draft: Draft, fragments: list[bytes], syntax: str) -> None:
    draft.dataset.PixelData = encapsulate(fragments, has_bot=False)
    draft.dataset["PixelData"].is_undefined_length = True
    draft.dataset["PixelData"].VR = "OB"
    draft.syntax = syntax


def _beside(draft: Draft, word: str) -> None:
    draft.fate = Fate.EITHER
    draft.note(Category.STREAM, Value(word, Kind.TEXT, (word,)), place=(0x7FE00010,))


def embedded_overlay(draft: Draft) -> None:
    """A retired overlay stands in the highest bit of the pixel words (PS3.5 8.1.2, retired)."""
    dataset = draft.dataset
    pixels = np.frombuffer(dataset.PixelData, "<u2").copy()
    pixels[10:200:3] |= 1 << 15
    dataset.PixelData = pixels.tobytes()
    for element, vr, value in (
        (0x0010, "US", dataset.Rows),
        (0x0011, "US", dataset.Columns),
        (0x0040, "CS", "G"),
        (0x0050, "SS", [1, 1]),
        (0x0100, "US", 16),
        (0x0102, "US", 15),
    ):
        dataset.add_new(0x60000000 | element, vr, value)
    draft.fate = Fate.WITHHELD
    draft.note(Category.OVERLAY, Value("", Kind.PIXELS, ()))


STREAMS: tuple[Callable[[Draft], None], ...] = (
    padded_pixels,
    commented_jpeg,
    commented_jpeg_2000,
    tailed_rle,
    surplus_fragment,
    text_for_offsets,
    clean_jpeg,
    clean_jpeg_2000,
    embedded_overlay,
)
