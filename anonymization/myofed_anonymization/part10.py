"""DICOM files (PS3.10) in and out as bytes: nothing of the old preamble, file meta information or padding survives."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from pydicom import config, dcmread, dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import UID

from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode

IMPLEMENTATION_CLASS_UID = "2.25.279816733137063148306906146513128264137"
IMPLEMENTATION_VERSION_NAME = "MYOFED_1"
IMPLICIT_LITTLE, EXPLICIT_BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
UNCOMPRESSED = frozenset({IMPLICIT_LITTLE, "1.2.840.10008.1.2.1", EXPLICIT_BIG})
COMPRESSED = frozenset(
    {"1.2.840.10008.1.2.5"}
    | {f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203)}
)
"""RLE, JPEG, JPEG-LS, JPEG 2000, HTJ2K: the fragments are copied undecoded. Deflated and video syntaxes are refused."""

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

    Raises:
        WithheldError: NOT_DICOM, DICOM_DAMAGED (zeros only or nothing at all: what an interrupted copy leaves of an image) or
            TRANSFER_SYNTAX_REFUSED.
    """
    if not content.strip(b"\0"):
        raise WithheldError(WithheldCode.DICOM_DAMAGED)
    if content[128:132] != b"DICM":
        raise WithheldError(WithheldCode.NOT_DICOM)
    with damage_withholds():
        if transfer_syntax_of(content) not in UNCOMPRESSED | COMPRESSED:
            raise WithheldError(WithheldCode.TRANSFER_SYNTAX_REFUSED)
        return dcmread(BytesIO(content))


def transfer_syntax_of(content: bytes) -> str:
    """TransferSyntaxUID (0002,0010) of a Part 10 file, found without reading (and inflating) the data set; "" if absent.

    The file meta information is always explicit VR little endian (PS3.10 7.1).
    """
    position = 132
    while content[position : position + 2] == b"\x02\x00":
        element, vr, length = struct.unpack_from("<2xH2sH", content, position)
        start = position + 8
        if vr in {b"OB", b"UN", b"UT"}:
            (length,) = struct.unpack_from("<I", content, start)
            start += 4
        if element == 0x0010:
            return content[start : start + length].rstrip(b" \0").decode("latin-1")
        position = start + length
    return ""


def write(dataset: Dataset, *, transfer_syntax: str) -> bytes:
    """The file that holds this data set: empty preamble, new file meta information, no padding.

    Args:
        dataset: De-identified; its encoding is that of the transfer syntax.
        transfer_syntax: That of the input, so that pixel bytes stay as they are.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    dataset.file_meta = meta
    dataset.preamble = bytes(128)
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()
