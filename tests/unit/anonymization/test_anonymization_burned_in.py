"""Text in the pixels."""

from __future__ import annotations

import importlib.util
from io import BytesIO

import numpy as np
import pytest
from anonymization_factories import enhanced, file_bytes, mr, policy_with
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, RLELossless

from myofed_anonymization import burned_in, ocr
from myofed_anonymization.burned_in import check_burned_in
from myofed_anonymization.withheld import WithheldError
from myofed_schemas.deid import WithheldCode

SIDE = 128
needs_ocr = pytest.mark.skipif(
    importlib.util.find_spec("rapidocr_onnxruntime") is None, reason="the extra [ocr] is not installed"
)


def pixels(*, text: str = "", ink: int = 3000) -> NDArray[np.uint16]:
    """A disc in noise, with a text above it or without."""
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.where(np.hypot(y - 70, x - 64) < 40, 1500, 0) + np.random.default_rng(3).integers(0, 60, (SIDE, SIDE))
    canvas = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(canvas).text((6, 6), text, fill=255, font=ImageFont.load_default(12))
    return np.where(np.asarray(canvas) > 127, ink, image).astype("<u2")


CLEAN, WITH_TEXT = pixels(), pixels(text="Fantasia^Ottilie")


def dicom(image: NDArray[np.integer], *, syntax: str = ExplicitVRLittleEndian, **attributes: object) -> Dataset:
    values: dict[str, object] = {"Rows": SIDE, "Columns": SIDE, "PixelData": image.tobytes(), **attributes}
    return dcmread(BytesIO(file_bytes(mr(**values), transfer_syntax=syntax)))


def refusal_of(dataset: Dataset, search: str = "suspicious") -> WithheldCode | None:
    try:
        check_burned_in(dataset, policy=policy_with(burned_in_search=search))
    except WithheldError as refusal:
        return refusal.reason
    return None


