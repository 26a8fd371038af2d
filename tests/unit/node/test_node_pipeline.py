"""A site's ingest: whatever step it is killed before or after, the next call ends as an undisturbed one."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from mids_factories import Kind
from scanner_export import export
from site_factories import NOW, Scan, demo_site, refusal_code, stage_scans, tree, write_labels

import myofed_node.dataset_merge
import myofed_node.pipeline
import myofed_node.staging
import myofed_node.store
from myofed_node.audit import SiteAudit
from myofed_node.pipeline import SiteIngest
from myofed_node.site_setup import Site, open_site
from myofed_node.store import IngestState, SiteStore
from myofed_schemas.conversion import REPORT_NAME, IngestReport
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import ImageName, Part, Suffix

SCANS = (
    Scan(1),
    Scan(2, ImageName("S1", "A", Suffix.MEGRE, Part.PHASE)),
    Scan(3, ImageName("S2", "A", Suffix.MEGRE)),
)
CODES = ("LOCALIZER", "HEAD_HELD_FOR_REVIEW", "POSITIONS_UNEVEN")


@pytest.fixture(autouse=True)
def _no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing that it wrote; syncing matters for a power cut only and costs most of the time."""
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)
    monkeypatch.setattr(myofed_node.store, "SYNCHRONOUS", "OFF")


STRIDE = int(os.environ.get("MYOFED_KILL_STRIDE", "5"))
"""Every fifth kill point, before and after writes in turn (it is odd); 1 tries all of them."""


class Killed(BaseException):
    """Stands for SIGKILL."""


