"""An independent look at a written file: it is searched for what identified its original, and compared with it.

It fails closed: any hit, any changed number or pixel, and zero comparisons withhold the file. Limits of the claim: Pixel Data
is compared by digest (uncompressed pixels are not searched); values under six characters are compared as whole values and
words, not as bytes; a value made only of the policy's vocabulary ("left leg") cannot be told from a description, and digits
alone below four characters not from a count.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from io import BytesIO
from typing import cast

from pydicom import dcmread
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import BaseTag

from myofed_anonymization.identifying_values import (
    TEXT_VRS,
    Common,
    Identifying,
    Path,
    elements_of,
    identifying_values,
    texts_of,
)
from myofed_anonymization.profile import IOD_OF_SOP_CLASS, load_profile
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode

SHORT = 6
"""Below this length a value occurs in bytes by chance."""
OWN_WORDS = frozenset(
    {
        "basic",
        "application",
        "confidentiality",
        "profile",
        "clean",
        "descriptors",
        "option",
        "retain",
        "longitudinal",
        "temporal",
        "information",
        "modified",
        "dates",
        "patient",
        "characteristics",
        "safe",
        "private",
        "myofed",
        "removed",
    }
)
"""Words of the method we write: a name that is one of them is sought in elements, not in bytes."""
OWN_DATES = frozenset({"19000101"})
"""What we write in place of a date."""
PIXEL_DATA = BaseTag(0x7FE00010)
OWN_ELEMENTS = frozenset({0x00100010, 0x00100020, 0x00120063, 0x00120064})
"""What we write ourselves: the pseudonym (twice) and the method."""
STRUCTURAL = frozenset({0x00080100, 0x00080102, 0x00209056})
"""CodeValue, CodingSchemeDesignator, StackID: short labels of the standard's own."""
FOR_DISPLAY = frozenset({0x00283010, 0x00282000})
"""VOILUTSequence and ICCProfile: conditional, binary, and of no meaning for the numbers; they may go."""
QUANTITIES = frozenset(
    {
        "Rows",
        "Columns",
        "NumberOfFrames",
        "PixelSpacing",
        "ImageOrientationPatient",
        "ImagePositionPatient",
        "SliceThickness",
        "SpacingBetweenSlices",
        "SliceLocation",
        "EchoTime",
        "EffectiveEchoTime",
        "EchoNumbers",
        "EchoTrainLength",
        "RepetitionTime",
        "InversionTime",
        "InversionTimes",
        "FlipAngle",
        "PixelBandwidth",
        "MagneticFieldStrength",
        "ImagingFrequency",
        "TransmitterFrequency",
        "NumberOfAverages",
        "AcquisitionMatrix",
        "RescaleSlope",
        "RescaleIntercept",
        "RealWorldValueSlope",
        "RealWorldValueIntercept",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "SamplesPerPixel",
        "DimensionIndexValues",
        "DimensionIndexPointer",
        "InStackPositionNumber",
        "TemporalPositionIndex",
        "TemporalPositionIdentifier",
        "DiffusionBValue",
        "DiffusionGradientOrientation",
        "InstanceNumber",
        "SeriesNumber",
        "AcquisitionNumber",
        "NumberOfTemporalPositions",
    }
)
"""Geometry and what quantitative MRI computes with: unchanged wherever it stands in a standard place."""
_UNCOMPRESSED = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"})


@dataclass(frozen=True, slots=True)
class Verified:
    """A file that passed: digests of the file and of its Pixel Data value, and how many comparisons were made."""

    sha256: str
    pixel_sha256: str
    checks: int


def verify(written: bytes, *, original: bytes, common: Common) -> Verified:
    """The written file holds none of the original's identifying values, and all of its numbers and pixels.

    Args:
        written: Bytes of the output as read back from disk.
        original: Bytes of the input.
        common: What the policy lets anyone say.

    Raises:
        WithheldError: LEAK_FOUND, VALUE_CHANGED, PIXELS_CHANGED, TYPE_1_LOST or NOTHING_CHECKED.
    """
    before, after = dcmread(BytesIO(original)), dcmread(BytesIO(written))
    pixel_sha256 = _same_pixels(before, after)
    searched = _searched_bytes(written, after)
    identifying = identifying_values(before)
    old, new = _by_path(before), _by_path(after)
    looked_at = _clean_elements(new, old, identifying, common)
    sought = _clean_bytes(searched, identifying, _dates(new, old), common)
    compared = _same_quantities(old, new) + _same_types(old, new, IOD_OF_SOP_CLASS.get(str(after.SOPClassUID), ""))
    if not (compared and looked_at and sought):
        raise WithheldError(WithheldCode.NOTHING_CHECKED)
    return Verified(hashlib.sha256(written).hexdigest(), pixel_sha256, compared + looked_at + sought)


