"""Objects that no one may let out: structured reports, PDF, captures, presentation states, screen saves, DICOMDIR."""

from __future__ import annotations

import zlib

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from planted.draft import Draft
from planted.images import Study, classic, start
from planted.made_up import MadeUp, Value
from planted.plants import Category, Fate, Kind, Place
from planted.rest import burned_in, burned_in_text

REPORT, PDF, CAPTURE, PRESENTATION, DIRECTORY = (
    "1.2.840.10008.5.1.4.1.1.88.33",
    "1.2.840.10008.5.1.4.1.1.104.1",
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.11.1",
    "1.2.840.10008.1.3.10",
)


def report(made: MadeUp, *, name: str, charset: str) -> Draft:
    """A structured report: names, dates, texts and references in its tree of content (PS3.3 A.35)."""
    draft = start(made, Study.of(made, charset=charset), name=name, iod=REPORT)
    draft.fate, draft.dataset.Modality = Fate.WITHHELD, "SR"
    draft.dataset.ValueType, draft.dataset.ContinuityOfContent = "CONTAINER", "SEPARATE"
    draft.dataset.CompletionFlag, draft.dataset.VerificationFlag = "COMPLETE", "VERIFIED"
    draft.plant("ContentDate", Category.REPORT)
    observer, at = draft.item("VerifyingObserverSequence")
    for keyword in ("VerifyingObserverName", "VerifyingOrganization", "VerificationDateTime"):
        draft.plant(keyword, Category.REPORT, into=observer, at=at)
    parent: Dataset | None = None
    path: Place = ()
    for _ in range(3):
        container, container_at = draft.item("ContentSequence", into=parent, at=path)
        container.RelationshipType, container.ValueType = "CONTAINS", "CONTAINER"
        for kind, keyword in (
            ("PNAME", "PersonName"),
            ("TEXT", "TextValue"),
            ("DATE", "Date"),
            ("UIDREF", "UID"),
            ("DATETIME", "DateTime"),
        ):
            leaf, leaf_at = draft.item("ContentSequence", into=container, at=container_at)
            leaf.RelationshipType, leaf.ValueType = "HAS OBS CONTEXT", kind
            draft.plant(keyword, Category.REPORT, into=leaf, at=leaf_at)
        parent, path = container, container_at
    return draft


def pdf(made: MadeUp, *, name: str) -> Draft:
    """A PDF with a plain line, a packed line, a title and the same in the header."""
    draft = start(made, Study.of(made), name=name, iod=PDF)
    draft.fate, draft.dataset.Modality = Fate.WITHHELD, "DOC"
    draft.dataset.ConversionType, draft.dataset.MIMETypeOfEncapsulatedDocument = "WSD", "application/pdf"
    plain, packed, title = made.word(), made.word(), made.word()
    stream = zlib.compress(f"BT /F1 12 Tf ({packed}) Tj ET".encode())
    document = (
        b"%PDF-1.4\n1 0 obj <</Title ("
        + title.encode()
        + b")>> endobj\n"
        + (
            b"2 0 obj <</Length 40>> stream\nBT ("
            + plain.encode()
            + b") Tj ET\nendstream endobj\n"
            + b"3 0 obj <</Filter /FlateDecode>> stream\n"
            + stream
            + b"\nendstream endobj\n%%EOF\n"
        )
    )
    draft.dataset.add_new("EncapsulatedDocument", "OB", document)
    for needle in (plain, packed, title):
        draft.note(Category.PDF, Value(needle, Kind.TEXT, (needle,)), place=(0x00420011,))
    draft.plant("DocumentTitle", Category.PDF)
    return draft


