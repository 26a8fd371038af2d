"""What must stay: Type 1 and 2 attributes, geometry and quantities, references, intervals, safe private numbers."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c
from highdicom import _standard_utils as standard
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

from planted.made_up import UID_ROOT
from planted.plants import Place, SafeNumber
from planted.search import DAMAGED, elements

QUANTITIES = frozenset(
    {
        "Rows",
        "Columns",
        "NumberOfFrames",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "PixelSpacing",
        "SliceThickness",
        "SpacingBetweenSlices",
        "SliceLocation",
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "EchoTime",
        "EffectiveEchoTime",
        "EchoNumbers",
        "EchoTrainLength",
        "RepetitionTime",
        "InversionTime",
        "FlipAngle",
        "MagneticFieldStrength",
        "ImagingFrequency",
        "PixelBandwidth",
        "NumberOfAverages",
        "AcquisitionMatrix",
        "RescaleSlope",
        "RescaleIntercept",
        "RescaleType",
        "RealWorldValueSlope",
        "RealWorldValueIntercept",
        "RealWorldValueFirstValueMapped",
        "RealWorldValueLastValueMapped",
        "DiffusionBValue",
        "DiffusionDirectionality",
        "DimensionIndexValues",
        "DimensionIndexPointer",
        "FunctionalGroupPointer",
        "InStackPositionNumber",
        "StackID",
        "FrameAcquisitionDuration",
        "AcquisitionDuration",
        "ScanningSequence",
        "SequenceVariant",
        "MRAcquisitionType",
        "ImageType",
        "FrameType",
        "ComplexImageComponent",
        "AcquisitionContrast",
        "ResonantNucleus",
        "InstanceNumber",
        "SeriesNumber",
        "SegmentNumber",
        "ReferencedSegmentNumber",
        "SegmentationType",
        "SegmentationFractionalType",
        "MaximumFractionalValue",
        "Laterality",
        "FrameLaterality",
    }
)
"""Values that a converter or a quantitative map needs, wherever they stand."""
MAY_GO = frozenset((tag[0] << 16) | tag[1] for tag in dicomfields_2026c.X_TAGS)
"""Attributes and sequences that PS3.15 Table E.1-1 removes: no number in them is missed."""
REFERENCES = frozenset({"StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "ReferencedSOPInstanceUID"})
UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")


@dataclass(slots=True)
class Losses:
    """What a released file lacks or has changed, each with the keyword of its attribute, and how much was looked at."""

    type_1: list[str] = field(default_factory=list)
    type_2: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    safe: list[str] = field(default_factory=list)
    compared_types: int = 0
    compared_values: int = 0
    compared_safe: int = 0


def by_place(dataset: Dataset) -> dict[Place, tuple[str, object]]:
    """VR and value of every element that is no sequence, by place."""
    return {place: (vr, value) for place, vr, value in elements(dataset)}


def compare(before: Dataset, after: Dataset, *, safe: Iterable[SafeNumber], losses: Losses) -> None:
    """Adds to `losses` what this output lacks of its input."""
    old, new = by_place(before), by_place(after)
    for path, attribute_type, keyword in required_in(before):
        losses.compared_types += 1
        state = _state(after, path)
        if state == "absent" or (state == "empty" and attribute_type == "1" and _state(before, path) == "full"):
            (losses.type_1 if attribute_type == "1" else losses.type_2).append(keyword)
    for place, (_, value) in old.items():
        keyword = keyword_for_tag(place[-1])
        if keyword in QUANTITIES and not any(step >> 16 & 1 or step in MAY_GO for step in place[::2]):
            losses.compared_values += 1
            if place not in new or not _equal(value, new[place][1]):
                losses.values.append(keyword)
    for number in safe:
        losses.compared_safe += 1
        value = _private(before, number)
        if value is None or not _equal(value, _private(after, number)):
            losses.safe.append(f"({number.group:04x},xx{number.byte:02x}) {number.creator}")


@lru_cache(maxsize=8)
def _types(sop_class: str) -> dict[tuple[str, ...], str]:
    """Type 1 and 2 attributes of the IOD's mandatory modules by path of keywords, the strictest of several."""
    iod = standard.get_sop_class_iod_map()[sop_class]
    modules = standard.get_module_attribute_map()
    found: dict[tuple[str, ...], str] = {}
    for module in standard.get_iod_module_map()[iod]:
        for attribute in modules[module["key"]] if module["usage"] == "M" else ():
            path = (*attribute["path"], attribute["keyword"])
            if attribute["type"] in {"1", "2"}:
                found[path] = min(attribute["type"], found.get(path, "2"))
    return found


