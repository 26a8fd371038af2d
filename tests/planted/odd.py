"""Places that are easily forgotten: local codes, code strings, undeclared types, unknown tags, wrong values."""

from __future__ import annotations

import struct

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian

from planted.draft import Draft
from planted.images import Study, classic, segmentation
from planted.made_up import MadeUp, Value
from planted.plants import Category, Kind
from planted.streams import STREAMS

UNKNOWN_TAGS = (
    (0x0018FFF0, "LO"),
    (0x0040FE02, "PN"),
    (0x0012EE00, "DA"),
    (0x0022EEEE, "UT"),
    (0x00E00010, "LO"),
    (0x0028FFF2, "UI"),
)
"""Tags of even groups that no edition of PS3.6 names."""
UNLISTED_TEXT = (
    "PositionReferenceIndicator",
    "WindowCenterWidthExplanation",
    "TriggerSourceOrType",
    "ContrastBolusRoute",
    "PixelSpacingCalibrationDescription",
    "ApplicableSafetyStandardDescription",
    "CodeMeaning",
    "TextValue",
)
"""Text attributes that Table E.1-1 does not name."""


def codes(draft: Draft) -> None:
    """Coded entries of local schemes, long codes, and a scheme's own description hold values."""
    for sequence in (
        "ProcedureCodeSequence",
        "AnatomicRegionSequence",
        "PerformedProtocolCodeSequence",
        "RequestedProcedureCodeSequence",
    ):
        item, at = draft.item(sequence)
        for keyword in ("CodeValue", "CodeMeaning", "CodingSchemeVersion", "MappingResourceName", "ContextUID"):
            draft.plant(keyword, Category.NESTED, into=item, at=at)
        item.CodingSchemeDesignator = "99WOLKE"
    item, at = draft.item("ProcedureCodeSequence")
    item.CodingSchemeDesignator = "SCT"
    for keyword in ("LongCodeValue", "URNCodeValue", "CodeMeaning"):
        draft.plant(keyword, Category.NESTED, into=item, at=at)
    scheme, at = draft.item("CodingSchemeIdentificationSequence")
    scheme.CodingSchemeDesignator = "99WOLKE"
    for keyword in (
        "CodingSchemeName",
        "CodingSchemeResponsibleOrganization",
        "CodingSchemeUID",
        "CodingSchemeVersion",
    ):
        draft.plant(keyword, Category.NESTED, into=scheme, at=at)


def code_strings(draft: Draft) -> None:
    """The patient's own name and number stand in code strings and with other signs between their parts."""
    family, given = (str(needle) for needle in draft.plants[0].needles[:2])
    number = str(draft.dataset.PatientID)
    for keyword, text, needle in (
        ("ScanOptions", f"FS_{family}", family),
        ("PatientPosition", str(given), given),
        ("StudyDescription", f"thigh {number[:3]} {number[3:6]} {number[6:]}", number),
        ("SeriesDescription", f"t1 {given}{family} tra", family),
        ("ProtocolName", f"{number[:5]}-{number[5:]}", number),
    ):
        written = text.upper() if keyword in {"ScanOptions", "PatientPosition"} else text
        draft.plant(keyword, Category.TEXT_KNOWN, value=Value(written, Kind.TEXT, (needle,)))


def undeclared(draft: Draft) -> None:
    """Known attributes with the type UN, tags that nobody knows, and texts that no table names hold values."""
    for keyword in ("PatientComments", "OperatorsName", "ImageComments"):
        word = draft.made.word()
        draft.dataset[keyword] = _unjudged(keyword, "UN", word.encode())
        draft.note(Category.STANDARD, Value(word, Kind.TEXT, (word,)), place=(int(Tag(keyword)),))
    draft.syntax = ExplicitVRLittleEndian
    for tag, vr in UNKNOWN_TAGS:
        draft.plant(tag, Category.STANDARD, vr=vr)
    for keyword in UNLISTED_TEXT:
        draft.plant(keyword, Category.STANDARD)


def malformed(draft: Draft) -> None:
    """Dates, times, numbers, ages and UIDs are texts instead; a date has the points of ACR-NEMA."""
    for keyword in ("InstanceCreationDate", "SeriesDate", "SeriesTime", "AcquisitionDateTime", "PatientBirthTime"):
        word = draft.made.word()
        draft.plant(keyword, Category.STANDARD, value=Value(f"by {word}", Kind.TEXT, (word,)))
    for keyword in (
        "PercentSampling",
        "NumberOfPhaseEncodingSteps",
        "PatientAge",
        "InstanceCreatorUID",
        "TimezoneOffsetFromUTC",
    ):
        word = draft.made.word()
        vr = dictionary_VR(keyword)
        draft.dataset[keyword] = _unjudged(keyword, vr, f"1{word}"[:16].encode())
        draft.note(Category.STANDARD, Value(word, Kind.TEXT, (word,)), place=(int(Tag(keyword)),))
    draft.syntax = ExplicitVRLittleEndian
    day = f"{draft.made.date(draft.year):%Y%m%d}"
    pointed = f"{day[:4]}.{day[4:6]}.{day[6:]}"
    draft.plant("AcquisitionDate", Category.STANDARD, value=Value(pointed, Kind.DATE, (day,)))