@pytest.fixture
def without_ocr(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host where only the rules are there."""
    monkeypatch.setattr(ocr, "is_installed", lambda: False)


@pytest.fixture
def blind_ocr(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A recogniser that reads nothing, and how often it was asked."""
    asked: list[int] = []
    monkeypatch.setattr(ocr, "is_installed", lambda: True)
    monkeypatch.setattr(ocr, "reads_text", lambda words, *, places: bool(asked.append(len(list(places)))))
    return asked


@pytest.mark.usefixtures("without_ocr")
@pytest.mark.parametrize("search", ["rules", "suspicious", "all"])
def test_suspicious_image_is_withheld_where_nothing_can_read_it(search: str) -> None:
    """Without a recogniser a suspicion is enough."""
    assert refusal_of(dicom(WITH_TEXT), search) is WithheldCode.OCR_NEEDED


@pytest.mark.usefixtures("without_ocr")
@pytest.mark.parametrize(("search", "code"), [("rules", None), ("suspicious", None), ("all", WithheldCode.OCR_NEEDED)])
def test_quiet_image_needs_a_recogniser_only_where_all_are_read(search: str, code: WithheldCode | None) -> None:
    """A policy that wants every image read is not satisfied by rules."""
    assert refusal_of(dicom(CLEAN), search) is code


def test_rules_alone_never_ask_the_recogniser(blind_ocr: list[int]) -> None:
    """A site may prefer to withhold whatever looks like text."""
    assert refusal_of(dicom(WITH_TEXT), "rules") is WithheldCode.OCR_NEEDED
    assert blind_ocr == []


def test_suspicious_image_without_readable_text_passes(blind_ocr: list[int]) -> None:
    """Suspicion is no verdict: the recogniser decides, and is told where to look."""
    assert refusal_of(dicom(WITH_TEXT)) is None
    assert len(blind_ocr) == 1
    assert blind_ocr[0] > 0


def test_all_images_are_read_where_the_policy_says_so(blind_ocr: list[int]) -> None:
    """Also those in which the rules see nothing."""
    assert refusal_of(dicom(CLEAN)) is None
    assert refusal_of(dicom(CLEAN), "all") is None
    assert blind_ocr == [0]


@pytest.mark.usefixtures("without_ocr")
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_every_uncompressed_syntax_is_looked_at(syntax: str) -> None:
    """Byte order is that of the file."""
    order = ">u2" if syntax == ExplicitVRBigEndian else "<u2"
    assert refusal_of(dicom(WITH_TEXT.astype(order), syntax=syntax)) is WithheldCode.OCR_NEEDED
    assert refusal_of(dicom(CLEAN.astype(order), syntax=syntax)) is None


@pytest.mark.usefixtures("without_ocr")
@pytest.mark.parametrize(("bits", "signed"), [(8, 0), (16, 1), (32, 0), (32, 1)])
def test_words_of_every_size_are_looked_at(bits: int, signed: int) -> None:
    """8 to 32 bits, signed or not."""
    kind = f"<{'i' if signed else 'u'}{bits // 8}"
    header = {"BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": signed}
    for image, code in ((WITH_TEXT, WithheldCode.OCR_NEEDED), (CLEAN, None)):
        words = (image // 16 if bits == 8 else image).astype(kind)
        assert refusal_of(dicom(words, **header)) is code


@pytest.mark.usefixtures("without_ocr")
def test_every_frame_is_looked_at() -> None:
    """A text in the last frame of an enhanced image withholds it."""
    content = CLEAN.tobytes() + WITH_TEXT.tobytes()
    dataset = enhanced(Rows=SIDE, Columns=SIDE, PixelData=content)
    assert refusal_of(dcmread(BytesIO(file_bytes(dataset)))) is WithheldCode.OCR_NEEDED


@pytest.mark.usefixtures("without_ocr")
def test_binary_label_map_is_not_looked_at() -> None:
    """One bit a pixel holds no ink that differs from its ground."""
    bits = np.packbits(WITH_TEXT.ravel() > 2000, bitorder="little")
    assert refusal_of(dicom(bits, BitsAllocated=1, BitsStored=1, HighBit=0)) is None


@pytest.mark.usefixtures("without_ocr")
def test_run_length_frames_are_decoded_one_by_one() -> None:
    """The reader alone decodes RLE; the file's own elements stay as they were."""
    for image, code in ((WITH_TEXT, WithheldCode.OCR_NEEDED), (CLEAN, None)):
        plain = dicom(image)
        plain.compress(RLELossless, generate_instance_uid=False)
        dataset = dcmread(BytesIO(file_bytes(plain, transfer_syntax=RLELossless)))
        assert refusal_of(dataset) is code
        assert all(isinstance(dataset.get_item(tag), RawDataElement) for tag in (0x00280010, 0x7FE00010))


@pytest.mark.usefixtures("without_ocr")
def test_pixels_that_nothing_decodes_are_withheld() -> None:
    """A frame that is not what its transfer syntax says cannot be looked at."""
    damaged = dicom(CLEAN, syntax=JPEGLSLossless, PixelData=encapsulate([b"\xff\xd8no image at all\xff\xd9"]))
    assert refusal_of(damaged) is WithheldCode.PIXELS_UNDECODABLE


def test_pixels_without_decoder_are_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no plug-in is installed, pydicom raises RuntimeError."""

    def no_plugin(*_: object, **__: object) -> None:
        raise RuntimeError("missing dependencies")

    monkeypatch.setattr(burned_in, "iter_pixels", no_plugin)
    compressed = dicom(CLEAN, syntax=JPEGLSLossless, PixelData=encapsulate([b"\xff\xd8\xff\xd9"]))
    assert refusal_of(compressed) is WithheldCode.PIXELS_UNDECODABLE


@needs_ocr
def test_name_in_the_pixels_is_read() -> None:
    """The recogniser itself reads a name of 12 pixels, whatever the ink, and turned by a quarter."""
    assert refusal_of(dicom(WITH_TEXT)) is WithheldCode.BURNED_IN_TEXT
    assert refusal_of(dicom(np.ascontiguousarray(np.rot90(WITH_TEXT)))) is WithheldCode.BURNED_IN_TEXT
    assert refusal_of(dicom(pixels(text="MRN-884422", ink=1800))) is WithheldCode.BURNED_IN_TEXT


@needs_ocr
def test_image_without_text_is_released_by_the_recogniser() -> None:
    """Every image read, and nothing found in a disc with noise."""
    assert refusal_of(dicom(CLEAN), "all") is None