Elements = dict[Path, tuple[Dataset, BaseTag, str]]


def _by_path(dataset: Dataset) -> Elements:
    return {path: (owner, tag, vr) for path, owner, tag, vr in elements_of(dataset)}


def _same_pixels(before: FileDataset, after: FileDataset) -> str:
    old, new = (hashlib.sha256(dataset.get_item(PIXEL_DATA).value or b"").hexdigest() for dataset in (before, after))
    if old != new or before.file_meta.TransferSyntaxUID != after.file_meta.TransferSyntaxUID:
        raise WithheldError(WithheldCode.PIXELS_CHANGED)
    return new


def _searched_bytes(written: bytes, after: FileDataset) -> bytes:
    """All bytes but uncompressed pixels, in lower case."""
    pixels = cast("RawDataElement", after.get_item(PIXEL_DATA))
    start, end = pixels.value_tell, pixels.value_tell + len(pixels.value or b"")
    whole = after.file_meta.TransferSyntaxUID not in _UNCOMPRESSED
    return (written if whole else written[:start] + written[end:]).lower()


def _same_quantities(old: Elements, new: Elements) -> int:
    """How many quantities were compared; each is there, byte for byte, unless Table E.1-1 names the sequence around it."""
    compared = 0
    rows = load_profile().confidentiality
    for path, (owner, tag, vr) in old.items():
        if keyword_for_tag(tag) not in QUANTITIES or vr == "SQ" or any(_is_private(step) for step in path[::2]):
            continue
        if path not in new:
            lost = next(path[:end] for end in range(1, len(path) + 1, 2) if path[:end] not in new)
            if len(lost) == len(path) or lost[-1] not in rows:
                raise WithheldError(WithheldCode.VALUE_CHANGED)
            continue
        compared += 1
        if not _equal(owner, new[path][0], tag):
            raise WithheldError(WithheldCode.VALUE_CHANGED)
    return compared


def _is_private(tag: int) -> bool:
    return bool(tag >> 16 & 1)


def _equal(before: Dataset, after: Dataset, tag: BaseTag) -> bool:
    """Whether the values are equal: as bytes without padding, or decoded where pydicom has decoded one already."""
    old, new = before.get_item(tag).value, after.get_item(tag).value
    if isinstance(old, bytes) and isinstance(new, bytes):
        return old.strip(b" \0") == new.strip(b" \0")
    return bool(before[tag].value == after[tag].value)


def _same_types(old: Elements, new: Elements, iod: str) -> int:
    """How many Type 1 and Type 2 attributes were compared; each that was there, with its item, still is."""
    compared = 0
    profile = load_profile()
    for path, (_, tag, _) in old.items():
        attribute_type = profile.type_of(tag, parent=path[-3] if len(path) > 1 else 0, iod=iod)
        if (
            attribute_type == "3"
            or tag in FOR_DISPLAY
            or _is_private(tag)
            or (len(path) > 1 and not _has_item(new, path))
        ):
            continue
        compared += 1
        lost = path not in new
        emptied = not lost and attribute_type == "1" and _is_empty(new[path]) and not _is_empty(old[path])
        if lost or emptied:
            raise WithheldError(WithheldCode.TYPE_1_LOST)
    return compared


def _is_empty(element: tuple[Dataset, BaseTag, str]) -> bool:
    owner, tag, _ = element
    value = owner.get_item(tag).value
    return value is None or (not isinstance(value, int | float) and len(value) == 0)


def _has_item(new: Elements, path: Path) -> bool:
    found = new.get(path[:-2])
    return found is not None and len(found[0][found[1]].value) > path[-2]