def _fake_ingest(scans: tuple[Scan, ...], codes: tuple[str, ...]) -> Callable[..., IngestReport]:
    def ingest(_source: Path, out: Path, **options: Any) -> IngestReport:
        options["progress"]("deidentify", 1, 1)
        options["progress"]("convert", 1, 1)
        report = stage_scans(out, scans, codes=codes)
        (out / REPORT_NAME).write_text(report.model_dump_json())
        return report

    return ingest


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Decides what de-identification and conversion will give."""

    def decide(scans: tuple[Scan, ...] = SCANS, codes: tuple[str, ...] = CODES) -> None:
        monkeypatch.setattr(myofed_node.staging, "ingest", _fake_ingest(scans, codes))

    decide()
    return decide


def _source(folder: Path, name: str = "export", content: str = "dicom") -> Path:
    source = folder / name
    source.mkdir()
    (source / "1.dcm").write_text(content)
    return source


def _ingest(site: Site, source: Path) -> IngestReport:
    return SiteIngest(site, NOW).run(source)


def _states(site: Site) -> dict[str, tuple[str, str]]:
    return {row.series_uid: (row.state.value, row.code) for row in SiteStore(site.folder.store).all_series()}


def test_missing_source_is_refused(tmp_path: Path) -> None:
    """Nothing is recorded for a folder that is not there."""
    site = demo_site(tmp_path / "a")
    with pytest.raises(MyofedError) as caught:
        _ingest(site, tmp_path / "JohnDoe")
    assert caught.value.code == "SOURCE_MISSING"
    assert "JohnDoe" not in str(caught.value)
    assert SiteStore(site.folder.store).ingests() == ()


def test_second_ingest_at_the_same_time_is_refused(tmp_path: Path, converted: Callable[..., None]) -> None:
    """One ingest at a time: two could take one name."""
    site = demo_site(tmp_path / "a")
    with (site.folder.intake / ".lock").open("ab") as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
        with pytest.raises(MyofedError) as caught:
            _ingest(site, _source(tmp_path))
    assert caught.value.code == "INGEST_RUNNING"


def test_every_series_ends_in_its_state(tmp_path: Path, converted: Callable[..., None]) -> None:
    """Stored, skipped, held and quarantined are kept apart, and the images lie in the data set."""
    site = demo_site(tmp_path / "a")
    report = _ingest(site, _source(tmp_path))
    assert sorted(state for state, _ in _states(site).values()) == [
        "held", "quarantined", "skipped", "stored", "stored", "stored",
    ]  # fmt: skip
    assert report.count("converted") == 3
    for series in report.series:
        for image in series.images:
            assert (site.folder.dataset / image.path).is_file()
            assert (site.folder.dataset / image.sidecar).is_file()
    assert (site.folder.dataset / "participants.tsv").read_text() == "participant_id\nsub-S1\nsub-S2\n"
    assert not list(site.folder.intake.glob("work-*"))


def test_same_source_again_gives_the_same_report_and_no_second_entry(
    tmp_path: Path, converted: Callable[..., None]
) -> None:
    """An ingest that ended is not done again."""
    site = demo_site(tmp_path / "a")
    source = _source(tmp_path)
    first, before = _ingest(site, source), tree(site.folder.dataset)
    entries = len(list(SiteAudit(site.folder).entries()))
    assert _ingest(site, source) == first
    assert tree(site.folder.dataset) == before
    assert len(list(SiteAudit(site.folder).entries())) == entries


def test_single_file_and_what_cannot_be_read_are_part_of_the_fingerprint(
    tmp_path: Path, converted: Callable[..., None]
) -> None:
    """A file and the same file beside a dangling link are two different deliveries."""
    site = demo_site(tmp_path / "a")
    source = _source(tmp_path)
    _ingest(site, source / "1.dcm")
    assert len(SiteStore(site.folder.store).ingests()) == 1
    _ingest(site, source)
    assert len(SiteStore(site.folder.store).ingests()) == 1
    (source / "link").symlink_to(tmp_path / "nowhere")
    _ingest(site, source)
    assert len(SiteStore(site.folder.store).ingests()) == 2


def test_later_session_of_a_subject_is_added(tmp_path: Path, converted: Callable[..., None]) -> None:
    """What is stored stays as it is; labels too; the subject's table has one row more."""
    site = demo_site(tmp_path / "a")
    _ingest(site, _source(tmp_path))
    write_labels(site.folder.dataset, "S1")
    before = tree(site.folder.dataset)
    table = "sub-S1/sub-S1_sessions.tsv"
    assert before.pop(table)
    converted((Scan(7, ImageName("S1", "B", Suffix.MEGRE)),), ())
    _ingest(site, _source(tmp_path, "later", "other dicom"))
    after = tree(site.folder.dataset)
    assert before.items() <= after.items()
    assert "sub-S1/ses-B/mr-anat/sub-S1_ses-B_MEGRE.nii.gz" in after
    assert (site.folder.dataset / table).read_text() == "session_id\nses-A\nses-B\n"


