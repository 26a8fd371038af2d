"""The rest of a file: preamble, file meta, padding, overlays, curves, icons, signatures, names, UIDs, pixels."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from planted.draft import Draft, trailing_padding
from planted.images import Study, classic
from planted.made_up import MadeUp, Value
from planted.plants import Category, Fate, Kind

FONT_PIXELS = 18


def meta(draft: Draft) -> None:
    """Preamble, AE title, private information of the file meta, and padding behind the data set hold values."""
    made = draft.made
    words = [made.word() for _ in range(3)]
    title, source, creator, noise = made.word().upper(), made.word().upper(), made.uid(), made.noise(32)
    address = made.word().lower()
    draft.tail = trailing_padding(noise)
    draft.preamble = " ".join(words).encode().ljust(128, b"\0")
    draft.meta = {
        "SourceApplicationEntityTitle": title,
        "SendingApplicationEntityTitle": source,
        "SourcePresentationAddress": f"dicom://{address}.example",
        "PrivateInformationCreatorUID": creator,
        "PrivateInformation": words[2].encode() + made.noise(16),
    }
    for needle in (*words[:2], title, source, creator, address):
        draft.note(Category.META, Value(needle, Kind.TEXT, (needle,)))
    draft.note(Category.META, Value(words[2], Kind.TEXT, (words[2],)))
    draft.note(Category.META, Value(noise, Kind.BYTES, (noise[:16],)))


def overlay(draft: Draft, *, group: int) -> None:
    """A graphic overlay with bits of its own, a label and a description (PS3.3 C.9.2)."""
    dataset, size = draft.dataset, draft.dataset.Rows
    for element, vr, value in (
        (0x0010, "US", size),
        (0x0011, "US", size),
        (0x0040, "CS", "G"),
        (0x0050, "SS", [1, 1]),
        (0x0100, "US", 1),
        (0x0102, "US", 0),
    ):
        dataset.add_new((group << 16) | element, vr, value)
    noise = draft.made.noise(size * size // 8)
    draft.plant((group << 16) | 0x3000, Category.OVERLAY, vr="OW", value=Value(noise, Kind.BYTES, (noise[:16],)))
    draft.plant((group << 16) | 0x1500, Category.OVERLAY, vr="LO")
    draft.plant((group << 16) | 0x0022, Category.OVERLAY, vr="LO")
    draft.plant((group << 16) | 0x4000, Category.OVERLAY, vr="LT")


def curve(draft: Draft, *, group: int) -> None:
    """A retired curve: its data, description and labels."""
    draft.dataset.add_new((group << 16) | 0x0005, "US", 2)
    for element, vr in ((0x0022, "LO"), (0x0030, "SH"), (0x2500, "LO"), (0x3000, "OW")):
        draft.plant((group << 16) | element, Category.CURVE, vr=vr)


def icon(draft: Draft) -> None:
    """An icon image that shows what was there before."""
    item, at = draft.item("IconImageSequence")
    item.SamplesPerPixel, item.PhotometricInterpretation = 1, "MONOCHROME2"
    item.Rows = item.Columns = 16
    item.BitsAllocated = item.BitsStored = 8
    item.HighBit, item.PixelRepresentation = 7, 0
    noise = draft.made.noise(256)
    draft.plant("PixelData", Category.ICON, into=item, at=at, vr="OB", value=Value(noise, Kind.BYTES, (noise[:16],)))


def signature(draft: Draft) -> None:
    """A digital signature with its signer's certificate, and the MAC parameters it needs (PS3.3 C.12.1.1.3)."""
    mac, _ = draft.item("MACParametersSequence")
    mac.MACIDNumber, mac.MACCalculationTransferSyntaxUID, mac.MACAlgorithm = 1, "1.2.840.10008.1.2.1", "SHA256"
    item, at = draft.item("DigitalSignaturesSequence")
    item.MACIDNumber, item.CertificateType = 1, "X509_1993_SIG"
    for keyword in ("DigitalSignatureUID", "DigitalSignatureDateTime", "CertificateOfSigner", "Signature"):
        draft.plant(keyword, Category.SIGNATURE, into=item, at=at)


