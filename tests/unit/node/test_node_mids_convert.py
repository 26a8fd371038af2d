"""De-identified DICOM in, ORMIR-MIDS out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mids_factories import NOW, Kind, affine_ras, classic, enhanced, stored, write_deidentified
from pydicom import Dataset, dcmread
from side_record_factories import write_side_records

from myofed_anonymization import SiteKeys, default_policy, deidentify
from myofed_node.mids import convert as conversion
from myofed_node.mids import series_writer
from myofed_node.mids.convert import ConvertOptions, convert
from myofed_node.mids.nifti import read_nifti
from myofed_node.mids.validation.validate import validate
from myofed_schemas.conversion import ConversionReport
from myofed_schemas.errors import MyofedError

PHASE = ("ORIGINAL", "PRIMARY", "P", "ND")
SIEMENS_PHASE = {"RescaleSlope": "2", "RescaleIntercept": "-4096"}


def converted(tmp_path: Path, files: list[Dataset], options: ConvertOptions | None = None) -> ConversionReport:
    return convert(write_deidentified(tmp_path / "clean", files), tmp_path / "mids", now=NOW, options=options)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_tampered_file_stops_the_conversion(tmp_path: Path) -> None:
    """Nothing is made of a folder that is not as it was verified."""
    folder = write_deidentified(tmp_path / "clean", classic())
    victim = next(folder.rglob("*.dcm"))
    victim.write_bytes(victim.read_bytes() + b"\0\0")
    with pytest.raises(MyofedError) as refusal:
        convert(folder, tmp_path / "mids", now=NOW)
    assert refusal.value.code == "DEID_FILE_CHANGED"
    assert not list((tmp_path / "mids").rglob("*.nii.gz"))


def three_sessions() -> list[Dataset]:
    return [one for study in (1, 2, 3) for series in (1, 2) for one in classic(Kind(study=study, series=series))]


def test_sessions_worked_on_at_the_same_time_come_out_as_one_after_the_other(tmp_path: Path) -> None:
    """In this process; each series is told once, one at a time."""
    clean = write_deidentified(tmp_path / "clean", three_sessions())
    reports = []
    for processes in (1, 2, 8):
        told: list[tuple[int, int]] = []
        options = ConvertOptions(processes=processes)
        out = tmp_path / str(processes)
        reports.append(
            convert(clean, out, now=NOW, options=options, progress=lambda *done, told=told: told.append(done))
        )
        assert told == [(done, 6) for done in range(1, 7)]
        assert tree(out) == tree(tmp_path / "1")
    assert reports[1:] == reports[:1] * 2


def test_no_image_is_written_before_the_data_set_says_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is killed leaves a folder that the next one knows for ours, or an empty one."""

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(conversion, "write_description", full)
    with pytest.raises(OSError, match="No space left"):
        converted(tmp_path, three_sessions())
    assert tree(tmp_path / "mids") == {}


def test_series_that_lost_files_to_deidentification_is_quarantined(tmp_path: Path) -> None:
    """A series without its last slices looks whole; the caller knows better."""
    files = classic()
    report = converted(tmp_path, files, ConvertOptions(incomplete=frozenset({str(files[0].SeriesInstanceUID)})))
    assert [(s.outcome, s.code) for s in report.series] == [("quarantined", "SERIES_INCOMPLETE")]


def test_a_segmentation_object_is_skipped(tmp_path: Path) -> None:
    """A label map is no image: nothing of it is written, and its series has a reason."""
    files = classic()
    for file in files:
        file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    series = converted(tmp_path, files).series[0]
    assert (series.outcome, series.code) == ("skipped", "SEGMENTATION_OBJECT")


def test_head_is_held_only_where_the_site_says_so(tmp_path: Path) -> None:
    """hold_head is a site's intake policy; conversion itself converts heads."""
    files = classic(Kind(extra={"BodyPartExamined": "HEAD"}))
    assert converted(tmp_path / "a", files).series[0].outcome == "converted"
    assert converted(tmp_path / "b", files, ConvertOptions(hold_head=True)).series[0].code == "HEAD_HELD_FOR_REVIEW"


