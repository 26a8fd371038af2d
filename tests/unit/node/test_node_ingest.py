"""From DICOM as it left the scanner to a validated data set."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest
from mids_factories import NOW, Kind
from pydicom.filewriter import dcmwrite
from scanner_export import export, scanner_files

from myofed_anonymization.keys import SiteKeys
from myofed_anonymization.policy import default_policy
from myofed_node import ingest as ingest_module
from myofed_node.ingest import IngestPolicy, ingest
from myofed_node.mids.judging.overrides import load_overrides
from myofed_schemas.conversion import REPORT_NAME, IngestReport
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

KEYS = SiteKeys(b"k" * 32)
POLICY = IngestPolicy(default_policy())


def run(source: Path, out: Path, policy: IngestPolicy = POLICY) -> IngestReport:
    return ingest(source, out, keys=KEYS, policy=policy, now=NOW)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    """Nobody's files are mixed with a data set, or lost."""
    source = export(tmp_path / "in", Kind())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(MyofedError) as refusal:
        run(source, tmp_path / "out")
    assert refusal.value.code == "OUT_NOT_EMPTY"
    assert tree(tmp_path / "out") == {"thesis.txt": b"mine"}


def test_source_that_is_not_there_or_holds_the_output_is_refused(tmp_path: Path) -> None:
    """A wrong path is a usage error."""
    source = export(tmp_path / "in", Kind())
    with pytest.raises(MyofedError) as refusal:
        run(tmp_path / "lost", tmp_path / "out")
    assert refusal.value.code == "SOURCE_MISSING"
    (tmp_path / "unmounted").mkdir()
    with pytest.raises(MyofedError) as refusal:
        run(tmp_path / "unmounted", tmp_path / "out")
    assert refusal.value.code == "SOURCE_EMPTY"
    with pytest.raises(MyofedError) as refusal:
        run(source, source / "out")
    assert refusal.value.code == "OUT_INSIDE_SOURCE"


def test_kill_in_the_middle_leaves_nothing_that_looks_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OUT appears when all is done; what a killed call left is removed by the next, which gives the usual result."""
    source = export(tmp_path / "in", Kind())
    whole = run(source, tmp_path / "whole")

    def killed(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ingest_module, "validate", killed)
        patch.setattr(ingest_module.shutil, "rmtree", lambda *_a, **_k: None)
        with pytest.raises(KeyboardInterrupt):
            run(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert (tmp_path / ".out.ingest").exists()
    assert run(source, tmp_path / "out") == whole
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    assert not (tmp_path / ".out.ingest").exists()


def test_series_that_lost_a_file_is_quarantined_whole(tmp_path: Path) -> None:
    """The last slice is withheld (burned-in annotation): without it the series would look complete."""
    source = export(tmp_path / "in", Kind())
    for victim in scanner_files(Kind())[:2]:
        victim.BurnedInAnnotation = "YES"
        dcmwrite(source / f"Identity_{victim.SOPInstanceUID}.dcm", victim, enforce_file_format=True)
    report = run(source, tmp_path / "out")
    assert [(s.outcome, s.code) for s in report.series] == [("quarantined", "SERIES_INCOMPLETE")]
    assert sorted({str(f.code) for f in report.files}) == ["BURNED_IN_ANNOTATION", "SERIES_INCOMPLETE"]
    assert {f.series for f in report.files} == {1}
    assert not report.complete


def test_every_file_has_exactly_one_outcome(tmp_path: Path) -> None:
    """Converted with paths, skipped and quarantined with a code; text files and localizers too."""
    source = export(
        tmp_path / "in",
        Kind(series=1),
        Kind(series=2, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"), echo_times_ms=(2.3,)),
        Kind(series=3, echo_times_ms=(11.0, 92.0), extra={"ScanningSequence": "SE"}),
    )
    (source / "notes.txt").write_text("Planted")
    report = run(source, tmp_path / "out")
    assert len(report.files) == 6 + 3 + 6 + 1
    assert all(bool(f.paths) == (f.outcome == "converted") == (f.code is None) for f in report.files)
    assert {(f.outcome, f.code) for f in report.files} == {
        ("converted", None),
        ("skipped", "LOCALIZER"),
        ("quarantined", "DUAL_ECHO_SPIN_ECHO"),
        ("skipped", "NOT_DICOM"),
    }
    assert (report.count("converted"), report.count("skipped"), report.count("quarantined")) == (1, 1, 1)


def test_report_on_disk_is_the_report_and_names_no_input(tmp_path: Path) -> None:
    """Inputs are numbers and digests; names of files, folders and people are nowhere."""
    report = run(export(tmp_path / "Planted_in", Kind()), tmp_path / "out")
    written = (tmp_path / "out" / REPORT_NAME).read_text()
    assert IngestReport.model_validate_json(written) == report
    everything = " ".join(tree(tmp_path / "out")) + written
    assert "Planted" not in everything
    assert "Identity" not in everything
    assert "SUBJECTA" not in everything


def test_second_call_leaves_the_result_as_it_is(tmp_path: Path) -> None:
    """The same inputs into the same OUT: the first report, the same bytes."""
    source = export(tmp_path / "in", Kind())
    first = run(source, tmp_path / "out")
    before = tree(tmp_path / "out")
    assert run(source, tmp_path / "out") == first
    assert tree(tmp_path / "out") == before


def test_other_inputs_never_replace_an_earlier_result(tmp_path: Path) -> None:
    """OUT belongs to the call that made it."""
    run(export(tmp_path / "a", Kind()), tmp_path / "out")
    with pytest.raises(MyofedError) as refusal:
        run(export(tmp_path / "b", Kind(patient="SUBJECTB")), tmp_path / "out")
    assert refusal.value.code == "OUT_NOT_EMPTY"


def test_head_is_held_at_a_sites_intake_only(tmp_path: Path) -> None:
    """Ingest --output converts heads; a site's policy may hold them."""
    source = export(tmp_path / "in", Kind(extra={"BodyPartExamined": "HEAD"}))
    assert run(source, tmp_path / "a").count("converted") == 1
    held = run(source, tmp_path / "b", IngestPolicy(default_policy(), hold_head=True))
    assert held.series[0].code == "HEAD_HELD_FOR_REVIEW"


