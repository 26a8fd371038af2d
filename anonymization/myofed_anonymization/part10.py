"""DICOM files (PS3.10) in and out as bytes: nothing of the old preamble, file meta information or padding survives."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from pydicom import config, dcmread
from pydicom.dataset import FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from myofed_anonymization.clean_elements import LONG_VRS, Clean, CleanElement, clean_element, encoded
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode

IMPLEMENTATION_CLASS_UID = "2.25.279816733137063148306906146513128264137"
IMPLEMENTATION_VERSION_NAME = "MYOFED_1"
IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
UNCOMPRESSED = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG})
COMPRESSED = frozenset(
    {"1.2.840.10008.1.2.5"}
    | {f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203)}
)
"""RLE, JPEG, JPEG-LS, JPEG 2000, HTJ2K: the fragments are copied undecoded. Video syntaxes are refused."""
META_LENGTH, TRANSFER_SYNTAX = 0x00020000, 0x00020010
SOP_CLASS, SOP_INSTANCE = 0x00080016, 0x00080018
FIRST_VRS = frozenset({b"UL", b"OB", b"CS", b"UI", b"DA", b"TM", b"LO", b"SH"})
"""VRs of the first elements of a meta group or an identifying group."""

MetaElements = list[tuple[int, str, bytes]]
"""Tag, VR and value, in the order of the file."""

DAMAGED = (
    InvalidDicomError,
    BytesLengthException,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    struct.error,
    zlib.error,
    OSError,
)
"""What pydicom raises on bytes that are not as PS3.5 has them (OSError too: "no tag to read")."""


@contextmanager
def damage_withholds() -> Iterator[None]:
    """A file that cannot be parsed is withheld; to be held around work in memory only, where OSError is no disk's.

    Raises:
        WithheldError: DICOM_DAMAGED.
    """
    try:
        yield
    except DAMAGED as error:
        raise WithheldError(WithheldCode.DICOM_DAMAGED) from error


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """No value is judged, or printed in a warning, by pydicom while this holds."""
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield


def read(content: bytes) -> FileDataset:
    """The data set in these bytes, its elements undecoded.

    Args:
        content: A whole Part 10 file, inflated.

    Raises:
        WithheldError: DICOM_DAMAGED.
    """
    with damage_withholds():
        return dcmread(BytesIO(content))


def inflated(content: bytes, *, max_bytes: int) -> bytes:
    """The file as it is, or in explicit VR little endian where it was deflated (PS3.5 A.5); its encoding can be read.

    Args:
        content: A whole file.
        max_bytes: Of the inflated data set; 195 kB can become 200 MB.

    Raises:
        WithheldError: NOT_DICOM, PREAMBLE_MISSING, DICOM_DAMAGED (zeros only or nothing at all: what an interrupted copy leaves of an image),
            TRANSFER_SYNTAX_REFUSED or INFLATES_TOO_LARGE.
    """
    if content[128:132] != b"DICM":
        raise WithheldError(_without_head(content))
    meta, start = meta_elements(content)
    syntax = next((value for tag, _, value in meta if tag == TRANSFER_SYNTAX), b"").rstrip(b" \0").decode("latin-1")
    if syntax == DEFLATED:
        return _inflated(content, meta, start, max_bytes)
    if syntax not in UNCOMPRESSED | COMPRESSED:
        raise WithheldError(WithheldCode.TRANSFER_SYNTAX_REFUSED)
    return content


def _without_head(content: bytes) -> WithheldCode:
    """What a file without `DICM` at byte 128 is: a series of such files must not be passed over as something else."""
    if not content.strip(b"\0"):
        return WithheldCode.DICOM_DAMAGED
    start = 4 if content[:4] == b"DICM" else 0
    first = content[start : start + 8]
    group, letters = first[:2], first[4:6]
    little = group in {b"\x02\0", b"\x08\0"} and first[3:4] == b"\0"
    big = group in {b"\0\x02", b"\0\x08"} and first[2:3] == b"\0"
    known = letters in FIRST_VRS or (len(first) == 8 and int.from_bytes(first[4:], "little") <= len(content))
    return WithheldCode.PREAMBLE_MISSING if (little or big) and known else WithheldCode.NOT_DICOM


def _inflated(content: bytes, meta: MetaElements, start: int, max_bytes: int) -> bytes:
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = engine.decompress(content[start:], max_bytes)
        rest = engine.decompress(engine.unconsumed_tail, 1)
    except zlib.error as error:
        raise WithheldError(WithheldCode.DICOM_DAMAGED) from error
    if rest:
        raise WithheldError(WithheldCode.INFLATES_TOO_LARGE)
    if not engine.eof:
        raise WithheldError(WithheldCode.DICOM_DAMAGED)
    kept = {tag: CleanElement(vr, value) for tag, vr, value in meta if tag not in {META_LENGTH, TRANSFER_SYNTAX}}
    kept[TRANSFER_SYNTAX] = clean_element("UI", EXPLICIT_LITTLE.encode())
    return content[:132] + _meta_bytes(kept) + data


def meta_elements(content: bytes) -> tuple[MetaElements, int]:
    """Tag, VR and value of the file meta information, and where the data set begins, found without reading on.

    The file meta information is always explicit VR little endian (PS3.10 7.1).

    Raises:
        WithheldError: DICOM_DAMAGED.
    """
    found: MetaElements = []
    position = 132
    while content[position : position + 2] == b"\x02\x00" and len(content) - position >= 8:
        element, vr, length = struct.unpack_from("<2xH2sH", content, position)
        start = position + 8
        if vr.decode("latin-1") in LONG_VRS:
            length = int.from_bytes(content[start : start + 4], "little")
            start += 4
        position = start + length
        if position > len(content):
            raise WithheldError(WithheldCode.DICOM_DAMAGED)
        if found and 0x00020000 | element <= found[-1][0]:  # which of two values is meant, readers do not agree on
            raise WithheldError(WithheldCode.DICOM_DAMAGED)
        found.append((0x00020000 | element, vr.decode("latin-1"), content[start:position]))
    return found, position


def write(dataset: Clean, *, transfer_syntax: str) -> bytes:
    """The file that holds this data set: empty preamble, new file meta information, no padding.

    Args:
        dataset: De-identified; its encoding is that of the transfer syntax.
        transfer_syntax: That of the input, so that pixel bytes stay as they are.
    """
    meta: Clean = {
        0x00020001: CleanElement("OB", b"\0\1"),
        0x00020002: dataset[SOP_CLASS],
        0x00020003: dataset[SOP_INSTANCE],
        TRANSFER_SYNTAX: clean_element("UI", transfer_syntax.encode()),
        0x00020012: clean_element("UI", IMPLEMENTATION_CLASS_UID.encode()),
        0x00020013: clean_element("SH", IMPLEMENTATION_VERSION_NAME.encode()),
    }
    body = encoded(dataset, implicit=transfer_syntax == IMPLICIT_LITTLE, little=transfer_syntax != EXPLICIT_BIG)
    return b"".join((bytes(128), b"DICM", _meta_bytes(meta), body))


def _meta_bytes(meta: Clean) -> bytes:
    content = encoded(meta, implicit=False, little=True)
    length = CleanElement("UL", len(content).to_bytes(4, "little"))
    return encoded({META_LENGTH: length}, implicit=False, little=True) + content