def test_ingest_killed_at_any_step_is_finished_by_the_next_call(
    tmp_path: Path, converted: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a kill before or after a write: same images, same states, same report, no leftovers."""
    source = _source(tmp_path)
    new, kills = demo_site(tmp_path / "new"), 0
    undisturbed = _copy(new, tmp_path / "whole")
    expected = _ingest(undisturbed, source)
    for step in itertools.count(0, STRIDE):
        site = _copy(new, tmp_path / f"site{step}")
        if not _killed(site, source, step=step, monkeypatch=monkeypatch):
            break
        kills += 1
        assert _ingest(site, source) == expected, step
        assert tree(site.folder.dataset) == tree(undisturbed.folder.dataset), step
        assert _states(site) == _states(undisturbed), step
        assert not list(site.folder.intake.glob("work-*")), step
        SiteAudit(site.folder).verify()
    assert kills * STRIDE > 30


def test_killed_ingest_is_finished_by_an_ingest_of_another_source(
    tmp_path: Path, converted: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that were on their way arrive, even when nobody calls the killed ingest again."""
    source, other = _source(tmp_path), _source(tmp_path, "other", "other")
    new = demo_site(tmp_path / "new")
    for step in itertools.count(2, STRIDE):
        converted()
        site = _copy(new, tmp_path / f"site{step}")
        if not _killed(site, source, step=step, monkeypatch=monkeypatch):
            break
        moving = SiteStore(site.folder.store).ingests()[:1]
        on_its_way = bool(moving) and moving[0].state in (IngestState.VALIDATED, IngestState.STORED)
        converted((Scan(7, ImageName("S1", "A", Suffix.MEGRE)),), ())
        _ingest(site, other)
        images = sorted(path.name for path in site.folder.dataset.glob("sub-S1/ses-A/*/*.nii.gz"))
        assert len(images) == (3 if on_its_way else 1), step
    assert step > 30, "the ingest was killed at many steps"


def _copy(site: Site, root: Path) -> Site:
    shutil.copytree(site.folder.root, root)
    return open_site(root)


def _killed(site: Site, source: Path, *, step: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the ingest had a step of this number, at which it was killed."""
    ticks = itertools.count()

    def tick() -> None:
        if next(ticks) == step:
            raise Killed

    def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
        def guard(*arguments: Any, **named: Any) -> Any:
            tick()
            result = call(*arguments, **named)
            tick()
            return result

        return guard

    places: tuple[tuple[Any, str], ...] = (
        (myofed_node.staging, "ingest"),
        (myofed_node.pipeline, "write_atomically"),
        (myofed_node.pipeline.shutil, "rmtree"),
        (myofed_node.dataset_merge.os, "replace"),
        (myofed_node.dataset_merge, "write_dataset_files"),
        (SiteStore, "begin_ingest"),
        (SiteStore, "advance_ingest"),
        (SiteStore, "plan_series"),
        (SiteStore, "record_outcome"),
        (SiteAudit, "append"),
    )
    with monkeypatch.context() as patch:
        for owner, name in places:
            patch.setattr(owner, name, guarded(getattr(owner, name)))
        try:
            _ingest(site, source)
        except Killed:
            return True
    return False


def test_site_with_a_broken_override_file_ingests_nothing(tmp_path: Path) -> None:
    """Refused by its code before anything is on record; with a good one, other overrides make another ingest."""
    site = demo_site(tmp_path / "a", conversion_overrides="overrides.yaml")
    assert refusal_code(lambda: _ingest(site, _source(tmp_path))) == "OVERRIDES_INVALID"
    assert not SiteStore(site.folder.store).ingests()
    for suffix in ("T1w", "T2w"):
        rules = f"rules:\n  - match: {{protocol_name: thigh}}\n    suffix: {suffix}\n"
        (site.folder.root / "overrides.yaml").write_text(f"format: myofed-overrides-1\n{rules}")
        assert refusal_code(lambda: _ingest(site, tmp_path / "export")) == "NO_DICOM", "past the overrides"
    assert len(SiteStore(site.folder.store).ingests()) == 2


def test_what_was_quarantined_is_looked_at_again_on_demand(tmp_path: Path) -> None:
    """The same files, keys and policy: without `anew` the report of before, with it another look; what is stored stays as it is."""
    site = demo_site(tmp_path / "a")
    source = export(tmp_path / "export", Kind(), Kind(series=2))
    max(path for path in source.iterdir()).write_bytes(b"")
    first = SiteIngest(site, NOW).run(source)
    assert not first.complete
    stored = {path: path.read_bytes() for path in site.folder.dataset.rglob("*.nii.gz")}
    later = NOW + timedelta(hours=1)
    assert SiteIngest(site, later).run(source) == first
    again = SiteIngest(site, later).run(source, anew=True)
    assert again.created != first.created
    assert [series.outcome for series in again.series] == [series.outcome for series in first.series]
    assert {path: path.read_bytes() for path in site.folder.dataset.rglob("*.nii.gz")} == stored
    assert stored
    assert SiteIngest(site, later + timedelta(hours=1)).run(source) == again
