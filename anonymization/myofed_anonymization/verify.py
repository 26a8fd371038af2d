"""An independent look at a written file: it is searched for what identified its original, and compared with it.

It fails closed: any hit, any changed number or pixel, and zero comparisons withhold the file. Limits of the claim: Pixel Data
is compared by digest (uncompressed pixels are not searched); values under six characters are compared as whole values and
words, not as bytes; a value made only of the policy's vocabulary ("left leg") cannot be told from a description, and digits
alone below four characters not from a count.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import lru_cache

from pydicom.datadict import dictionary_VM, tag_for_keyword

from myofed_anonymization.element_reader import (
    PIXEL_DATA,
    Bounds,
    Content,
    Element,
    Path,
    is_private,
    read_elements,
    texts_of,
)
from myofed_anonymization.identifying_values import TEXT_VRS, Common, Identifying, identifying_values
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
ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")
OWN_DATES = frozenset({"19000101"})
"""What we write in place of a date."""
_LOOKED_INTO = TEXT_VRS | {"PN", "CS", "UI"}
_OF_THIS_FILE = frozenset({"UI", "DA", "DT"})
"""What is compared with the one file's UIDs, or with the element that it was made of."""
_PRIVATE_VRS = frozenset({"DS", "IS", "FL", "FD", "SL", "SS", "UL", "US", "SQ"})
_BINARY_NUMBERS = frozenset({"AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"})
_UID_SIGNS = re.compile(r"[0-9.]{1,64}")
_LETTERS = re.compile(rb"[A-Za-z]{8}")
_BINARY_VRS = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "UN"})
OWN_ELEMENTS = frozenset({0x00100010, 0x00100020, 0x00120063, 0x00120064})
"""What we write ourselves: the pseudonym (twice) and the method."""
STRUCTURAL = frozenset({0x00080100, 0x00080102, 0x00209056})
"""CodeValue, CodingSchemeDesignator, StackID: short labels of the standard's own."""
FOR_DISPLAY = frozenset({0x00283010, 0x00282000, 0x00080119, 0x00080120})
"""VOILUTSequence and ICCProfile: conditional, binary, and of no meaning for the numbers; long codes: a short one may stand for them."""
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
MOST_REMEMBERED, LONGEST_REMEMBERED = 10_000, 256
"""Elements, and bytes of an element's value."""
_UNCOMPRESSED = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"})


@dataclass(frozen=True, slots=True)
class Verified:
    """A file that passed: digests of the file and of its Pixel Data value, and how many comparisons were made."""

    sha256: str
    pixel_sha256: str
    checks: int


def verify(written: bytes, *, original: bytes, before: Content, common: Common, bounds: Bounds) -> Verified:
    """The written file holds none of the original's identifying values, and all of its numbers and pixels.

    Args:
        written: Bytes of the output as read back from disk.
        original: Bytes of the input, inflated where they were deflated.
        before: The elements of `original`.
        common: What the policy lets anyone say.
        bounds: Limits of depth, number and length of elements.

    Raises:
        WithheldError: LEAK_FOUND, VALUE_CHANGED, PIXELS_CHANGED, TYPE_1_LOST or NOTHING_CHECKED.
    """
    after = read_elements(written, bounds=bounds)
    pixel_sha256 = _same_pixels(original, before, written, after)
    identifying = identifying_values(before, uids_stay=common.uids_stay)
    old, new = before.elements, after.elements
    needles = _needles(frozenset(identifying.personal), frozenset(identifying.texts), common)
    looked_at = _clean_elements(new, old, identifying.uids, needles)
    sought = _clean_bytes(
        _searched_bytes(written, after), needles.values | identifying.uids, identifying.dates - _dates(new, old)
    )
    sop_class = new.get((0x00080016,))
    iod = IOD_OF_SOP_CLASS.get(sop_class.value.decode("latin-1").rstrip("\0") if sop_class else "", "")
    compared = _same_quantities(old, new) + _same_types(old, new, iod)
    if not (compared and looked_at and sought):
        raise WithheldError(WithheldCode.NOTHING_CHECKED)
    return Verified(hashlib.sha256(written).hexdigest(), pixel_sha256, compared + looked_at + sought)


