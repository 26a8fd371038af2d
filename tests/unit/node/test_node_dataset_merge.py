"""Taking a staged data set in: free names, parts together, nothing overwritten, refusals on record."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_factories import NOW_TEXT, Scan, demo_site, stage_scans, tree, uid

from myofed_node.dataset_merge import DatasetMerge
from myofed_node.site_setup import Site
from myofed_node.store import SiteStore
from myofed_schemas.conversion import IngestReport
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import ImageName, Part, Suffix

MAG = ImageName("S1", "A", Suffix.MEGRE)
PHASE = ImageName("S1", "A", Suffix.MEGRE, Part.PHASE)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return demo_site(tmp_path / "a")


def _take(site: Site, tmp_path: Path, scans: tuple[Scan, ...], refused: dict[str, str] | None = None) -> IngestReport:
    store = SiteStore(site.folder.store)
    row = store.begin_ingest(f"{len(store.ingests()):064d}", now=NOW_TEXT)
    staged = tmp_path / f"staged-{row.id}"
    report = stage_scans(staged, scans)
    return DatasetMerge(site.folder.dataset, store, ingest_id=row.id).take_in(
        report, staged=staged, refused=refused or {}
    )


def _names(report: IngestReport) -> list[str]:
    return [Path(image.path).name for series in report.series for image in series.images]


def test_series_that_validation_refused_is_quarantined_and_not_taken_in(site: Site, tmp_path: Path) -> None:
    """An error of the validator keeps the series out of the data set, with its code."""
    report = _take(site, tmp_path, (Scan(1),), {uid(1): "ECHO_TIME_UNIT"})
    assert [(s.outcome, s.code, s.images) for s in report.series] == [("quarantined", "ECHO_TIME_UNIT", ())]
    assert [(f.outcome, f.code, f.paths) for f in report.files] == [("quarantined", "ECHO_TIME_UNIT", ())]
    assert not list(site.folder.dataset.glob("sub-*"))


def test_stored_series_that_comes_with_other_content_is_refused(site: Site, tmp_path: Path) -> None:
    """What is stored stays byte for byte, and the report says that something else came."""
    _take(site, tmp_path, (Scan(1),))
    before = tree(site.folder.dataset)
    report = _take(site, tmp_path, (Scan(1, content="more slices"),))
    assert [s.code for s in report.series] == ["SERIES_DIFFERS"]
    assert tree(site.folder.dataset) == before


def test_stored_series_that_comes_again_keeps_its_name(site: Site, tmp_path: Path) -> None:
    """It is told where it lies, also when the new delivery would have named it otherwise."""
    _take(site, tmp_path, (Scan(1), Scan(2, ImageName("S1", "A", Suffix.MEGRE, run=2))))
    report = _take(site, tmp_path, (Scan(2),))
    assert _names(report) == ["sub-S1_ses-A_run-2_MEGRE.nii.gz"]


def test_second_series_of_one_kind_gets_the_next_run(site: Site, tmp_path: Path) -> None:
    """A series never overwrites another, whatever delivery it came in."""
    _take(site, tmp_path, (Scan(1),))
    report = _take(site, tmp_path, (Scan(2),))
    assert _names(report) == ["sub-S1_ses-A_run-2_MEGRE.nii.gz"]
    assert len(list(site.folder.dataset.glob("sub-S1/ses-A/mr-anat/*"))) == 4


def test_magnitude_and_phase_of_one_acquisition_share_the_new_run(site: Site, tmp_path: Path) -> None:
    """The run tells which phase belongs to which magnitude."""
    _take(site, tmp_path, (Scan(1), Scan(2, PHASE)))
    report = _take(site, tmp_path, (Scan(3), Scan(4, PHASE)))
    assert _names(report) == ["sub-S1_ses-A_run-2_MEGRE.nii.gz", "sub-S1_ses-A_run-2_part-phase_MEGRE.nii.gz"]


def test_lone_phase_that_comes_later_never_stands_beside_a_magnitude_that_is_there(site: Site, tmp_path: Path) -> None:
    """No header proves that they belong together; the magnitude stays."""
    _take(site, tmp_path, (Scan(1, MAG),))
    report = _take(site, tmp_path, (Scan(2, PHASE),))
    assert _names(report) == ["sub-S1_ses-A_run-2_part-phase_MEGRE.nii.gz"]


def test_new_magnitude_never_pairs_with_a_phase_that_is_there(site: Site, tmp_path: Path) -> None:
    """A magnitude takes a run in which no part of another acquisition lies."""
    _take(site, tmp_path, (Scan(1, PHASE),))
    report = _take(site, tmp_path, (Scan(2, MAG),))
    assert _names(report) == ["sub-S1_ses-A_run-2_MEGRE.nii.gz"]


def test_staged_file_that_was_changed_is_refused(site: Site, tmp_path: Path) -> None:
    """A file that is neither as planned nor arrived stops the ingest; nothing half is told as stored."""
    store = SiteStore(site.folder.store)
    row = store.begin_ingest("f" * 64, now=NOW_TEXT)
    report = stage_scans(tmp_path / "staged", (Scan(1),))
    merge = DatasetMerge(site.folder.dataset, store, ingest_id=row.id)
    merge.take_in(report, staged=tmp_path / "staged", refused={})
    (site.folder.dataset / MAG.image).write_bytes(b"changed")
    with pytest.raises(MyofedError) as caught:
        merge.take_in(report, staged=tmp_path / "staged", refused={})
    assert caught.value.code == "STAGED_FILE_LOST"


def _joined(report: IngestReport, *numbers: int) -> IngestReport:
    """The report with series of these numbers that were joined into the first one's image."""
    first = report.series[0]
    others = (first.model_copy(update={"number": n, "series_instance_uid": uid(n)}) for n in numbers)
    return report.model_copy(update={"series": (*report.series, *others)})


@pytest.mark.parametrize("refused", [None, 1, 2])
def test_series_that_were_joined_come_in_once_and_share_one_outcome(
    site: Site, tmp_path: Path, refused: int | None
) -> None:
    """One image, told by both of its series, again as at first; refused where validation refused it of either."""
    store = SiteStore(site.folder.store)
    for turn in (1, 2):
        row = store.begin_ingest(f"{turn:064d}", now=NOW_TEXT)
        staged = tmp_path / f"staged-{turn}"
        report = _joined(stage_scans(staged, (Scan(1),)), 2)
        codes = {uid(refused): "PHASE_RANGE"} if refused else {}
        taken = DatasetMerge(site.folder.dataset, store, ingest_id=row.id).take_in(report, staged=staged, refused=codes)
        outcome = ("quarantined", "PHASE_RANGE", []) if refused else ("converted", None, [str(MAG.image)])
        assert [(s.outcome, s.code, [i.path for i in s.images]) for s in taken.series] == [outcome, outcome]
        assert [path.name for path in site.folder.dataset.glob("sub-*")] == ([] if refused else ["sub-S1"])
        states = {store.series(uid(n)).state.value for n in (1, 2)}
        assert states == {"quarantined" if refused else "stored"}
