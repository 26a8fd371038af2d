"""A reader's delivery brought into the data set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mids_factories import NOW, Kind, affine_ras, classic, write_deidentified
from pydicom import Dataset
from pydicom.filewriter import dcmwrite

from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.pseudonyms import pseudonym
from myofed_anonymization.uids import new_uid
from myofed_anonymization.withheld import WithheldError
from myofed_node.label_exchange.delivery import Reading
from myofed_node.label_exchange.seg_source import source_slices
from myofed_node.label_exchange.seg_write import SegOrigin, segmentation_bytes
from myofed_node.label_map import DrawnMap
from myofed_node.labels import HowDrawn, import_labels
from myofed_node.mids.convert import convert
from myofed_node.mids.nifti import write_nifti
from myofed_node.mids.validation.validate import validate
from myofed_schemas.deid import WithheldCode
from myofed_schemas.errors import MyofedError
from myofed_schemas.label_import import LabelImportReport

KEYS = SiteKeys(b"k" * 32)
PATIENT, ISSUER, SERIES, OTHER_SERIES = "P4711", "KIS", "1.2.3.4", "1.2.3.5"
HEADER = "file,table,patient_id,issuer,series_instance_uid"
ROW = f"map.nii.gz,muscles.tsv,{PATIENT},{ISSUER},{SERIES}"


def as_if_deidentified(patient: str, series: str) -> list[Dataset]:
    files = classic(Kind(patient=pseudonym(KEYS, issuer=ISSUER, patient_id=patient)))
    for dataset in files:
        dataset.SeriesInstanceUID = new_uid(KEYS, series)
        pixels = np.frombuffer(dataset.PixelData, dtype=np.uint16) + (series == OTHER_SERIES)
        dataset.PixelData = pixels.astype(np.uint16).tobytes()
    return files


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    files = as_if_deidentified(PATIENT, SERIES) + as_if_deidentified("P0815", OTHER_SERIES)
    convert(write_deidentified(tmp_path / "clean", files), tmp_path / "mids", now=NOW)
    return tmp_path / "mids"


def deliver(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    folder = tmp_path / "delivery"
    folder.mkdir(exist_ok=True)
    values = np.zeros((5, 4, 3), dtype=np.int16)
    values[2, 2, 1] = 4
    write_nifti(folder / "map.nii.gz", values, affine_ras())
    (folder / "muscles.tsv").write_text("value\tmuscle\tside\n4\tRF\tright\n")
    (folder / "labels.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


def imported(tmp_path: Path, dataset: Path, *rows: str) -> LabelImportReport:
    return import_labels(deliver(tmp_path, *rows), dataset, keys=KEYS, now=NOW)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (ROW.replace(PATIENT, "P9999"), "SUBJECT_UNKNOWN"),
        (ROW.replace(ISSUER, "RIS"), "SUBJECT_UNKNOWN"),
        (ROW.replace(SERIES, "9.9.9"), "SERIES_UNKNOWN"),
        (ROW.replace(SERIES, OTHER_SERIES), "SERIES_OF_ANOTHER_SUBJECT"),
        (ROW.replace("map.nii.gz", "../map.nii.gz"), "LABEL_FILE_MISSING"),
        (ROW.replace("map.nii.gz", "lost.nii.gz"), "LABEL_FILE_MISSING"),
        (ROW.replace("muscles.tsv", ""), "LABEL_FILE_MISSING"),
    ],
)
def test_row_that_leads_nowhere_is_refused_and_the_next_goes_on(
    tmp_path: Path, dataset: Path, row: str, code: str
) -> None:
    """Wrong patient, issuer, series or file: a code for this row, an import for the other."""
    report = imported(tmp_path, dataset, row, ROW)
    assert [(r.outcome, r.code) for r in report.rows] == [("refused", code), ("imported", None)]
    assert not report.complete


@pytest.mark.parametrize(
    ("header", "rows"), [("file,table", ["a,b"]), (HEADER, [f"{ROW},more"]), (f"{HEADER},name", [f"{ROW},Max"])]
)
def test_delivery_with_other_columns_is_refused_whole(
    tmp_path: Path, dataset: Path, header: str, rows: list[str]
) -> None:
    """A column nobody asked for may hold a name; nothing is imported."""
    with pytest.raises(MyofedError) as refusal:
        import_labels(deliver(tmp_path, *rows, header=header), dataset, keys=KEYS, now=NOW)
    assert refusal.value.code == "LABELS_CSV_INVALID"
    assert not (dataset / "derivatives").exists()


def test_delivery_without_its_list_is_refused(tmp_path: Path, dataset: Path) -> None:
    """Without labels.csv nobody knows whose the maps are."""
    with pytest.raises(MyofedError) as refusal:
        import_labels(tmp_path, dataset, keys=KEYS, now=NOW)
    assert refusal.value.code == "LABELS_CSV_MISSING"


def test_original_identifiers_stand_nowhere_afterwards(tmp_path: Path, dataset: Path) -> None:
    """Neither the report nor any file of the data set holds what the delivery was addressed by."""
    report = imported(tmp_path, dataset, ROW)
    written = b"".join(path.read_bytes() for path in dataset.rglob("*") if path.is_file())
    for identifier in (PATIENT, SERIES, "map.nii.gz"):
        assert identifier not in report.model_dump_json()
        assert identifier.encode() not in written


def test_label_map_lies_beside_its_image_and_conforms(tmp_path: Path, dataset: Path) -> None:
    """derivatives/labels mirrors the image's folder and name; the validator finds nothing."""
    report = imported(tmp_path, dataset, ROW)
    assert report.complete
    path = report.rows[0].path or ""
    assert path.startswith("derivatives/labels/sub-")
    assert (dataset / path.removeprefix("derivatives/labels/").replace("_dseg", "")).is_file()
    assert validate(dataset).findings == ()