def capture(made: MadeUp, *, name: str, number: int) -> Draft:
    """A secondary capture, or an MR image that is a screen save, with the patient's name in its pixels."""
    draft = classic(made, Study.of(made), name=name, size=128)
    burned_in(draft, text=burned_in_text(draft, number), x=4, y=50)
    if number % 2:
        draft.dataset.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]
    else:
        draft.dataset.SOPClassUID, draft.dataset.ConversionType = CAPTURE, "WSD"
    for keyword in ("SecondaryCaptureDeviceID", "DateOfSecondaryCapture", "ImageComments"):
        draft.plant(keyword, Category.CAPTURE)
    return draft


def presentation(made: MadeUp, *, name: str, charset: str) -> Draft:
    """A presentation state whose annotations name people (PS3.3 A.33)."""
    draft = start(made, Study.of(made, charset=charset), name=name, iod=PRESENTATION)
    draft.fate, draft.dataset.Modality, draft.dataset.ContentLabel = Fate.WITHHELD, "PR", "STATE"
    for keyword in ("ContentDescription", "ContentCreatorName", "PresentationCreationDate"):
        draft.plant(keyword, Category.PRESENTATION)
    annotation, at = draft.item("GraphicAnnotationSequence")
    annotation.GraphicLayer = "LAYER1"
    for _ in range(2):
        text, text_at = draft.item("TextObjectSequence", into=annotation, at=at)
        text.AnchorPointAnnotationUnits, text.AnchorPoint, text.AnchorPointVisibility = "PIXEL", [1.0, 1.0], "Y"
        draft.plant("UnformattedTextValue", Category.PRESENTATION, into=text, at=text_at)
    layer, layer_at = draft.item("GraphicLayerSequence")
    layer.GraphicLayer, layer.GraphicLayerOrder = "LAYER1", 1
    draft.plant("GraphicLayerDescription", Category.PRESENTATION, into=layer, at=layer_at)
    return draft


def directory(made: MadeUp, *, name: str) -> Draft:
    """A DICOMDIR with a patient's, a study's and an image's record (PS3.3 F.3)."""
    study = Study.of(made)
    draft = Draft(made, Dataset(), name, study.patient_id, study.year, fate=Fate.WITHHELD)
    draft.meta = {"MediaStorageSOPClassUID": DIRECTORY, "MediaStorageSOPInstanceUID": made.uid()}
    draft.note(
        Category.DIRECTORY, Value("", Kind.TEXT, (str(draft.meta["MediaStorageSOPInstanceUID"]),)), place=(0x00020003,)
    )
    draft.plant("FileSetID", Category.DIRECTORY)
    draft.dataset.FileSetConsistencyFlag = 0
    draft.dataset.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
    draft.dataset.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 0
    draft.dataset.DirectoryRecordSequence = Sequence([])
    records = {
        "PATIENT": ("PatientName", "PatientID"),
        "STUDY": ("StudyDescription", "StudyInstanceUID", "AccessionNumber"),
        "SERIES": ("SeriesInstanceUID", "PerformingPhysicianName"),
        "IMAGE": ("ReferencedSOPInstanceUIDInFile",),
    }
    for kind, keywords in records.items():
        item, at = draft.item("DirectoryRecordSequence")
        item.OffsetOfTheNextDirectoryRecord, item.RecordInUseFlag, item.OffsetOfReferencedLowerLevelDirectoryEntity = (
            0,
            0xFFFF,
            0,
        )
        item.DirectoryRecordType = kind
        for keyword in keywords:
            draft.plant(keyword, Category.DIRECTORY, into=item, at=at)
    return draft


def make_documents(made: MadeUp, *, charset: str, number: int) -> list[Draft]:
    """One of each."""
    name = f"documents/{number:03d}"
    return [
        report(made, name=f"{name}-report.dcm", charset=charset),
        pdf(made, name=f"{name}-pdf.dcm"),
        capture(made, name=f"{name}-capture.dcm", number=0),
        capture(made, name=f"{name}-screen.dcm", number=1),
        presentation(made, name=f"{name}-state.dcm", charset=charset),
        directory(made, name=f"{name}/DICOMDIR"),
    ]
