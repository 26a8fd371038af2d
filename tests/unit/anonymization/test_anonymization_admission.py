from __future__ import annotations

from io import BytesIO

import pytest
from anonymization_factories import MR, PIXELS, RLE_PIXELS, enhanced, file_bytes, item, mr, segmentation
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, RLELossless

from myofed_anonymization.admission import admit
from myofed_anonymization.policy import default_policy
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode


def refusal_of(content: bytes) -> WithheldCode:
    with pytest.raises(WithheldError) as refusal:
        admit(dcmread(BytesIO(content)), policy=default_policy())
    return refusal.value.reason


def with_embedded_overlay() -> Dataset:
    dataset = mr()
    dataset.add_new(0x60000102, "US", 12)
    return dataset


@pytest.mark.parametrize(
    ("dataset", "code"),
    [
        (mr(SOPClassUID="1.2.840.10008.5.1.4.1.1.7"), WithheldCode.SOP_CLASS_REFUSED),
        (mr(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11"), WithheldCode.SOP_CLASS_REFUSED),
        (mr(SOPClassUID=None), WithheldCode.SOP_CLASS_REFUSED),
        (mr(StudyInstanceUID=None), WithheldCode.UID_MISSING),
        (mr(SeriesInstanceUID=""), WithheldCode.UID_MISSING),
        (mr(SOPInstanceUID="1.2.840.10008.5.1.4.1.1.4"), WithheldCode.UID_MISSING),
        (mr(ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"]), WithheldCode.SCREEN_SAVE),
        (mr(ImageType="POSDISP"), WithheldCode.SCREEN_SAVE),
        (mr(ConversionType="WSD"), WithheldCode.SCREEN_SAVE),
        (mr(BurnedInAnnotation="YES"), WithheldCode.BURNED_IN_ANNOTATION),
        (mr(BurnedInAnnotation="PERHAPS"), WithheldCode.BURNED_IN_ANNOTATION),
        (mr(PhotometricInterpretation="RGB"), WithheldCode.PHOTOMETRIC_REFUSED),
        (mr(PhotometricInterpretation=None), WithheldCode.PHOTOMETRIC_REFUSED),
        (mr(ModalityLUTSequence=[item(ModalityLUTType="US")]), WithheldCode.MODALITY_LUT),
        (mr(PixelData=b""), WithheldCode.NO_PIXEL_DATA),
        (mr(PixelData=PIXELS.tobytes() + b"Fantasia"), WithheldCode.PIXEL_LENGTH),
        (mr(PixelData=PIXELS.tobytes()[:-2]), WithheldCode.PIXEL_LENGTH),
        (mr(Rows=0), WithheldCode.PIXEL_LENGTH),
        (mr(BitsAllocated=1, Rows=16, Columns=16), WithheldCode.PIXEL_LENGTH),
        (mr(PixelData=(PIXELS | 0x1000).tobytes()), WithheldCode.PIXEL_BITS_IN_USE),
        (mr(PixelRepresentation=1, PixelData=(PIXELS + 0x1000).tobytes()), WithheldCode.PIXEL_BITS_IN_USE),
        (mr(PixelRepresentation=1, PixelData=(-2049 - PIXELS.astype("<i2")).tobytes()), WithheldCode.PIXEL_BITS_IN_USE),
        (segmentation(Rows=3, Columns=3, PixelData=b"\xff\x03"), WithheldCode.PIXEL_BITS_IN_USE),
        (segmentation(PixelData=b"\xf0\x0f" + b"Fantasia"), WithheldCode.PIXEL_LENGTH),
        (mr(Rows=60_000, Columns=60_000), WithheldCode.TOO_MANY_PIXELS),
        (mr(BitsAllocated=1), WithheldCode.PIXEL_LENGTH),
        (with_embedded_overlay(), WithheldCode.OVERLAY_IN_PIXEL_DATA),
    ],
)
def test_what_may_hold_a_person_in_its_pixels_or_place_is_refused(dataset: Dataset, code: WithheldCode) -> None:
    """Every rule of admission has its own code."""
    assert refusal_of(file_bytes(dataset)) is code


def test_no_pixel_data_is_refused() -> None:
    """A file without image has nothing to release."""
    dataset = mr()
    del dataset.PixelData
    assert refusal_of(file_bytes(dataset)) is WithheldCode.NO_PIXEL_DATA


def test_a_false_class_in_the_meta_information_is_refused() -> None:
    """What the file calls itself outside and inside must agree."""
    content = file_bytes(mr()).replace(MR.encode(), b"1.2.840.10008.5.1.4.1.1.2", 1)
    assert refusal_of(content) is WithheldCode.SOP_CLASS_REFUSED


@pytest.mark.parametrize(
    ("content", "iod"),
    [
        (file_bytes(mr()), "mr"),
        (file_bytes(mr(ImageType=None)), "mr"),
        (file_bytes(mr(ImageType="ORIGINAL", BurnedInAnnotation="NO")), "mr"),
        (file_bytes(enhanced()), "enhanced"),
        (file_bytes(segmentation()), "seg"),
        (file_bytes(mr(PixelRepresentation=1, PixelData=(0x0FFF - PIXELS).astype("<u2").tobytes())), "mr"),
        (file_bytes(segmentation(PixelData=b"\xf0\x0f\0\0")), "seg"),
        (file_bytes(segmentation(Rows=3, Columns=3, PixelData=b"\xff\x01")), "seg"),
        (file_bytes(mr(PixelRepresentation=1, PixelData=(-PIXELS.astype("<i2")).tobytes())), "mr"),
        (
            file_bytes(
                mr(
                    BitsAllocated=8,
                    BitsStored=8,
                    HighBit=7,
                    Rows=3,
                    Columns=5,
                    PixelData=bytes([*range(1, 16), 0]),
                )
            ),
            "mr",
        ),
        (file_bytes(mr(PixelData=PIXELS.tobytes() + bytes(6))), "mr"),
        (file_bytes(mr(PixelData=RLE_PIXELS), transfer_syntax=RLELossless), "mr"),
        (file_bytes(mr(PixelData=PIXELS.astype(">u2").tobytes()), transfer_syntax=ExplicitVRBigEndian), "mr"),
    ],
)
def test_mr_images_are_let_in(content: bytes, iod: str) -> None:
    """Classic and enhanced, signed, 8 bit with padding, compressed and big endian images are admitted."""
    assert admit(dcmread(BytesIO(content)), policy=default_policy()) == iod
