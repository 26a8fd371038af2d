"""The matrix: complete, the same in any run, with one expectation a series."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydicom import dcmread

from myofed_demo.vendor_matrix import STYLES, cases_of, make_exam, write_exam
from myofed_schemas.mids import Suffix

STYLE = next(style for style in STYLES if (style.vendor, style.form) == ("philips", "enhanced"))


def test_each_vendor_and_form_scans_the_whole_protocol() -> None:
    """Three vendors, classic and enhanced; no name twice."""
    names = [case.name for style in STYLES for case in cases_of(style)]
    assert len(names) == len(set(names))
    for vendor in ("siemens", "philips", "ge"):
        for form in ("classic", "enhanced"):
            scanned = {c.protocol.name for s in STYLES if (s.vendor, s.form) == (vendor, form) for c in cases_of(s)}
            assert {"megre", "dixon", "mese", "t1w", "stir", "pdt2", "localizer"} <= scanned
            assert any(name.startswith("b0") for name in scanned)


def test_same_bytes_in_any_run(tmp_path: Path) -> None:
    """Every file of an exam, twice."""
    digests = []
    for name in ("a", "b"):
        list(write_exam(tmp_path / name, STYLE))
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
    assert digests[0] == digests[1] != []


def test_converted_series_have_images_and_refused_ones_a_code(tmp_path: Path) -> None:
    """Never both, never neither."""
    truths = list(write_exam(tmp_path, STYLE))
    assert {truth.outcome for truth in truths} == {"converted", "skipped", "quarantined"}
    assert all(bool(truth.images) == (truth.code is None) == (truth.outcome == "converted") for truth in truths)
    suffixes = {image.suffix for truth in truths for image in truth.images}
    assert {Suffix.MEGRE, Suffix.MESE, Suffix.T1W, Suffix.T2W_FS, Suffix.WAT, Suffix.FF, Suffix.B0} <= suffixes


def test_patients_differ_and_leave_traces_in_headers(tmp_path: Path) -> None:
    """Another key is another person; the name stands in each file, for de-identification to remove."""
    assert make_exam("a").patient != make_exam("b").patient
    truths = list(write_exam(tmp_path, STYLE))
    exam = make_exam("vendor matrix philips enhanced")
    assert {str(dcmread(path).PatientName) for t in truths for path in t.written.files} == {exam.patient.name}