Elements = dict[Path, Element]
_Look = tuple[tuple[int, str, bytes, tuple[str, ...]], bool, bool]
"""All that the look at one element depends on, beside the needles: tag, VR, value and character set; in an item; our own."""


@dataclass(frozen=True, slots=True, eq=False)
class _Needles:
    """What is sought of one person in elements: words of names, whole names without signs, and whole values.

    `clean` holds the elements in which none of it was found: most elements of a file stand in the others of its series too.
    """

    names: frozenset[str]
    squeezed: frozenset[str]
    values: frozenset[str]
    common_words: frozenset[str]
    clean: set[_Look] = field(default_factory=set)

    def remember(self, look: _Look) -> None:
        """Nothing has to be sought in such an element again; the memory is bounded."""
        if len(look[0][2]) <= LONGEST_REMEMBERED:
            if len(self.clean) >= MOST_REMEMBERED:
                self.clean.clear()
            self.clean.add(look)


@lru_cache(maxsize=4)
def _needles(personal: frozenset[str], texts: frozenset[str], common: Common) -> _Needles:
    """The same object for the same values, so that what was found clean of them is remembered."""
    identifying = Identifying(set(personal), set(texts))
    return _Needles(
        identifying.words(), identifying.squeezed() - common.words, identifying.values(common), common.words
    )


def _same_pixels(original: bytes, before: Content, written: bytes, after: Content) -> str:
    old, (start, end) = original[slice(*before.pixels)], after.pixels
    padding = written[start + len(old) : end]
    same = end - start >= len(old) and written.startswith(old, start)
    if not same or len(padding) > 1 or any(padding) or before.transfer_syntax != after.transfer_syntax:
        raise WithheldError(WithheldCode.PIXELS_CHANGED)
    return hashlib.sha256(old).hexdigest()


def _searched_bytes(written: bytes, after: Content) -> bytes:
    """All bytes but uncompressed pixels, in lower case."""
    start, end = after.pixels
    whole = after.transfer_syntax not in _UNCOMPRESSED
    return (written if whole else written[:start] + written[end:]).lower()


def _same_quantities(old: Elements, new: Elements) -> int:
    """How many quantities were compared; each is there, byte for byte, unless Table E.1-1 names the sequence around it."""
    compared = 0
    rows, quantities = load_profile().confidentiality, _quantities()
    for path, element in old.items():
        if element.tag not in quantities or element.vr == "SQ" or any(map(is_private, path[:-1:2])):
            continue
        if path not in new:
            lost = next(path[:end] for end in range(1, len(path) + 1, 2) if path[:end] not in new)
            if len(lost) == len(path) or lost[-1] not in rows:
                raise WithheldError(WithheldCode.VALUE_CHANGED)
            continue
        compared += 1
        if not _are_same(element, new[path]):
            raise WithheldError(WithheldCode.VALUE_CHANGED)
    return compared


def _are_same(element: Element, other: Element) -> bool:
    """Whether the values are the same, paddings aside."""
    return (element.vr == other.vr and element.value == other.value) or _bare(element) == _bare(other)


def _bare(element: Element) -> bytes:
    """The value; that of a text without the padding of its parts."""
    if element.vr in _BINARY_NUMBERS:
        return element.value
    return b"\\".join(part.strip(b" \0") for part in element.value.split(b"\\"))


@lru_cache(maxsize=1)
def _quantities() -> frozenset[int]:
    """The tags of QUANTITIES, none of them private."""
    return frozenset(tag for keyword in QUANTITIES if (tag := tag_for_keyword(keyword)) is not None)


@lru_cache(maxsize=8)
def _mandatory(iod: str) -> dict[tuple[int, int], str]:
    """The attributes of Type 1 and 2 by (parent sequence or 0, tag); those for display left out."""
    profile = load_profile()
    types = {place: profile.type_of(place[1], parent=place[0], iod=iod) for place in profile.types}
    return {
        place: kind
        for place, kind in types.items()
        if kind != "3" and place[1] not in FOR_DISPLAY and not is_private(place[1])
    }


