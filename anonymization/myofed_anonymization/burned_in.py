"""Text in the pixels: rules first, on the stored pixel words, then a text recogniser on what the rules suspect."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels.utils import iter_pixels
from pydicom.tag import BaseTag

from myofed_anonymization import ocr
from myofed_anonymization.elements import peek
from myofed_anonymization.part10 import DAMAGED, EXPLICIT_BIG, UNCOMPRESSED
from myofed_anonymization.pixels import (
    BITS_ALLOCATED,
    COLUMNS,
    FRAMES,
    PIXEL_DATA,
    PIXEL_REPRESENTATION,
    ROWS,
    SAMPLES,
    pixel_bytes,
)
from myofed_anonymization.policy import Policy
from myofed_anonymization.strokes import Words, has_one_ink, text_places
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode

EXTENDED_OFFSETS, EXTENDED_LENGTHS = 0x7FE00001, 0x7FE00002
BITS_STORED, LOSSY = 0x00280101, 0x00282110
LOSSY_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{end}" for end in (50, 51, 81, 91, 203))
FEWEST_BITS = 10
"""Below, every grey value is so frequent that a drawn one does not stand out."""
UNDECODABLE = (*DAMAGED, RuntimeError, MemoryError)
"""What pydicom and its plug-ins raise on a frame that they cannot decode; RuntimeError also where no plug-in is there."""


def check_burned_in(dataset: FileDataset, *, policy: Policy) -> None:
    """Returns when no text was found in the pixels by what the policy asks for; no element of the data set is decoded.

    Binary label maps (BitsAllocated 1) are not looked at: nobody's scanner or workstation writes into them, their thin shapes
    look like strokes, and without grey values there is nothing to tell ink by. Those of 8 or 16 bits are looked at like any image.

    Args:
        dataset: A file's that check_pixels let pass.
        policy: Its `burned_in_search`: "suspicious" searches for words where one grey value stands out among the strokes as drawn text's does (in lossy
            images and those of few bits always) and reads these images; "thorough" searches every image for words; "all"
            reads every image; "rules" reads none and takes suspicious ones for text.

    Raises:
        WithheldError: BURNED_IN_TEXT, text was read; OCR_NEEDED, the rules suspect text (or all images are to be read) and
            nothing here may or can read it; PIXELS_UNDECODABLE, no decoder decodes the compressed pixels.
    """
    if int(peek(dataset, BITS_ALLOCATED)) == 1:
        return
    thorough = policy.burned_in_search == "thorough" or _may_be_blurred(dataset)
    for frame in _frames(dataset):
        suspicious = (thorough or has_one_ink(frame)) and next(text_places(frame), None) is not None
        if not suspicious and policy.burned_in_search != "all":
            continue
        if policy.burned_in_search == "rules" or not ocr.is_installed():
            raise WithheldError(WithheldCode.OCR_NEEDED)
        if ocr.reads_text(frame, places=text_places(frame)):
            raise WithheldError(WithheldCode.BURNED_IN_TEXT)


def _may_be_blurred(dataset: FileDataset) -> bool:
    """Whether drawn text need not have one grey value any more: after lossy compression, or where few values exist."""
    lossy = str(peek(dataset, LOSSY, "00")).strip() != "00" or dataset.file_meta.TransferSyntaxUID in LOSSY_SYNTAXES
    return lossy or int(peek(dataset, BITS_STORED, 16)) < FEWEST_BITS


def _frames(dataset: FileDataset) -> Iterator[Words]:
    """(i, j) each frame's words, one in memory at a time, samples of a pixel beside each other."""
    if dataset.file_meta.TransferSyntaxUID not in UNCOMPRESSED:
        yield from _decoded(dataset)
        return
    rows, columns, samples, bits = (int(peek(dataset, tag)) for tag in (ROWS, COLUMNS, SAMPLES, BITS_ALLOCATED))
    order = ">" if dataset.file_meta.TransferSyntaxUID == EXPLICIT_BIG else "<"
    stored = np.dtype(f"{order}{'i' if peek(dataset, PIXEL_REPRESENTATION) else 'u'}{bits // 8}")
    values = rows * columns * samples
    for number in range(int(peek(dataset, FRAMES, 1))):
        words = np.frombuffer(pixel_bytes(dataset), stored, values, number * values * stored.itemsize)
        yield words.reshape(rows, columns * samples).astype(stored.newbyteorder("="), copy=False)


def _decoded(dataset: FileDataset) -> Iterator[Words]:
    """The frames of compressed pixels, by the plug-ins that pydicom finds."""
    image = Dataset()
    group = (tag for tag in dataset.keys() if tag.group == 0x0028)  # noqa: SIM118  a Dataset iterates over decoded elements
    for tag in (*group, *map(BaseTag, (EXTENDED_OFFSETS, EXTENDED_LENGTHS, PIXEL_DATA))):
        if tag in dataset:
            image[tag] = dataset.get_item(tag)
    image.file_meta = dataset.file_meta
    try:
        for frame in iter_pixels(image, raw=True):
            yield frame.reshape(frame.shape[0], -1)
    except UNDECODABLE as error:
        raise WithheldError(WithheldCode.PIXELS_UNDECODABLE) from error
