"""One file of the de-identified folder, read once: its digest, its header, its pixels for later."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import pydicom
from pydicom import Dataset
from pydicom.uid import UID

from myofed_anonymization.part10 import TRANSFER_SYNTAX, meta_elements
from myofed_anonymization.withheld import WithheldError
from myofed_node.mids.dicom_input.elements import damage_refused
from myofed_node.mids.dicom_input.header_reader import EXPLICIT_LITTLE, Span, UnfamiliarError, read_header
from myofed_node.mids.dicom_input.pixel_data import BIG_ENDIAN, PixelData, pixel_format
from myofed_node.mids.dicom_input.source import SourceFile, file_content
from myofed_node.mids.refusal import SeriesRefusedError


@dataclass(frozen=True)
class StoredFile:
    """What one file says, and the bytes of its pixels.

    Attributes:
        header: All elements but the pixels; not to be changed.
        sha256: What de-identification proved of the Pixel Data value.
    """

    header: Dataset
    syntax: str
    content: bytes
    span: Span | None
    sha256: str

    def pixels(self) -> PixelData:
        """The pixels, still bytes.

        Raises:
            SeriesRefusedError: PIXELS_SHAPE, LOSSY_COMPRESSION, DECODER_MISSING.
        """
        return PixelData(self.content, self.span, pixel_format(self.header, self.syntax), self.sha256)


def read_file(file: SourceFile) -> StoredFile:
    """The file, whose digest is the one in the report.

    One way for each encoding: explicit VR little endian by our reader, which is faster; everything else by pydicom.

    Raises:
        MyofedError: DEID_FILE_CHANGED.
        SeriesRefusedError: HEADER_INVALID, PIXELS_UNREADABLE.
    """
    content = file_content(file)
    try:
        meta, start = meta_elements(content)
    except WithheldError:
        raise SeriesRefusedError("HEADER_INVALID", "file=not readable as DICOM") from None
    syntax = next((value for tag, _, value in meta if tag == TRANSFER_SYNTAX), b"").rstrip(b" \0").decode("latin-1")
    if syntax == EXPLICIT_LITTLE:
        try:
            read = read_header(content, start)
        except UnfamiliarError:
            return _by_pydicom(content, syntax, file)
        if read.pixels is None:
            raise SeriesRefusedError("PIXELS_UNREADABLE", "PixelData=absent")
        return StoredFile(read.header, syntax, content, read.pixels, file.pixel_sha256)
    return _by_pydicom(content, syntax, file)


def _by_pydicom(content: bytes, syntax: str, file: SourceFile) -> StoredFile:
    with damage_refused("HEADER_INVALID", "file=not readable as DICOM"):
        dataset = pydicom.dcmread(BytesIO(content))
        found = dataset.get_item("PixelData")
    if found is None or not isinstance(found.value, bytes):
        raise SeriesRefusedError("PIXELS_UNREADABLE", "PixelData=absent")
    if syntax == BIG_ENDIAN and found.VR == "OW" and dataset.get("BitsAllocated") == 8:
        raise SeriesRefusedError("PIXELS_UNREADABLE", "PixelData=two values in a big endian word")
    del dataset[0x7FE00010]
    if UID(syntax).is_encapsulated:
        return StoredFile(dataset, syntax, content, None, file.pixel_sha256)
    return StoredFile(dataset, syntax, found.value, Span(0, len(found.value)), file.pixel_sha256)