def test_folder_without_dicom_is_refused(tmp_path: Path) -> None:
    """A wrong folder is no success of nothing, and leaves nothing."""
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.txt").write_text("x")
    with pytest.raises(MyofedError) as caught:
        run(source, tmp_path / "out")
    assert (caught.value.code, caught.value.exit_code) == ("NO_DICOM", ExitCode.BAD_INPUT)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_nothing_to_convert_is_reported_and_conforms(tmp_path: Path) -> None:
    """A folder whose only image is no MR gives an empty data set and says why for each file."""
    source = export(tmp_path / "in", Kind())
    files = sorted(path for path in source.rglob("*") if path.is_file())
    for path in files[1:]:
        path.unlink()
    image = pydicom.dcmread(files[0])
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    image.save_as(files[0])
    report = run(source, tmp_path / "out")
    assert [(f.outcome, f.code) for f in report.files] == [("skipped", "SOP_CLASS_REFUSED")]
    assert json.loads((tmp_path / "out" / REPORT_NAME).read_text())["series"] == []


def test_image_that_an_interrupted_copy_left_empty_is_not_skipped(tmp_path: Path) -> None:
    """A file without bytes may have been a slice at the edge of a volume: a person looks, the exit code is not 0."""
    source = export(tmp_path / "in", Kind())
    max(path for path in source.rglob("*") if path.is_file()).write_bytes(b"")
    report = run(source, tmp_path / "out")
    assert not report.complete
    assert [file.code for file in report.files if file.outcome == "quarantined" and file.series is None] == [
        "DICOM_DAMAGED"
    ]


def test_overrides_of_the_policy_reach_the_conversion(tmp_path: Path) -> None:
    """What the site says of its series decides, with the digest of its file beside the image."""
    text = "format: myofed-overrides-1\nrules:\n  - match: {protocol_name: thigh}\n    suffix: T2w\n"
    (tmp_path / "overrides.yaml").write_text(text)
    said = load_overrides(tmp_path / "overrides.yaml")
    source = export(tmp_path / "in", Kind(echo_times_ms=(30.0,), extra={"ProtocolName": "thigh"}))
    assert run(source, tmp_path / "without").series[0].code == "CONTRAST_UNPROVEN"
    report = run(source, tmp_path / "out", IngestPolicy(default_policy(), overrides=said))
    sidecar = json.loads((tmp_path / "out" / report.series[0].images[0].sidecar).read_bytes())
    assert sidecar["Provenance"]["OverrideDigest"] == said.digest