def uids(draft: Draft, *, count: int) -> None:
    """UIDs stand in texts too, and in places where no image is."""
    texts = (
        "ImageComments",
        "DerivationDescription",
        "SeriesDescription",
        "AdditionalPatientHistory",
        "PatientComments",
    )
    for keyword in texts[: max(2, count)]:
        uid = draft.made.uid()
        draft.plant(keyword, Category.UID_TEXT, value=Value(f"from {uid}", Kind.TEXT, (uid,)))
    for keyword in ("SourceImageSequence", "ReferencedImageSequence", "ReferencedStudySequence"):
        item, _ = draft.item(keyword)
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", draft.made.uid()
    draft.dataset.IrradiationEventUID = draft.made.uid()
    draft.dataset.ConcatenationUID = draft.made.uid()


def burned_in(draft: Draft, *, text: str, x: int, y: int) -> None:
    """The text stands in the pixels at their highest value; such a file must not come out as it is."""
    dataset = draft.dataset
    pixels = np.frombuffer(dataset.PixelData, "<u2").reshape(dataset.Rows, dataset.Columns).copy()
    canvas = Image.new("L", (dataset.Columns, dataset.Rows))
    ImageDraw.Draw(canvas).text((x, y), text, fill=255, font=ImageFont.load_default(FONT_PIXELS))
    pixels[np.asarray(canvas) > 127] = 4095
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    draft.fate = Fate.WITHHELD
    draft.note(Category.BURNED_IN, Value(text, Kind.PIXELS, ()))


def burned_in_text(draft: Draft, number: int) -> str:
    """What a burned-in line of a patient says."""
    name = str(draft.dataset.PatientName).split("=", maxsplit=1)[0]
    family, _, given = name.partition("^")
    return (f"{family}, {given}", str(draft.dataset.PatientID), f"{family} {draft.dataset.StudyDate}", family.upper())[
        number % 4
    ]


def make_rest(made: MadeUp, *, scale: float, charset: str, number: int) -> list[Draft]:
    """One file for each place outside the header, with names that say who it is."""
    name = f"rest/{number:03d}"
    studies = [Study.of(made, charset=charset) for _ in range(6)]
    drafts = [classic(made, study, name=f"{name}-{n}.dcm") for n, study in enumerate(studies)]
    meta(drafts[0])
    for group in (0x6000, 0x6002, 0x601E):
        overlay(drafts[1], group=group)
    for group in (0x5000, 0x500E):
        curve(drafts[2], group=group)
    icon(drafts[3])
    signature(drafts[3])
    uids(drafts[4], count=round(5 * scale))
    folder, file, code = made.word(), made.word(), made.digits()
    drafts[5].name = f"rest/{folder}_{code}/{file}.dcm"
    for needle in (folder, file, code):
        drafts[5].note(Category.FILE_NAME, Value(needle, Kind.TEXT, (needle,)))
    return drafts


def make_burned_in(made: MadeUp, *, charset: str, number: int) -> list[Draft]:
    """Images with text in the pixels: without any mark, with BurnedInAnnotation, and as screen saves."""
    drafts = []
    for place in range(3):
        size = (128, 160, 192)[(number + place) % 3]
        draft = classic(made, Study.of(made), name=f"burned/{number:03d}-{place}.dcm", size=size)
        corner = ((4, 4), (4, size - 24), (size // 5, size // 2))[place]
        burned_in(draft, text=burned_in_text(draft, number + place), x=corner[0], y=corner[1])
        if place == 2 and number % 3 == 1:
            draft.dataset.BurnedInAnnotation = "YES"
        drafts.append(draft)
    return drafts
