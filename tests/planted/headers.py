"""Identifying values in the header: every attribute of Table E.1-1, nested items, functional groups, free text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from planted.draft import Draft
from planted.images import Study, classic, enhanced
from planted.made_up import MadeUp, Value
from planted.plants import Category, Kind, Place

PLANTABLE = frozenset(
    {"PN", "LO", "SH", "ST", "LT", "UT", "UC", "UR", "UI", "DA", "DT", "TM", "AS", "AE", "CS", "DS", "OB", "UN"}
)
ELSEWHERE = frozenset(
    {
        0x00100020,
        0x0020000D,
        0x0020000E,
        0x00080018,
        0x00020003,
        0x00041511,
        0xFFFCFFFC,
        0x00100040,
        0x00101020,
        0x00101030,
    }
)
"""Planted in every file, or by another recipe; sex, size and weight are kept by an option of the profile."""
LISTED = tuple(
    tag
    for group, element in (tag for tag in dicomfields_2026c.ALL_TAGS if len(tag) == 2)
    if (tag := (group << 16) | element) not in ELSEWHERE
    and group >= 8
    and (dictionary_VR(tag) if dictionary_has_tag(tag) else "LO") in PLANTABLE
)
"""Every attribute of PS3.15 Table E.1-1 (2026c, as another package has it) whose value can identify somebody."""
SEQUENCES_LISTED = tuple(
    (group << 16) | element
    for group, element in (tag for tag in dicomfields_2026c.ALL_TAGS if len(tag) == 2)
    if dictionary_has_tag((group << 16) | element)
    and dictionary_VR((group << 16) | element) == "SQ"
    and group != 0xFFFA
)
KEPT_SEQUENCES = (
    "ReferencedImageSequence",
    "SourceImageSequence",
    "RequestAttributesSequence",
    "ProcedureCodeSequence",
    "AnatomicRegionSequence",
    "PrimaryAnatomicStructureSequence",
    "ReferencedPerformedProcedureStepSequence",
    "PerformedProtocolCodeSequence",
    "RealWorldValueMappingSequence",
    "ContrastBolusAgentSequence",
    "ContributingEquipmentSequence",
    "DerivationCodeSequence",
    "AcquisitionContextSequence",
    "PhysiciansOfRecordIdentificationSequence",
    "IssuerOfAccessionNumberSequence",
    "OtherPatientIDsSequence",
    "OriginalAttributesSequence",
    "DeidentificationMethodCodeSequence",
    "StudiesContainingOtherReferencedInstancesSequence",
)
"""Places that tools keep or forget."""
NESTED = (
    "PatientName",
    "PatientID",
    "OperatorsName",
    "InstitutionName",
    "InstitutionAddress",
    "ScheduledProcedureStepDescription",
    "ScheduledProcedureStepID",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "ReasonForTheRequestedProcedure",
    "CodeMeaning",
    "TextValue",
    "PersonName",
    "LUTLabel",
    "LUTExplanation",
    "StudyDate",
    "ContentDate",
    "FrameAcquisitionDateTime",
    "ContentTime",
    "StationName",
    "DeviceSerialNumber",
    "StorageMediaFileSetUID",
    "UID",
    "ContributionDescription",
    "ScheduledStationAETitle",
    "PatientComments",
)
FREE_TEXT = (
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "ImageComments",
    "ContrastBolusAgent",
    "PatientComments",
    "RequestedProcedureDescription",
    "PerformedProcedureStepDescription",
    "DerivationDescription",
    "AdmittingDiagnosesDescription",
    "AcquisitionProtocolDescription",
    "ReceiveCoilName",
    "TransmitCoilName",
    "SequenceName",
    "PulseSequenceName",
    "ManufacturerModelName",
    "SoftwareVersions",
    "BodyPartExamined",
    "AcquisitionDeviceProcessingDescription",
)
SHORT_TEXT = frozenset({"SequenceName", "ReceiveCoilName", "TransmitCoilName", "PulseSequenceName", "BodyPartExamined"})
"""SH and CS hold 16 characters."""
Text = tuple[str, Kind, tuple[str, ...]]


def standard(draft: Draft, *, attributes: Sequence[int]) -> None:
    """Each of these attributes of Table E.1-1 is planted at the top of the file."""
    for tag in attributes:
        draft.plants = [plant for plant in draft.plants if plant.place != (tag,)]
        draft.plant(tag, Category.STANDARD)


def nested(draft: Draft, *, sequences: Sequence[int | str], attributes: Sequence[str], depth: int) -> None:
    """Each of these sequences holds the attributes, and sequences in sequences hold them `depth` times."""
    for sequence in sequences:
        item, at = draft.item(sequence)
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", draft.made.uid()
        _fill(draft, item, at, attributes)
        for _ in range(depth):
            item, at = draft.item(draft.made.rng.choice(KEPT_SEQUENCES[:8]), into=item, at=at)
            _fill(draft, item, at, draft.made.rng.sample(list(attributes), min(3, len(attributes))))


def _fill(draft: Draft, item: Dataset, at: Place, attributes: Sequence[str]) -> None:
    for keyword in attributes:
        draft.plant(keyword, Category.NESTED, into=item, at=at)


def functional_groups(draft: Draft) -> None:
    """Names, dates and texts stand in the shared and in every frame's functional groups."""
    shared, at = draft.dataset.SharedFunctionalGroupsSequence[0], (0x52009229, 0)
    _anatomy(draft, shared, at)
    _converted(draft, shared, at, "UnassignedSharedConvertedAttributesSequence")
    for number, frame in enumerate(draft.dataset.PerFrameFunctionalGroupsSequence):
        path = (0x52009230, number)
        content, content_at = frame.FrameContentSequence[0], (*path, 0x00209111, 0)
        for keyword in ("FrameComments", "FrameLabel"):
            draft.plant(keyword, Category.FUNCTIONAL_GROUP, into=content, at=content_at)
        world, world_at = frame.RealWorldValueMappingSequence[0], (*path, 0x00409096, 0)
        for keyword in ("LUTLabel", "LUTExplanation"):
            draft.plant(keyword, Category.FUNCTIONAL_GROUP, into=world, at=world_at)
        reference, reference_at = draft.item("ReferencedImageSequence", into=frame, at=path)
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = (
            "1.2.840.10008.5.1.4.1.1.4",
            draft.made.uid(),
        )
        _purpose(draft, reference, reference_at)
        _converted(draft, frame, path, "UnassignedPerFrameConvertedAttributesSequence")