def test_series_whose_proof_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A converter that wrote something else than was stored says so, and what it wrote is gone."""
    honest = series_writer.voxels

    def flipped(*args, **kwargs):
        made = honest(*args, **kwargs)
        return type(made)(np.ascontiguousarray(made.values[::-1]), made.scaling)

    monkeypatch.setattr(series_writer, "voxels", flipped)
    report = converted(tmp_path, classic())
    assert report.series[0].code == "WRITTEN_VALUES_DIFFER"
    assert not list((tmp_path / "mids").rglob("*MEGRE*"))


def test_every_series_has_exactly_one_outcome(tmp_path: Path) -> None:
    """Converted, skipped and quarantined stand side by side, each with its reason."""
    files = [
        *classic(Kind(series=1)),
        *classic(Kind(series=2, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))),
        *classic(Kind(series=3, echo_times_ms=(11.0, 92.0), extra={"ScanningSequence": "SE"})),
    ]
    report = converted(tmp_path, files)
    assert [(s.number, s.outcome, s.code) for s in report.series] == [
        (1, "converted", None),
        (2, "skipped", "LOCALIZER"),
        (3, "quarantined", "DUAL_ECHO_SPIN_ECHO"),
    ]


def test_voxels_and_geometry_are_the_truth(tmp_path: Path) -> None:
    """Oblique, anisotropic, several slices and echoes: world space within 1e-3 mm, values as stored."""
    report = converted(tmp_path, classic())
    image = read_nifti(tmp_path / "mids" / report.series[0].images[0].path)
    assert np.allclose(image.affine, affine_ras(), atol=1e-3)
    for k in range(3):
        for echo in range(2):
            assert np.array_equal(np.asarray(image.dataobj)[:, :, k, echo].T, stored(k, echo))
    assert report.series[0].images[0].voxels_checked == 4 * 5 * 3 * 2


def test_enhanced_object_with_changing_slopes_is_right(tmp_path: Path) -> None:
    """Per-frame rescale of an Enhanced object, slices in reverse order in the file."""
    report = converted(tmp_path, [enhanced()])
    image = read_nifti(tmp_path / "mids" / report.series[0].images[0].path)
    assert np.allclose(image.affine, affine_ras(), atol=1e-3)
    for k in range(3):
        assert np.allclose(np.asarray(image.dataobj)[:, :, k, 1].T, stored(k, 1) * (1.0 + k))
    sidecar = json.loads((tmp_path / "mids" / report.series[0].images[0].sidecar).read_bytes())
    assert sidecar["Provenance"]["ValueScaling"] == "rescale"


def test_second_call_gives_the_same_bytes(tmp_path: Path) -> None:
    """Run again after a kill or for safety: the same data set, no run-2."""
    files = classic() + classic(Kind(series=2, image_type=PHASE, extra=SIEMENS_PHASE))
    first = converted(tmp_path, files)
    before = tree(tmp_path / "mids")
    assert convert(tmp_path / "clean", tmp_path / "mids", now=NOW) == first
    assert tree(tmp_path / "mids") == before


def test_image_without_its_sidecar_is_written_again(tmp_path: Path) -> None:
    """The sidecar comes last: a kill before it leaves an image that does not count."""
    report = converted(tmp_path, classic())
    before = tree(tmp_path / "mids")
    (tmp_path / "mids" / report.series[0].images[0].sidecar).unlink()
    convert(tmp_path / "clean", tmp_path / "mids", now=NOW)
    assert tree(tmp_path / "mids") == before


def test_later_series_joins_the_session_as_run_2(tmp_path: Path) -> None:
    """A data set grows, and what is there is not touched."""
    converted(tmp_path, classic())
    before = tree(tmp_path / "mids")
    later = write_deidentified(tmp_path / "later", classic(Kind(series=2)))
    report = convert(later, tmp_path / "mids", now=NOW)
    assert "_run-2_MEGRE" in report.series[0].images[0].path
    assert before.items() <= tree(tmp_path / "mids").items()


def test_two_patients_and_two_studies_get_their_own_folders(tmp_path: Path) -> None:
    """Subject by PatientID, session by study; the table of participants names both."""
    files = [*classic(), *classic(Kind(patient="SUBJECTB")), *classic(Kind(study=2))]
    converted(tmp_path, files)
    sessions = sorted(
        str(p.relative_to(tmp_path / "mids")).split("/")[0] for p in (tmp_path / "mids").glob("sub-*/ses-*")
    )
    assert sessions == ["sub-SUBJECTA", "sub-SUBJECTA", "sub-SUBJECTB"]
    table = (tmp_path / "mids" / "participants.tsv").read_text()
    assert table == "participant_id\nsub-SUBJECTA\nsub-SUBJECTB\n"


def test_phase_lies_within_half_a_turn(tmp_path: Path) -> None:
    """part-phase in the name, radians in the voxels."""
    report = converted(tmp_path, classic(Kind(image_type=PHASE, extra=SIEMENS_PHASE)))
    image = report.series[0].images[0]
    assert image.path.endswith("_part-phase_MEGRE.nii.gz")
    values = np.asarray(read_nifti(tmp_path / "mids" / image.path).dataobj)
    assert np.abs(values).max() <= np.float32(np.pi)


def test_what_is_written_conforms(tmp_path: Path) -> None:
    """Our converter passes our validator without a finding."""
    converted(tmp_path, classic())
    report = validate(tmp_path / "mids")
    assert report.checks > 0
    assert report.findings == ()


def test_numbers_of_the_side_record_arrive_beside_the_image(tmp_path: Path) -> None:
    """What de-identification took from the vendor's blob is in the image's JSON, and the data set conforms."""
    clean = write_side_records(write_deidentified(tmp_path / "clean", classic()), {"ucReadOutMode": (2.0,)})
    (series,) = convert(clean, tmp_path / "mids", now=NOW).series
    content = json.loads((tmp_path / "mids" / series.images[0].sidecar).read_bytes())
    assert (content["ReadoutMode"], series.images[0].suffix) == ("Bipolar", "MEGRE")
    assert not validate(tmp_path / "mids").findings


@pytest.mark.real_data
def test_a_real_blob_tells_its_readout_mode_beside_the_image(tmp_path: Path, shared_data: Path) -> None:
    """From the Siemens protocol through de-identification and side record to the JSON; nothing of the patient comes along."""
    source = shared_data / "dicom" / "siemens_gre_2echo_mag"
    report = deidentify(source, tmp_path / "clean", keys=SiteKeys(bytes(32)), policy=default_policy(), now=NOW)
    (name,) = report.side_records
    record = (tmp_path / "clean" / name).read_text()
    header = dcmread(min(source.iterdir()), stop_before_pixels=True)
    identifying = [
        str(header.get(keyword) or "") for keyword in ("StudyDate", "DeviceSerialNumber", "SeriesInstanceUID")
    ]
    assert [value for value in identifying if not value or value in record] == []
    (series,) = convert(tmp_path / "clean", tmp_path / "mids", now=NOW).series
    content = json.loads((tmp_path / "mids" / series.images[0].sidecar).read_bytes())
    assert content["ReadoutMode"] == "Monopolar"
