"""Conformity by month of ingest: each acquisition once, counts only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from protocol_factories import SCANS, Scan, put
from test_node_protocol_sheet import Page

from myofed_node.protocol.check import check
from myofed_node.protocol.pages import check_page, summary_page
from myofed_node.protocol.profiles import load_profiles
from myofed_node.protocol.summary import summarise
from myofed_schemas.conversion import ConvertedImage, IngestReport, SeriesOutcome
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.mids import ImageName
from myofed_schemas.protocol import MonthTally, ProtocolSummary, Tally

FAST = SCANS["vendor-2-point-dixon"].having(FlipAngle=9.0, RepetitionTime=4.0)
T1W = SCANS["t1w-mercuri"]


def ingested(intake: Path, number: int, created: str, *paths: str) -> None:
    """The report of an ingest that brought these images."""
    intake.mkdir(exist_ok=True)
    images = tuple(_image(path) for path in paths)
    done = SeriesOutcome(
        number=1, series_instance_uid="2.25.1", subject="A", session="1", files=1, outcome="converted", code=None,
        evidence=(), images=images,
    ) if images else None  # fmt: skip
    report = IngestReport(
        created=created, policy_digest="0" * 64, tools={}, files=(), series=(done,) if done else (), errors=0, warnings=0,
        conforms=True,
    )  # fmt: skip
    (intake / f"ingest-{number}.json").write_text(report.model_dump_json())


def _image(path: str) -> ConvertedImage:
    name = ImageName.parse(Path(path).name.removesuffix(".nii.gz"))
    return ConvertedImage(
        path=path, sidecar=str(name.sidecar), suffix=name.suffix, part=name.part, sha256="0" * 64, voxels_checked=1
    )


def images(dataset: Path, stem: str) -> list[str]:
    return [str(path.relative_to(dataset)) for path in sorted(dataset.rglob(f"{stem}_*.nii.gz"))]


def summed(root: Path) -> ProtocolSummary:
    return summarise("alpha", dataset=root / "dataset", intake=root / "intake", profiles=load_profiles())


def site(root: Path, scans: Mapping[str, tuple[Scan, str]]) -> ProtocolSummary:
    """Subjects by label, each with a scan and the moment of its ingest."""
    for number, (subject, (scan, created)) in enumerate(scans.items(), start=1):
        stem = f"sub-{subject}_ses-1"
        put(root / "dataset", scan, stem=stem)
        ingested(root / "intake", number, created, *images(root / "dataset", stem))
    return summed(root)


def test_months_and_profiles_are_counted_apart(tmp_path: Path) -> None:
    """Two profiles in two months."""
    found = site(
        tmp_path,
        {
            "A": (T1W, "2026-10-31T23:59:59Z"),
            "B": (T1W, "2026-11-01T00:00:00Z"),
            "C": (FAST, "2026-11-30T12:00:00Z"),
            "D": (T1W.having(EchoTime=25.0), "2026-11-02T00:00:00Z"),
            "E": (Scan({"T2w": {}}, {}), "2026-11-02T00:00:00Z"),
        },
    )
    assert found.months == (
        MonthTally(month="2026-10", profile="t1w-mercuri", tally=Tally(passed=1)),
        MonthTally(month="2026-11", profile="t1w-mercuri", tally=Tally(passed=1, warned=1)),
        MonthTally(month="2026-11", profile="vendor-2-point-dixon", tally=Tally(failed=1)),
    )
    assert found.not_checked == 1
    assert found.total == Tally(passed=2, warned=1, failed=1)


def test_limits_are_counted_by_their_own_verdict(tmp_path: Path) -> None:
    """Which limit is broken most is what a site wants to know."""
    found = site(
        tmp_path,
        {
            "A": (T1W, "2026-10-31T23:59:59Z"),
            "B": (T1W.having(SliceThickness=None), "2026-11-01T00:00:00Z"),
            "C": (T1W.having(EchoTime=99.0), "2026-11-01T00:00:00Z"),
        },
    )
    by_key = {row.key: row.tally for row in found.limits}
    assert by_key["echo_time"] == Tally(passed=2, failed=1)
    assert by_key["slice_thickness"] == Tally(passed=2, unknown=1)


def test_acquisition_counts_once_in_the_month_it_came_first(tmp_path: Path) -> None:
    """A second ingest of the same series, also with an earlier number, adds nothing."""
    put(tmp_path / "dataset", T1W)
    paths = images(tmp_path / "dataset", "sub-A_ses-1")
    ingested(tmp_path / "intake", 1, "2026-12-01T00:00:00Z", *paths)
    ingested(tmp_path / "intake", 2, "2026-09-01T00:00:00Z", *paths)
    ingested(tmp_path / "intake", 10, "2027-01-01T00:00:00Z", *paths)
    assert summed(tmp_path).months == (MonthTally(month="2026-09", profile="t1w-mercuri", tally=Tally(passed=1)),)


def test_images_that_no_report_names_have_no_month(tmp_path: Path) -> None:
    """Counted all the same; images that were removed are not."""
    put(tmp_path / "dataset", T1W)
    ingested(tmp_path / "intake", 1, "2026-12-01T00:00:00Z", "sub-X/ses-1/mr-anat/sub-X_ses-1_T1w.nii.gz")
    ingested(tmp_path / "intake", 2, "2026-12-02T00:00:00Z")
    assert summed(tmp_path).months == (MonthTally(month=None, profile="t1w-mercuri", tally=Tally(passed=1)),)


def test_acquisition_of_no_known_profile_is_counted_as_unknown(tmp_path: Path) -> None:
    """It does not vanish from the share."""
    put(tmp_path / "dataset", SCANS["fat-fraction-6-echo"])
    for path in (tmp_path / "dataset").rglob("sub-A*.*"):
        path.write_bytes(b"{}")
    found = summed(tmp_path)
    assert found.months == (MonthTally(month=None, profile=None, tally=Tally(unknown=1)),)
    assert found.limits == ()
    assert "not known" in Page(summary_page(found)).text


def test_site_without_images_has_nothing(tmp_path: Path) -> None:
    """No folder yet, no reports."""
    found = summed(tmp_path)
    assert (found.total.checked, found.months, found.not_checked) == (0, (), 0)
    assert "None." in Page(summary_page(found)).text


@pytest.mark.parametrize("content", ["", "{}", '{"format": "myofed-ingest-1"}'])
def test_ingest_report_that_cannot_be_read_is_refused(tmp_path: Path, content: str) -> None:
    """A month is not made up; the file is named, its content is not quoted."""
    put(tmp_path / "dataset", T1W)
    (tmp_path / "intake").mkdir()
    (tmp_path / "intake" / "ingest-7.json").write_text(content)
    with pytest.raises(MyofedError) as refusal:
        summed(tmp_path)
    assert (refusal.value.code, refusal.value.exit_code) == ("INGEST_REPORT_INVALID", ExitCode.SITE_FOLDER)
    assert "ingest-7.json" in refusal.value.message


def test_other_files_of_the_intake_are_not_read(tmp_path: Path) -> None:
    """Temporary files of a running ingest."""
    (tmp_path / "intake").mkdir()
    (tmp_path / "intake" / "ingest-7.json.tmp.json").write_text("half")
    assert summed(tmp_path).months == ()


def test_summary_names_no_subject_and_no_day(tmp_path: Path) -> None:
    """Neither as JSON nor on the page."""
    found = site(tmp_path, {"SUBJECTA": (T1W, "2026-10-31T23:59:59Z"), "SUBJECTB": (FAST, "2026-11-30T12:00:00Z")})
    for text in (found.model_dump_json(), summary_page(found).decode()):
        assert "SUBJECT" not in text
        assert "sub-" not in text
        assert "2026-10-31" not in text


def test_page_shows_the_trend_of_each_profile(tmp_path: Path) -> None:
    """Months in order, a bar as long as the share, whole tags."""
    found = site(
        tmp_path,
        {
            "A": (T1W, "2026-10-31T00:00:00Z"),
            "B": (T1W.having(EchoTime=99.0), "2026-10-31T00:00:00Z"),
            "C": (T1W, "2026-11-30T00:00:00Z"),
        },
    )
    content = summary_page(found)
    page = Page(content)
    assert page.open == []
    assert "t1w-mercuri, by month" in page.text
    assert page.text.index("2026-10 1 0 1 0 50 %") < page.text.index("2026-11 1 0 0 0 100 %")
    assert content.count(b"width:50.0%") == 2
    assert "2 of 3 checked acquisitions pass or warn" in page.text


def test_page_of_a_check_shows_every_finding(tmp_path: Path) -> None:
    """Verdict, expected, found and source; what passes keeps its reason to itself."""
    put(tmp_path, FAST)
    put(tmp_path, Scan({"T2w": {}}, {}), stem="sub-B_ses-1")
    report = check(tmp_path, load_profiles())
    page = Page(check_page(report))
    assert page.open == []
    assert "1 of 2 acquisitions checked: 0 pass, 0 warn, 1 fail, 0 unknown" in page.text
    assert "fail t1_bias -1 to 4.5 pp 21.88 pp" in page.text
    assert "no profile is for T2w" in page.text
    assert report.series[0].caution in page.text
    for one in report.series[0].findings:
        assert " ".join(one.source.split()) in page.text
        assert (one.why in page.text) or one.verdict == "pass"
    assert json.loads(report.model_dump_json())["format"] == "myofed-protocol-check-1"