def _anatomy(draft: Draft, item: Dataset, at: Place) -> None:
    anatomy, anatomy_at = draft.item("FrameAnatomySequence", into=item, at=at)
    anatomy.FrameLaterality = "L"
    region, region_at = draft.item("AnatomicRegionSequence", into=anatomy, at=anatomy_at)
    region.CodeValue, region.CodingSchemeDesignator = "68367000", "SCT"
    draft.plant("CodeMeaning", Category.FUNCTIONAL_GROUP, into=region, at=region_at)


def _purpose(draft: Draft, item: Dataset, at: Place) -> None:
    purpose, purpose_at = draft.item("PurposeOfReferenceCodeSequence", into=item, at=at)
    purpose.CodeValue, purpose.CodingSchemeDesignator = "121311", "DCM"
    draft.plant("CodeMeaning", Category.FUNCTIONAL_GROUP, into=purpose, at=purpose_at)


def _converted(draft: Draft, item: Dataset, at: Place, sequence: str) -> None:
    converted, converted_at = draft.item(sequence, into=item, at=at)
    for keyword in ("PatientName", "SeriesDescription", "ImageComments", "StudyDate", "OperatorsName", "ProtocolName"):
        draft.plant(keyword, Category.FUNCTIONAL_GROUP, into=converted, at=converted_at)


def known_text(draft: Draft, *, attributes: Sequence[str]) -> None:
    """The patient's own words stand in free text, another one in each attribute; the header holds them too."""
    made = draft.made
    for number, keyword in enumerate(attributes):
        word = made.word()
        forms = (f"t1 {word} tra", f"{word}_t1_tse", f"Thigh {word.upper()} left", f"pre{word}post", f"{word}-{number}")
        text = word if keyword in SHORT_TEXT else made.rng.choice(forms)
        _known_holder(draft, "OtherPatientNames" if number % 2 else "OtherPatientIDs", word)
        written = text.upper() if keyword == "BodyPartExamined" else text
        draft.plant(keyword, Category.TEXT_KNOWN, value=Value(written, Kind.TEXT, (word,)))
    birth = str(draft.dataset.PatientBirthDate)
    spelled = f"Thigh, born {birth[6:]}.{birth[4:6]}.{birth[:4]}"
    draft.plant("AdditionalPatientHistory", Category.TEXT_KNOWN, value=Value(spelled, Kind.DATE, (birth,)))