def _same_types(old: Elements, new: Elements, iod: str) -> int:
    """How many Type 1 and Type 2 attributes were compared; each that was there, with its item, still is."""
    compared = 0
    mandatory = _mandatory(iod)
    for path, element in old.items():
        attribute_type = mandatory.get((path[-3] if len(path) > 1 else 0, element.tag))
        if attribute_type is None or (len(path) > 1 and not _has_item(new, path)):
            continue
        compared += 1
        lost = path not in new
        emptied = not lost and attribute_type == "1" and _is_empty(new[path]) and not _is_empty(element)
        if lost or emptied:
            raise WithheldError(WithheldCode.TYPE_1_LOST)
    return compared


def _is_empty(element: Element) -> bool:
    return not element.items if element.vr == "SQ" else not _bare(element)


def _has_item(new: Elements, path: Path) -> bool:
    found = new.get(path[:-2])
    return found is not None and found.items > path[-2]


def _clean_elements(new: Elements, old: Elements, uids: set[str], needles: _Needles) -> int:
    """How many elements were looked at; none is forbidden by its tag, and none holds an identifying value or word."""
    for path, element in new.items():
        look = (element[1:5], len(path) > 1, path[0] in OWN_ELEMENTS)
        if look not in needles.clean:
            if _tells(element, is_nested=look[1], is_ours=look[2], needles=needles):
                raise WithheldError(WithheldCode.LEAK_FOUND)
            needles.remember(look)
        vr = element.vr
        if vr not in _OF_THIS_FILE or look[2] or not element.value:
            continue
        texts = texts_of(element)
        if vr == "UI":
            leak = not uids.isdisjoint(texts)
        else:
            original = texts_of(old[path]) if path in old else ()
            leak = bool({text[:8] for text in texts} & {text[:8] for text in original} - OWN_DATES)
        if leak:
            raise WithheldError(WithheldCode.LEAK_FOUND)
    return len(new)


def _tells(element: Element, *, is_nested: bool, is_ours: bool, needles: _Needles) -> bool:
    """Whether an element may not stand in any output, or tells one of the needles; UIDs and dates are compared elsewhere."""
    tag, vr = element.tag, element.vr
    if _is_forbidden(tag, vr, is_nested=is_nested):
        return True
    if vr in _BINARY_NUMBERS:
        return _is_text(element, needles.names)
    if vr in {"DS", "IS"}:
        return _is_identifier(element, needles.names)
    return vr in _LOOKED_INTO and bool(element.value) and not is_ours and _tells_in_text(element, needles)


def _is_identifier(element: Element, names: frozenset[str]) -> bool:
    """Whether a number in text is digits in groups, or one of six digits that is an identifier's word."""
    if any(b" " in part for part in _bare(element).split(b"\\")):
        return True
    return any(len(text) >= SHORT and text in names for text in texts_of(element))


def _tells_in_text(element: Element, needles: _Needles) -> bool:
    texts = texts_of(element)
    if element.vr == "UI":
        return not all(_UID_SIGNS.fullmatch(text) for text in texts)
    if element.tag in STRUCTURAL:
        return any(_names_somebody(text, needles.names) for text in texts)
    spared = needles.common_words if element.vr == "CS" else frozenset[str]()
    values, names = needles.values - spared, needles.names - spared
    return any(_leaks(text, values, names) or _holds_squeezed(text, needles.squeezed) for text in texts)


def _is_text(element: Element, names: frozenset[str]) -> bool:
    """Whether what passes for binary numbers has a name's word of four letters, more values than PS3.6 allows, or a text's."""
    value = element.value
    if not names.isdisjoint(word for word in re.split(r"[\W_]+", value.decode("latin-1").lower()) if len(word) >= 4):
        return True
    if is_private(element.tag):
        return False
    longest = dictionary_VM(element.tag).rpartition("-")[2]
    if longest.isdigit() and len(value) > 8 * int(longest):
        return True
    return element.vr not in {"FD", "FL"} and _LETTERS.search(value.replace(b"\0", b"")) is not None