def _unjudged(keyword: str, vr: str, content: bytes) -> RawDataElement:
    """An element in explicit VR little endian whose type and bytes are written as they are."""
    padded = content + b" " * (len(content) % 2)
    return RawDataElement(Tag(keyword), vr, len(padded), padded, 0, is_implicit_VR=False, is_little_endian=True)


def sequence_as_unknown(draft: Draft) -> None:
    """A sequence whose type a PACS has forgotten lies in the file as UN, in implicit VR (PS3.5 6.2.2)."""
    name, text = draft.made.word(), draft.made.word()
    elements = b"".join(
        struct.pack("<HHI", 0x0010 if value is name else 0x0040, 0x0010 if value is name else 0x0007, 10)
        + f"{value} ".encode()
        for value in (name, text)
    )
    content = struct.pack("<HHI", 0xFFFE, 0xE000, len(elements)) + elements
    draft.dataset["RequestAttributesSequence"] = _unjudged("RequestAttributesSequence", "UN", content)
    draft.syntax = ExplicitVRLittleEndian
    for tag, word in ((0x00100010, name), (0x00400007, text)):
        draft.note(Category.NESTED, Value(word, Kind.TEXT, (word,)), place=(0x00400275, 0, tag))


def rest_in_items(draft: Draft) -> None:
    """A kept sequence's item holds overlays, curves, an icon, a signature, private elements and its own charset."""
    item, at = draft.item("ReferencedImageSequence")
    item.SpecificCharacterSet = "ISO_IR 192"
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", draft.made.uid()
    word = draft.made.word("ISO_IR 192")
    draft.plant("PatientComments", Category.NESTED, into=item, at=at, value=Value(word, Kind.TEXT, (word,)))
    for tag, vr, category in (
        (0x60003000, "OW", Category.OVERLAY),
        (0x60004000, "LT", Category.OVERLAY),
        (0x50003000, "OW", Category.CURVE),
        (0x00750010, "LO", Category.PRIVATE),
        (0x00751011, "LT", Category.PRIVATE),
    ):
        draft.plant(tag, category, into=item, at=at, vr=vr)
    icon, icon_at = draft.item("IconImageSequence", into=item, at=at)
    draft.plant("PixelData", Category.ICON, into=icon, at=icon_at, vr="OB")
    signature, signature_at = draft.item("DigitalSignaturesSequence", into=item, at=at)
    draft.plant("CertificateOfSigner", Category.SIGNATURE, into=signature, at=signature_at)
    purpose, purpose_at = draft.item("PurposeOfReferenceCodeSequence", into=item, at=at)
    purpose.CodeValue, purpose.CodingSchemeDesignator = "121311", "DCM"
    draft.plant("CodeMeaning", Category.NESTED, into=purpose, at=purpose_at)


def labelled_segments(draft: Draft) -> None:
    """A segmentation's labels name people."""
    segment = draft.dataset.SegmentSequence[0]
    at = (0x00620002, 0)
    for keyword in ("SegmentLabel", "SegmentAlgorithmName"):
        draft.plant(keyword, Category.TEXT_UNKNOWN, into=segment, at=at)
    draft.plant("ContentDescription", Category.TEXT_UNKNOWN)


def make_odd(made: MadeUp, *, charset: str, number: int) -> list[Draft]:
    """One file of each."""
    name = f"odd/{number:03d}"
    recipes = (codes, code_strings, undeclared, malformed, sequence_as_unknown, rest_in_items, *STREAMS)
    drafts = []
    for recipe in recipes:
        draft = classic(
            made,
            Study.of(made, charset="" if recipe is code_strings else charset),
            name=f"{name}-{recipe.__name__}.dcm",
        )
        recipe(draft)
        drafts.append(draft)
    study = Study.of(made, charset=charset)
    source = classic(made, study, name=f"{name}-source.dcm")
    mask = segmentation(made, study, name=f"{name}-mask.dcm", sources=[source], binary=bool(number % 2))
    labelled_segments(mask)
    return [*drafts, source, mask]