def _known_holder(draft: Draft, holder: str, word: str) -> None:
    """The word is one of the values of this attribute of the patient too, so that a tool can know it."""
    before = draft.dataset.get(holder)
    several = isinstance(before, MultiValue)
    names = [str(name) for name in before] if several else [str(before)] if before else []
    setattr(draft.dataset, holder, [*names, word])
    draft.note(Category.STANDARD, Value(word, Kind.TEXT, (word,)), place=(int(draft.dataset[holder].tag),))


def unknown_text(draft: Draft, *, attributes: Sequence[str]) -> None:
    """Others' names, telephone numbers, places, record numbers, mail addresses and dates stand in free text."""
    made = draft.made
    forms = _unknown_forms(made, draft.charset)
    for keyword in attributes:
        if keyword in SHORT_TEXT:
            word = made.word()
            written: object = word.upper() if keyword == "BodyPartExamined" else word
            draft.plant(keyword, Category.TEXT_UNKNOWN, value=Value(written, Kind.TEXT, (word,)))
            continue
        text, kind, needles = made.rng.choice(forms)(draft.year)
        draft.plant(keyword, Category.TEXT_UNKNOWN, value=Value(text, kind, needles))


def _unknown_forms(made: MadeUp, charset: str) -> tuple[Callable[[int], Text], ...]:
    def dated(year: int) -> Text:
        day = made.date(year)
        spelled = made.rng.choice(("%d.%m.%Y", "%Y-%m-%d", "%d/%m/%Y", "%Y%m%d", "%d-%m-%Y", "%Y.%m.%d"))
        return f"t1 tse {day:{spelled}} left", Kind.DATE, (f"{day:%Y%m%d}",)

    def phone(_: int) -> Text:
        number = made.digits(11)
        return f"MR call +{number[:2]} {_chunked(made, number[2:])}", Kind.TEXT, (number,)

    def record(_: int) -> Text:
        number = made.digits(10)
        return (
            f"thigh {made.rng.choice(('MRN ', 'T', 'B', 'id:', 'v', ''))}{_chunked(made, number)}",
            Kind.TEXT,
            (number,),
        )

    def with_word(form: str) -> Callable[[int], Text]:
        def made_with(_: int) -> Text:
            word = made.word(charset)
            return form.format(word), Kind.TEXT, (word,)

        return made_with

    sentences = (
        "Dr. {} asks",
        "t1_tse_{}",
        "{}hospital leg",
        "sister of {}",
        "{}@clinic.example",
        "from {} street 12",
        "T1{}",
        "gre.{}.2d",
        "{}",
    )
    return (dated, phone, record, *(with_word(form) for form in sentences))


def _chunked(made: MadeUp, number: str) -> str:
    """The number with signs between groups of two to four digits, as people write it."""
    size, sign = made.rng.randrange(2, 5), made.rng.choice((" ", "-", "/", ".", "_", " - "))
    return sign.join(number[start : start + size] for start in range(0, len(number), size))


def make_headers(made: MadeUp, *, scale: float, charset: str, number: int) -> list[Draft]:
    """Files whose headers are full of planted values, in this charset."""

    def some(values: Sequence[Any]) -> list[Any]:
        count = min(len(values), max(3, round(len(values) * scale)))
        return made.rng.sample(list(values), count)

    def study() -> Study:
        return Study.of(made, charset=charset)

    name = f"headers/{number:03d}"
    files = [
        classic(made, study(), name=f"{name}-standard.dcm"),
        enhanced(made, study(), name=f"{name}-standard-enhanced.dcm"),
        classic(made, study(), name=f"{name}-nested.dcm"),
        classic(made, study(), name=f"{name}-sequences.dcm"),
        enhanced(made, study(), name=f"{name}-groups.dcm"),
        classic(made, study(), name=f"{name}-known.dcm"),
        classic(made, study(), name=f"{name}-unknown.dcm"),
        classic(made, study(), name=f"{name}-unknown-2.dcm"),
    ]
    half = made.rng.sample(LISTED, len(LISTED))
    standard(files[0], attributes=some(half[: len(half) // 2]))
    standard(files[1], attributes=some(half[len(half) // 2 :]))
    nested(files[2], sequences=some(KEPT_SEQUENCES), attributes=made.rng.sample(NESTED, 5), depth=2)
    nested(files[3], sequences=some(SEQUENCES_LISTED), attributes=made.rng.sample(NESTED, 2), depth=0)
    functional_groups(files[4])
    known_text(files[5], attributes=some(FREE_TEXT))
    unknown_text(files[6], attributes=some(FREE_TEXT))
    unknown_text(files[7], attributes=some(FREE_TEXT))
    return files