def _names_somebody(code: str, names: frozenset[str]) -> bool:
    """Whether a code or a short label holds a name's word of four letters, or signs that no code has."""
    parts = {part.lower() for part in re.split(r"[\W_]+", code) if len(part) >= 4}
    return "^" in code or not code.isascii() or not names.isdisjoint(parts)


def _leaks(text: str, values: frozenset[str], names: frozenset[str]) -> bool:
    parts = {part.lower() for part in re.split(r"[\W_]+", text)}
    return not text.isascii() or text.lower() in values or not names.isdisjoint(parts)


def _holds_squeezed(text: str, squeezed: frozenset[str]) -> bool:
    """Whether a whole name or identifier stands in the text when signs and spaces are left out: 483 920 117, HANS_MUSTER."""
    whole = re.sub(r"[\W_]+", "", text.lower())
    return any(value in whole for value in squeezed)


def _is_forbidden(tag: int, vr: str, *, is_nested: bool) -> bool:
    """Whether an element may stand in no output: unknown, overlay, binary other than Pixel Data, private text."""
    if is_private(tag):
        return vr not in _PRIVATE_VRS and not (vr == "LO" and 0x10 <= tag & 0xFFFF <= 0xFF)
    if tag == PIXEL_DATA:
        return is_nested
    return vr in _BINARY_VRS or not load_profile().knows(tag)


def _dates(new: Elements, old: Elements) -> frozenset[str]:
    """The dates that stand in date elements of the output where the original has one: each was compared with it."""
    found = {
        text[:8]
        for path, element in new.items()
        if element.vr in {"DA", "DT"} and path in old
        for text in texts_of(element)
    }
    return frozenset(found)


def _clean_bytes(searched: bytes, values: frozenset[str], dates: set[str]) -> int:
    """How many values were sought as bytes, in every encoding and spelling; none was found."""
    long_texts = {value for value in values if len(value) >= SHORT} - OWN_WORDS
    without_zeros = searched.replace(b"\0", b"")
    for value in long_texts:
        letters, encoded = _encoded(value)
        if letters in without_zeros and any(_occurs(one, searched) for one in encoded):
            raise WithheldError(WithheldCode.LEAK_FOUND)
    for date in dates:
        year, spellings = _spellings(date)
        if year in searched and any(_occurs(spelling, searched) for spelling in spellings):
            raise WithheldError(WithheldCode.LEAK_FOUND)
    return len(long_texts) + len(dates)


@lru_cache(maxsize=4096)
def _encoded(value: str) -> tuple[bytes, tuple[bytes, ...]]:
    """What the zeros of UTF-16 leave of the value, and its encodings.

    These are the lower-case value as bytes in every encoding that has all its letters; capitals outside ASCII too. Where bytes
    hold one of them, the same bytes without zeros hold what is left of it: nothing (so that all are sought) outside ASCII.
    """
    forms = {value} if value.isascii() else {value, value.upper()}
    found = {found for form in forms for encoding in ENCODINGS if (found := _bytes_of(form, encoding))}
    letters = value.encode().lower().replace(b"\0", b"") if value.isascii() else b""
    return letters, tuple(found)


def _bytes_of(value: str, encoding: str) -> bytes:
    try:
        return value.encode(encoding).lower()
    except UnicodeEncodeError:
        return b""


@lru_cache(maxsize=256)
def _spellings(date: str) -> tuple[bytes, tuple[bytes, ...]]:
    """The year, which all of them hold, and the spellings."""
    year, month, day = date[:4], date[4:6], date[6:]
    orders = ((year, month, day), (day, month, year), (month, day, year))
    return year.encode(), (date.encode(), *(mark.join(order).encode() for order in orders for mark in ("-", ".", "/")))


def _occurs(value: bytes, searched: bytes) -> bool:
    """Whether the bytes occur; digits count only where no longer number surrounds them."""
    if value not in searched:
        return False
    if not value.replace(b"-", b"").replace(b".", b"").replace(b"/", b"").isdigit():
        return True
    return re.search(rb"(?<![0-9.])" + re.escape(value), searched) is not None
