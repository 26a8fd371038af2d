"""One session: each series its outcome, overrides and joins, memory, and what a killed call left."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mids_factories import NOW, Kind, classic, stored, write_deidentified, write_report
from pydicom import Dataset

from myofed_node.mids import convert as conversion
from myofed_node.mids import session, session_reading
from myofed_node.mids.convert import ConvertOptions, convert
from myofed_node.mids.dicom_input.source import open_source
from myofed_node.mids.judging.overrides import Match, Overrides, Rule
from myofed_node.mids.nifti import read_nifti
from myofed_node.mids.series_writer import RunFacts
from myofed_node.mids.session import clear_unfinished, convert_session
from myofed_node.mids.session_task import SessionTask
from myofed_schemas.conversion import ConversionReport
from myofed_schemas.errors import MyofedError
from myofed_schemas.mids import Part, Suffix

PHASE = ("ORIGINAL", "PRIMARY", "P", "ND")
SAID = {"ProtocolName": "thigh"}


def rule(**said: object) -> Overrides:
    return Overrides("8" * 64, (Rule.model_validate({"match": Match(protocol_name="thigh"), **said}),))


def echo(series: int, time: float, **kind: object) -> list[Dataset]:
    return classic(Kind(series=series, echo_times_ms=(time,), extra=SAID, **kind))  # type: ignore[arg-type]


def converted(tmp_path: Path, files: list[Dataset], **options: object) -> ConversionReport:
    clean = write_deidentified(tmp_path / "clean", files)
    return convert(clean, tmp_path / "mids", now=NOW, options=ConvertOptions(**options))  # type: ignore[arg-type]


def codes(report: ConversionReport) -> list[str | None]:
    return [series.code for series in report.series]


def sidecar(tmp_path: Path, report: ConversionReport, number: int = 0) -> dict[str, object]:
    return json.loads((tmp_path / "mids" / report.series[number].images[0].sidecar).read_bytes())


def uids(files: list[Dataset]) -> list[str]:
    return sorted({str(file.SeriesInstanceUID) for file in files})


def test_header_that_names_another_series_than_its_folder_is_refused(tmp_path: Path) -> None:
    """De-identification names folders by the new UIDs."""
    clean = write_deidentified(tmp_path / "clean", classic())
    (series,) = clean.glob("2.25.*/2.25.*")
    series.rename(series.with_name("2.25.77"))
    report = convert(write_report(clean), tmp_path / "mids", now=NOW)
    assert codes(report) == ["HEADER_INVALID"]


def test_localizer_that_lost_files_is_still_only_a_localizer(tmp_path: Path) -> None:
    """What is skipped by rule needs no look of a person because it is incomplete."""
    files = classic(Kind(image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")))
    assert codes(converted(tmp_path, files, incomplete=frozenset(uids(files)))) == ["LOCALIZER"]


def test_pixels_that_nobody_can_use_do_not_hide_what_a_series_is(tmp_path: Path) -> None:
    """A localizer in colour is skipped; a series to convert is refused for its pixels."""
    colour: dict[str, object] = {"SamplesPerPixel": 3}
    files = classic(Kind(series=1, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"), extra=colour))
    report = converted(tmp_path, files + classic(Kind(series=2, extra=colour)))
    assert codes(report) == ["LOCALIZER", "PIXELS_SHAPE"]


def test_series_a_process_died_at_is_refused_and_the_others_are_converted(tmp_path: Path) -> None:
    """The session is done again without it."""
    files = classic() + classic(Kind(series=2))
    with open_source(write_deidentified(tmp_path / "clean", files)) as source:
        (study,) = source.sessions()
        dead = str(files[0].SeriesInstanceUID)
        (tmp_path / "mids").mkdir()
        task = SessionTask(study, source.session(study), frozenset({dead}))
        run = RunFacts(tmp_path / "mids", "3" * 64, {})
        judged = convert_session(task, run, ConvertOptions(), tell=lambda _what, _uid: None)
    outcomes = {one.outcome.series_instance_uid: one.outcome.code for one in judged}
    assert outcomes == {dead: "CONVERTER_DIED", str(files[-1].SeriesInstanceUID): None}


@pytest.mark.parametrize("place", ["read_series", "write_series"])
def test_series_without_memory_is_refused_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Where memory runs out in our own code it costs that series, too."""
    module = session_reading if place == "read_series" else session
    honest, calls = getattr(module, place), []

    def greedy(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            raise MemoryError
        return honest(*args, **kwargs)

    monkeypatch.setattr(module, place, greedy)
    report = converted(tmp_path, classic() + classic(Kind(series=2)))
    assert sorted(codes(report), key=str) == ["CONVERTER_DIED", None]


def test_session_larger_than_what_is_held_is_read_again_and_comes_out_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory does not grow with the session: pixels beyond the bound are read when they are written."""
    files = classic() + classic(Kind(series=2))
    first = converted(tmp_path / "a", files)
    monkeypatch.setattr(session_reading, "MOST_HELD_BYTES", 0)
    assert converted(tmp_path / "b", files) == first


def test_override_is_told_in_the_provenance(tmp_path: Path) -> None:
    """The suffix that headers did not prove, and the digest of the file that said so."""
    files = classic(Kind(echo_times_ms=(30.0,), extra=SAID))
    assert codes(converted(tmp_path / "a", files)) == ["CONTRAST_UNPROVEN"]
    report = converted(tmp_path / "b", files, overrides=rule(suffix=Suffix.T2W))
    assert report.series[0].images[0].suffix is Suffix.T2W
    assert sidecar(tmp_path / "b", report)["Provenance"]["OverrideDigest"] == "8" * 64  # type: ignore[index]


def test_series_that_the_site_skips_is_skipped(tmp_path: Path) -> None:
    """With its own code."""
    report = converted(tmp_path, classic(Kind(extra=SAID)), overrides=rule(skip=True))
    assert [(s.outcome, s.code) for s in report.series] == [("skipped", "SKIPPED_BY_OVERRIDE")]


def test_phase_range_of_the_site_gives_radians(tmp_path: Path) -> None:
    """0..4095 means -pi..pi where the site says so."""
    files = classic(Kind(image_type=PHASE, extra=SAID))
    assert codes(converted(tmp_path / "a", files)) == ["PHASE_SCALE_UNKNOWN"]
    report = converted(tmp_path / "b", files, overrides=rule(phase_range=(0, 4095), part=Part.PHASE))
    values = np.asarray(read_nifti(tmp_path / "b" / "mids" / report.series[0].images[0].path).dataobj)
    assert np.allclose(values[:, :, 1, 1].T, stored(1, 1) * 2 * np.pi / 4095 - np.pi, atol=1e-5)


def test_joined_series_become_one_image_that_each_of_them_tells(tmp_path: Path) -> None:
    """Every echo at every position once, in order of EchoTime; all sources are named."""
    files = echo(2, 2.3) + echo(1, 4.6)
    report = converted(tmp_path, files, overrides=rule(join="echoes"))
    first, second = report.series
    assert first.images == second.images
    assert (first.images[0].suffix, first.images[0].voxels_checked) == (Suffix.MEGRE, 4 * 5 * 3 * 2)
    image = read_nifti(tmp_path / "mids" / first.images[0].path)
    assert np.array_equal(np.asarray(image.dataobj)[:, :, 1, 0].T, stored(1, 0))
    told = sidecar(tmp_path, report)
    assert told["EchoTime"] == [2.3, 4.6]
    assert sorted(told["Provenance"]["JoinedSeriesInstanceUIDs"]) == uids(files)  # type: ignore[index]
    assert told["Provenance"]["SourceFiles"] == 6  # type: ignore[index]


def test_a_join_that_may_lack_an_echo_is_refused_whole(tmp_path: Path) -> None:
    """A member that lost files, was held, or could not be read: the others alone would look like the whole."""
    files = echo(1, 2.3) + echo(2, 4.6) + echo(3, 6.9)
    lost = str(files[0].SeriesInstanceUID)
    report = converted(tmp_path / "a", files, overrides=rule(join="echoes"), incomplete=frozenset({lost}))
    assert codes(report) == ["SERIES_INCOMPLETE", "JOIN_REFUSED", "JOIN_REFUSED"]
    files[0].PatientID = "Not_a_label"
    for file in files[1:3]:
        file.PatientID = "SUBJECTB"
    report = converted(tmp_path / "b", files, overrides=rule(join="echoes"))
    assert codes(report)[:1] == ["SEVERAL_SUBJECTS"]
    assert codes(report)[1:] == ["JOIN_REFUSED", "JOIN_REFUSED"]


def test_joined_series_with_a_held_member_are_refused(tmp_path: Path) -> None:
    """Review of one holds all."""
    files = echo(1, 2.3) + echo(2, 4.6)
    for file in files[:3]:
        file.BodyPartExamined = "HEAD"
    report = converted(tmp_path, files, overrides=rule(join="echoes"), hold_head=True)
    assert codes(report) == ["HEAD_HELD_FOR_REVIEW", "JOIN_REFUSED"]


def test_joined_series_with_unusable_pixels_are_refused_together(tmp_path: Path) -> None:
    """One image, one outcome."""
    files = echo(1, 2.3) + echo(2, 4.6)
    files[0].PixelData = b"\0\0"
    assert codes(converted(tmp_path, files, overrides=rule(join="echoes"))) == ["PIXELS_UNREADABLE"] * 2


def test_two_patients_in_one_study_are_two_sessions(tmp_path: Path) -> None:
    """Echoes of two patients are never joined."""
    files = echo(1, 2.3) + echo(2, 4.6)
    for file in files[3:]:
        file.PatientID = "SUBJECTB"
    report = converted(tmp_path, files, overrides=rule(join="echoes"))
    assert codes(report) == ["JOIN_REFUSED", "JOIN_REFUSED"]
    assert [series.subject for series in report.series] == ["SUBJECTA", "SUBJECTB"]


def test_what_a_killed_call_left_is_gone(tmp_path: Path) -> None:
    """Temporary files, and images whose sidecar never came; other sessions' files stay."""
    mine, other = (tmp_path / "sub-A" / name / "mr-anat" for name in ("ses-X", "ses-Y"))
    for folder in (mine, other):
        folder.mkdir(parents=True)
        for name in (".a.nii.gz.1.tmp", "b.nii.gz", "c.nii.gz", "c.json"):
            (folder / name).write_bytes(b"")
    clear_unfinished(tmp_path, "X")
    assert sorted(path.name for path in mine.iterdir()) == ["c.json", "c.nii.gz"]
    assert len(list(other.iterdir())) == 4


def test_progress_counts_each_series_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that are told twice because a session is done again."""
    told: list[tuple[int, int]] = []
    counted = conversion._Counted(2, lambda done, total: told.append((done, total)))
    for what, uid in (("begun", "a"), ("done", "a"), ("begun", "a"), ("done", "a"), ("done", "b")):
        counted(what, uid)
    assert told == [(1, 2), (2, 2)]


def test_series_written_at_the_same_time_come_out_as_one_after_the_other(tmp_path: Path) -> None:
    """Threads change nothing but the time it takes; no more series are in hand than there are writers."""
    files = [file for number in range(1, 6) for file in classic(Kind(series=number))]
    outcomes, trees = [], []
    with open_source(write_deidentified(tmp_path / "clean", files)) as source:
        (study,) = source.sessions()
        for writers in (1, 3):
            out = tmp_path / str(writers)
            out.mkdir()
            hand: list[str] = []
            most: list[int] = []

            def tell(what: str, uid: str, hand: list[str] = hand, most: list[int] = most) -> None:
                hand.append(uid) if what == "begun" else hand.remove(uid)
                most.append(len(hand))

            task = SessionTask(study, source.session(study), writers=writers)
            outcomes.append(convert_session(task, RunFacts(out, "3" * 64, {}), ConvertOptions(), tell=tell))
            trees.append({p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()})
            assert max(most) == 5 + writers  # five were begun to be read before the first was begun to be written
    assert outcomes[0] == outcomes[1]
    assert trees[0] == trees[1]


def test_what_stops_one_of_several_writers_stops_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changed since it was read is no fault of a series."""
    clean = write_deidentified(tmp_path / "clean", classic() + classic(Kind(series=2)))
    monkeypatch.setattr(session_reading, "MOST_HELD_BYTES", 0)

    def changed(*_args: object, **_kwargs: object) -> None:
        raise MyofedError("DEID_FILE_CHANGED", "found another digest")

    monkeypatch.setattr(session, "write_series", changed)
    with pytest.raises(MyofedError) as refusal:
        convert(clean, tmp_path / "mids", now=NOW, options=ConvertOptions(processes=2))
    assert refusal.value.code == "DEID_FILE_CHANGED"