def _clean_elements(new: Elements, old: Elements, identifying: Identifying, common: Common) -> int:
    """How many elements were looked at; none is forbidden by its tag, and none holds an identifying value or word."""
    values = identifying.values(common)
    names = identifying.words()
    squeezed = identifying.squeezed() - common.words
    for path, (owner, tag, vr) in new.items():
        if _is_forbidden(path, vr):
            raise WithheldError(WithheldCode.LEAK_FOUND)
        if path[0] in OWN_ELEMENTS or vr not in TEXT_VRS | {"PN", "CS", "UI", "DA", "DT"}:
            continue
        texts = texts_of(owner, tag)
        if vr in {"DA", "DT"}:
            original = texts_of(*old[path][:2]) if path in old else []
            leak = bool({text[:8] for text in texts} & {text[:8] for text in original} - OWN_DATES)
        elif vr == "UI":
            leak = not identifying.uids.isdisjoint(texts)
        else:
            spared = common.words if vr == "CS" else frozenset[str]()
            leak = tag not in STRUCTURAL and any(
                _leaks(text, values - spared, names - spared) or _holds_squeezed(text, squeezed) for text in texts
            )
        if leak:
            raise WithheldError(WithheldCode.LEAK_FOUND)
    return len(new)


def _leaks(text: str, values: frozenset[str], names: frozenset[str]) -> bool:
    parts = {part.lower() for part in re.split(r"[\W_]+", text)}
    return not text.isascii() or text.lower() in values or not names.isdisjoint(parts)


def _holds_squeezed(text: str, squeezed: frozenset[str]) -> bool:
    """Whether a whole name or identifier stands in the text when signs and spaces are left out: 483 920 117, HANS_MUSTER."""
    whole = re.sub(r"[\W_]+", "", text.lower())
    return any(value in whole for value in squeezed)


def _is_forbidden(path: Path, vr: str) -> bool:
    """Whether an element may stand in no output: unknown, overlay, binary other than Pixel Data, private text."""
    tag = path[-1]
    if _is_private(tag):
        return vr not in {"DS", "IS", "FL", "FD", "SL", "SS", "UL", "US", "SQ"} and not (
            vr == "LO" and 0x10 <= tag & 0xFFFF <= 0xFF
        )
    if tag == PIXEL_DATA:
        return len(path) > 1
    return vr in {"OB", "OW", "OF", "OD", "OL", "OV", "UN"} or not load_profile().knows(tag)


def _dates(new: Elements, old: Elements) -> frozenset[str]:
    """The dates that stand in date elements of the output where the original has one: each was compared with it."""
    found = {
        text[:8]
        for path, (owner, tag, vr) in new.items()
        if vr in {"DA", "DT"} and path in old
        for text in texts_of(owner, tag)
    }
    return frozenset(found)


def _clean_bytes(searched: bytes, identifying: Identifying, own_dates: frozenset[str], common: Common) -> int:
    """How many values were sought as bytes, in every encoding and spelling; none was found."""
    long_texts = {value for value in identifying.values(common) | identifying.uids if len(value) >= SHORT} - OWN_WORDS
    for value in long_texts:
        if any(_occurs(encoded, searched) for encoded in _encoded(value)):
            raise WithheldError(WithheldCode.LEAK_FOUND)
    dates = identifying.dates - own_dates
    for date in dates:
        if any(_occurs(spelling.encode(), searched) for spelling in _spellings(date)):
            raise WithheldError(WithheldCode.LEAK_FOUND)
    return len(long_texts) + len(dates)


def _encoded(value: str) -> set[bytes]:
    encodings = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")
    return {value.encode(encoding, errors="ignore") for encoding in encodings} - {b""}


def _spellings(date: str) -> tuple[str, ...]:
    year, month, day = date[:4], date[4:6], date[6:]
    orders = ((year, month, day), (day, month, year), (month, day, year))
    return (date, *(mark.join(order) for order in orders for mark in ("-", ".", "/")))


def _occurs(value: bytes, searched: bytes) -> bool:
    """Whether the bytes occur; digits count only where no longer number surrounds them."""
    if value not in searched:
        return False
    if not value.replace(b"-", b"").replace(b".", b"").replace(b"/", b"").isdigit():
        return True
    return re.search(rb"(?<![0-9.])" + re.escape(value), searched) is not None