def test_second_import_changes_nothing(tmp_path: Path, dataset: Path) -> None:
    """A killed import is run again."""
    first = imported(tmp_path, dataset, ROW)
    before = {p: p.read_bytes() for p in dataset.rglob("*") if p.is_file()}
    assert imported(tmp_path, dataset, ROW) == first
    assert {p: p.read_bytes() for p in dataset.rglob("*") if p.is_file()} == before


def test_row_may_name_a_tools_scheme_and_a_segmentation(tmp_path: Path, dataset: Path) -> None:
    """A file of that name goes first; a SEG refers to the original series, which the site's key translates."""
    folder = deliver(
        tmp_path, ROW.replace("muscles.tsv", "musclemap"), ROW.replace("map.nii.gz,muscles.tsv", "seg.dcm,dicom-seg")
    )
    values = np.zeros((5, 4, 3), dtype=np.int16)
    values[2, 2, 1] = 7132
    write_nifti(folder / "map.nii.gz", values, affine_ras())
    (tmp_path / "source").mkdir()
    for number, file in enumerate(as_if_deidentified(PATIENT, SERIES)):
        file.SeriesInstanceUID, file.FrameOfReferenceUID = SERIES, "1.2.3"
        for keyword in ("StudyDate", "StudyTime", "AccessionNumber", "PatientName", "PatientBirthDate", "PatientSex"):
            setattr(file, keyword, "")
        file.ReferringPhysicianName = file.StudyID = ""
        dcmwrite(tmp_path / "source" / f"{number}.dcm", file, enforce_file_format=True)
    slices = source_slices(tmp_path / "source", affine_ras(), (5, 4, 3), series_uids=[SERIES])
    drawn = DrawnMap(values, affine_ras(), (7132,), (7132,))
    content = segmentation_bytes(drawn, slices, origin=SegOrigin("manual", "table"), now=NOW)
    (folder / "seg.dcm").write_bytes(content)
    report = import_labels(folder, dataset, keys=KEYS, now=NOW)
    assert [(row.outcome, row.labels) for row in report.rows] == [("imported", 1), ("imported", 1)]
    assert report.rows[0].sha256 == report.rows[1].sha256
    (folder / "musclemap").write_text("value\tname\n7132\tsoleus left\n")
    assert [row.code for row in import_labels(folder, dataset, keys=KEYS, now=NOW).rows] == ["LABEL_EXISTS", None]


def test_what_holds_for_all_rows_is_said_once(tmp_path: Path, dataset: Path) -> None:
    """What a person agreed to drop, and how the maps were made."""
    folder = deliver(tmp_path, ROW.replace("muscles.tsv", "musclemap"))
    values = np.zeros((5, 4, 3), dtype=np.int16)
    values[2, 2, 1], values[0, 0, 0] = 7132, 6171
    write_nifti(folder / "map.nii.gz", values, affine_ras())
    assert [row.code for row in import_labels(folder, dataset, keys=KEYS, now=NOW).rows] == ["LABEL_NOT_MUSCLE"]
    how = HowDrawn(Reading("table", ignored=("bone",)), "automatic")
    report = import_labels(folder, dataset, keys=KEYS, now=NOW, how=how)
    path = dataset / str(report.rows[0].path)
    assert json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())["LabelOrigin"] == "automatic"


def test_list_that_is_no_text_is_refused(tmp_path: Path, dataset: Path) -> None:
    """Nothing of the delivery is imported."""
    folder = deliver(tmp_path)
    (folder / "labels.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MyofedError) as refusal:
        import_labels(folder, dataset, keys=KEYS, now=NOW)
    assert refusal.value.code == "LABELS_CSV_INVALID"


def test_patient_whom_the_third_party_does_not_know_is_refused(tmp_path: Path, dataset: Path) -> None:
    """By code alone."""

    class NobodyKnown:
        def label(self, *, issuer: str, patient_id: str) -> str:
            raise WithheldError(next(iter(WithheldCode)))

    report = import_labels(deliver(tmp_path, ROW), dataset, keys=KEYS, now=NOW, pseudonyms=NobodyKnown())  # type: ignore[arg-type]
    assert [row.code for row in report.rows] == ["SUBJECT_UNKNOWN"]
