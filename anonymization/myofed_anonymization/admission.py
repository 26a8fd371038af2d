"""What is let in: allowed storage classes, images of a patient's body, nothing with text in its pixels."""

from __future__ import annotations

from pydicom.dataset import FileDataset

from myofed_anonymization.elements import peek
from myofed_anonymization.pixels import check_pixels
from myofed_anonymization.policy import Policy
from myofed_anonymization.profile import IOD_OF_SOP_CLASS
from myofed_anonymization.uids import is_registered
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode

PHOTOMETRIC = frozenset({"MONOCHROME1", "MONOCHROME2"})
BITS_ALLOWED = {"mr": frozenset({8, 16, 32}), "enhanced": frozenset({8, 16, 32}), "seg": frozenset({1, 8, 16})}
"""BitsAllocated by IOD (PS3.3 C.8.3.1, C.8.13.1, C.8.20.2); MR of 8 and 32 bits occurs."""
REQUIRED_UIDS = (0x0020000D, 0x0020000E, 0x00080018)
"""StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID."""
SOP_CLASS, IMAGE_TYPE, CONVERSION_TYPE = 0x00080016, 0x00080008, 0x00080064
PHOTOMETRIC_INTERPRETATION, BURNED_IN, MODALITY_LUT = 0x00280004, 0x00280301, 0x00283000


def admit(dataset: FileDataset, *, policy: Policy) -> str:
    """The IOD ("mr", "enhanced", "seg") of a file that may be treated.

    Raises:
        WithheldError: SOP_CLASS_REFUSED, UID_MISSING, SCREEN_SAVE, BURNED_IN_ANNOTATION, PHOTOMETRIC_REFUSED, MODALITY_LUT, or
            what check_pixels says.
    """
    sop_class = str(peek(dataset, SOP_CLASS, ""))
    stated = str(dataset.file_meta.get("MediaStorageSOPClassUID", sop_class))
    if sop_class not in policy.sop_classes or sop_class not in IOD_OF_SOP_CLASS or stated != sop_class:
        raise WithheldError(WithheldCode.SOP_CLASS_REFUSED)
    if any(not (uid := str(peek(dataset, tag, "")).strip()) or is_registered(uid) for tag in REQUIRED_UIDS):
        raise WithheldError(WithheldCode.UID_MISSING)
    _refuse_text_in_pixels(dataset, policy)
    if peek(dataset, PHOTOMETRIC_INTERPRETATION) not in PHOTOMETRIC:
        raise WithheldError(WithheldCode.PHOTOMETRIC_REFUSED)
    if MODALITY_LUT in dataset:
        raise WithheldError(WithheldCode.MODALITY_LUT)
    iod = IOD_OF_SOP_CLASS[sop_class]
    check_pixels(dataset, bits_allowed=BITS_ALLOWED[iod], max_pixels=policy.max_pixels)
    return iod


def _refuse_text_in_pixels(dataset: FileDataset, policy: Policy) -> None:
    image_type = peek(dataset, IMAGE_TYPE, "")
    terms = [image_type] if isinstance(image_type, str) else list(image_type)
    words = {word for term in terms for word in (term.lower(), *term.lower().replace("_", " ").split())}
    if words & set(policy.refused_image_types) or CONVERSION_TYPE in dataset:
        raise WithheldError(WithheldCode.SCREEN_SAVE)
    if str(peek(dataset, BURNED_IN, "NO")).strip().upper() != "NO":
        raise WithheldError(WithheldCode.BURNED_IN_ANNOTATION)