def required_in(dataset: Dataset) -> Iterator[tuple[Place, str, str]]:
    """Place, Type and keyword of every Type 1 and 2 attribute that the input has."""
    types = _types(str(dataset.SOPClassUID))

    def walk(level: Dataset, place: Place, keywords: tuple[str, ...]) -> Iterator[tuple[Place, str, str]]:
        for tag in [tag for tag in level.keys() if not tag.is_private]:  # noqa: SIM118  it iterates elements
            element = level[tag]
            path = (*keywords, element.keyword)
            if path in types:
                yield (*place, int(element.tag)), types[path], element.keyword
            if element.VR == "SQ":
                for number, item in enumerate(element.value):
                    yield from walk(item, (*place, int(element.tag), number), path)

    yield from walk(dataset, (), ())


def _state(dataset: Dataset, place: Place) -> str:
    """absent, empty or full; an attribute whose whole item has gone is not missed ("gone")."""
    level = dataset
    for tag, number in zip(place[:-1:2], place[1::2], strict=True):
        items = level[tag].value if tag in level and level[tag].VR == "SQ" else ()
        if number >= len(items):
            return "gone"
        level = items[number]
    if place[-1] not in level:
        return "absent"
    value = level[place[-1]].value
    return "empty" if value is None or value == "" or (hasattr(value, "__len__") and len(value) == 0) else "full"


def _equal(before: object, after: object) -> bool:
    """Equal as numbers or texts."""
    try:
        return _plain(before) == _plain(after)
    except (ValueError, TypeError):
        return False


def _plain(value: object) -> list[object]:
    values = list(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes) else [value]
    return [float(one) if isinstance(one, int | float) else str(one) for one in values]


def _private(dataset: Dataset, number: SafeNumber) -> object:
    level = dataset
    for tag, item in zip(number.items[::2], number.items[1::2], strict=True):
        items = _items(level, tag)
        if item >= len(items):
            return None
        level = items[item]
    try:
        return level.private_block(number.group, number.creator)[number.byte].value
    except (*DAMAGED, KeyError):
        return None


def _items(level: Dataset, tag: int) -> list[Dataset]:
    return list(level[tag].value) if tag in level and level[tag].VR == "SQ" else []


@dataclass(slots=True)
class UidFindings:
    """Faults of identity over the whole output, each with the attribute's keyword."""

    inconsistent: list[str]
    broken: list[str]
    compared: int


def judge_uids(pairs: Iterable[tuple[Dataset, Dataset]]) -> UidFindings:
    """References that lead nowhere, UIDs that became two or are none.

    An input UID stands for one new UID wherever it is kept; a reference to an object that came out, or to its series,
    study or frame of reference, is there and holds what that object now has.
    """
    new_of: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    own: dict[str, str] = {}
    expected: list[tuple[str, str, str | None]] = []
    for before, after in pairs:
        new = by_place(after)
        for place, (vr, value) in by_place(before).items():
            old_uid = str(value)
            if vr != "UI" or not old_uid.startswith(UID_ROOT):
                continue
            keyword = keyword_for_tag(place[-1])
            found = str(new[place][1]) if place in new and new[place][1] else None
            if found is not None:
                new_of[old_uid][found] += 1
            if len(place) == 1 and keyword in {
                "SOPInstanceUID",
                "StudyInstanceUID",
                "SeriesInstanceUID",
                "FrameOfReferenceUID",
            }:
                own.setdefault(old_uid, found or "")
            if keyword in REFERENCES:
                expected.append((keyword, old_uid, found))
    inconsistent = [f"{len(values)} for one" for values in new_of.values() if len(values) > 1]
    inconsistent += [
        "not valid" for values in new_of.values() for uid in values if len(uid) > 64 or not UID.fullmatch(uid)
    ]
    broken = [
        keyword for keyword, old_uid, found in expected if old_uid in own and (found is None or found != own[old_uid])
    ]
    return UidFindings(inconsistent, broken, len(expected))


def intervals(pairs: Iterable[tuple[str, Dataset, Dataset]]) -> tuple[int, int]:
    """How many intervals between one patient's studies stayed, and how many there are."""
    visits: dict[str, dict[dt.date, set[str]]] = defaultdict(lambda: defaultdict(set))
    for patient, before, after in pairs:
        if re.fullmatch(r"\d{8}", str(before.get("StudyDate", ""))):
            visits[patient][dt.date.fromisoformat(str(before.StudyDate))].add(str(after.get("StudyDate", "")))
    kept = total = 0
    for dates in visits.values():
        days = sorted(dates)
        for first, second in pairwise(days):
            total += 1
            moved = [next(iter(dates[day])) if len(dates[day]) == 1 else "" for day in (first, second)]
            if all(re.fullmatch(r"\d{8}", day) for day in moved):
                one, two = (dt.date.fromisoformat(day) for day in moved)
                kept += two - one == second - first
    return kept, total
