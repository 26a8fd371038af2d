"""One frame's way to an element: its functional groups, the shared ones, the top level (PS3.3 A.36.2); by registered keywords only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from myofed_node.mids.dicom_input.elements import element_value, items_of
from myofed_node.mids.refusal import SeriesRefusedError

MACRO_OF: Final = {
    "RepetitionTime": "MRTimingAndRelatedParametersSequence",
    "FlipAngle": "MRTimingAndRelatedParametersSequence",
    "EchoTrainLength": "MRTimingAndRelatedParametersSequence",
    "EffectiveEchoTime": "MREchoSequence",
    "InversionRecovery": "MRModifierSequence",
    "InversionTimes": "MRModifierSequence",
    "SpectrallySelectedExcitation": "MRModifierSequence",
    "SpectrallySelectedSuppression": "MRModifierSequence",
    "ParallelReductionFactorInPlane": "MRModifierSequence",
    "ParallelAcquisitionTechnique": "MRModifierSequence",
    "PixelBandwidth": "MRImagingModifierSequence",
    "TransmitterFrequency": "MRImagingModifierSequence",
    "InPlanePhaseEncodingDirection": "MRFOVGeometrySequence",
    "FrameType": "MRImageFrameTypeSequence",
    "ComplexImageComponent": "MRImageFrameTypeSequence",
    "AcquisitionContrast": "MRImageFrameTypeSequence",
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RescaleType": "PixelValueTransformationSequence",
    "DiffusionBValue": "MRDiffusionSequence",
    "AnatomicRegionSequence": "FrameAnatomySequence",
    "StackID": "FrameContentSequence",
    "InStackPositionNumber": "FrameContentSequence",
}
"""Functional group that holds the element in Enhanced MR (PS3.3 A.36.2); no private copy is ever read in its place."""
TOP_LEVEL: Final = (
    *("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "ProtocolName", "SeriesDescription"),
    *("Manufacturer", "ManufacturerModelName", "BodyPartExamined", "ImageType", "Rows", "Columns", "NumberOfFrames"),
    *("ScanningSequence", "SequenceVariant", "ScanOptions", "SequenceName", "PulseSequenceName", "MRAcquisitionType"),
    *("EchoPulseSequence", "EchoPlanarPulseSequence", "MultipleSpinEcho", "EchoTime", "InversionTime"),
    *("ImagingFrequency", "MagneticFieldStrength", "BitsStored", "PixelRepresentation", "ImagesInAcquisition"),
    *("ConcatenationUID", "InConcatenationNumber", "InConcatenationTotalNumber", "SpecificCharacterSet"),
    "RealWorldValueMappingSequence",
)


def _tag(keyword: str) -> BaseTag:
    tag = tag_for_keyword(keyword)
    assert tag is not None, "a keyword of the dictionary"
    return BaseTag(tag)


READ: Final = {keyword: _tag(keyword) for keyword in (*MACRO_OF, *TOP_LEVEL)}
"""Every element that is read: what does not stand here cannot be asked for, so that files that agree in these agree in all."""
PRIVATE_GROUPS: Final = frozenset({0x0025, 0x0043, 0x2001, 0x2005})
ITEMS: Final = "RealWorldValueMappingSequence"
_MACROS: Final = {int(_tag(macro)): macro for macro in {*MACRO_OF.values(), ITEMS}}
_ALIKE: Final = frozenset(int(tag) for keyword, tag in READ.items() if keyword != "ImagePositionPatient")

Groups = dict[str, tuple[Dataset, ...]]
"""Items of each functional group that is there, by keyword."""


@dataclass(frozen=True)
class View:
    """One frame of a file.

    Attributes:
        groups: Functional groups: the frame's own, then the shared ones; none of a classic object.
        root: Top level.
        frame: Item of PerFrameFunctionalGroupsSequence; None in a classic object.
    """

    groups: tuple[Groups, ...]
    root: Dataset
    frame: Dataset | None = None

    def get(self, keyword: str) -> object:
        """The element's value where it is nearest to the frame, None where it is nowhere."""
        tag = READ[keyword]
        macro = MACRO_OF.get(keyword, "")
        for level in self.groups if macro else ():
            for item in level.get(macro, ())[:1]:
                if tag in item:
                    return element_value(item, tag)
        return element_value(self.root, tag)

    def items(self, keyword: str) -> tuple[Dataset, ...]:
        """Items of a functional group, of the nearest level that has it."""
        found = (level[keyword] for level in self.groups if level.get(keyword))
        return next(found, ()) or items_of(self.root, keyword)

    def text(self, keyword: str) -> str:
        """As it stands, without spaces around; empty where absent."""
        return str(self.get(keyword) or "").strip()

    def words(self, keyword: str) -> tuple[str, ...]:
        """Values in upper case."""
        return tuple(str(v).strip().upper() for v in _values(self.get(keyword)) if v not in (None, ""))

    def word(self, keyword: str) -> str:
        """The first value in upper case, empty where there is none."""
        return next(iter(self.words(keyword)), "")

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Values as numbers.

        Raises:
            SeriesRefusedError: HEADER_INVALID.
        """
        try:
            return tuple(float(str(v)) for v in _values(self.get(keyword)) if v not in (None, ""))
        except ValueError:
            raise SeriesRefusedError("HEADER_INVALID", f"{keyword}=not a number") from None

    def number(self, keyword: str) -> float | None:
        """The first value as number, None where there is none."""
        return next(iter(self.numbers(keyword)), None)

    def whole(self, keyword: str) -> int | None:
        """The first value as whole number, None where there is none.

        Raises:
            SeriesRefusedError: HEADER_INVALID.
        """
        number = self.number(keyword)
        if number is not None and not number.is_integer():
            raise SeriesRefusedError("HEADER_INVALID", f"{keyword}=not a whole number")
        return None if number is None else int(number)


def _values(value: object) -> Sequence[object]:
    return value if isinstance(value, MultiValue | list | tuple) else (value,)


def views(dataset: Dataset) -> Iterator[View]:
    """One view a frame; one of a classic object."""
    shared = [_groups(item) for item in items_of(dataset, "SharedFunctionalGroupsSequence")[:1]]
    per_frame = items_of(dataset, "PerFrameFunctionalGroupsSequence")
    if not per_frame:
        yield View(tuple(shared), dataset)
    for item in per_frame:
        yield View((_groups(item), *shared), dataset, item)


def _groups(item: Dataset) -> Groups:
    tags = [tag for tag in item.keys() if int(tag) in _MACROS]  # noqa: SIM118  a Dataset iterates over elements
    return {_MACROS[int(tag)]: items_of(item, tag) for tag in tags}


Fingerprint = tuple[tuple[object, ...], tuple[object, ...]]


def fingerprint(dataset: Dataset) -> Fingerprint:
    """All that is read of a data set or item but the position, by bytes; what has equal ones says the same.

    Returns:
        To be compared, and the elements compared by identity, which must live as long.
    """
    parts: list[object] = []
    kept: list[object] = []
    for tag, element in dataset.items():
        number = int(tag)
        if number not in _ALIKE and number >> 16 not in PRIVATE_GROUPS:
            continue
        if isinstance(element, RawDataElement):
            parts += (number, element.VR, element.value, element.is_little_endian)
        elif element.VR == "SQ":
            kept.append(element)
            parts += (number, id(element))
        else:
            parts += (number, element.VR, str(element.value))
    return tuple(parts), tuple(kept)
