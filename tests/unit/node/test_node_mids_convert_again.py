"""A second call into the same data set: it holds what the second report says, and label maps keep their images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mids_factories import NOW, Kind, classic, write_deidentified
from pydicom import Dataset

from myofed_node.mids import convert as conversion
from myofed_node.mids import earlier_images, series_writer
from myofed_node.mids.convert import ConvertOptions, convert
from myofed_node.mids.earlier_images import Claim, EarlierImage, remove_empty_subjects, settle
from myofed_node.mids.judging.overrides import NO_OVERRIDES, Match, Overrides, Rule
from myofed_schemas.conversion import ConversionReport
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.mids import ImageName, Suffix

THIGH = {"ProtocolName": "thigh"}


def said(*rules: dict[str, object], protocol: str = "thigh") -> Overrides:
    match = Match(protocol_name=protocol)
    return Overrides("8" * 64, tuple(Rule.model_validate({"match": match, **rule}) for rule in rules))


def one_echo(**kind: object) -> list[Dataset]:
    return classic(Kind(echo_times_ms=(30.0,), extra=THIGH, **kind))  # type: ignore[arg-type]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def again(tmp_path: Path, overrides: Overrides, out: str = "mids") -> ConversionReport:
    return convert(tmp_path / "clean", tmp_path / out, now=NOW, options=ConvertOptions(overrides=overrides))


def codes(report: ConversionReport) -> list[str | None]:
    return [series.code for series in report.series]


def draw_on(dataset: Path, image: str, pipeline: str = "labels") -> None:
    drawn = dataset / "derivatives" / pipeline / image.replace(".nii.gz", "_dseg.nii.gz")
    drawn.parent.mkdir(parents=True)
    drawn.write_bytes(b"map")


def flip(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof of what is written fails."""
    honest = series_writer.voxels

    def flipped(*args, **kwargs):  # type: ignore[no-untyped-def]
        made = honest(*args, **kwargs)
        return type(made)(np.ascontiguousarray(made.values[::-1]), made.scaling)

    monkeypatch.setattr(series_writer, "voxels", flipped)


@pytest.mark.parametrize("out", ["clean", "clean/x/y", "."])
def test_out_and_source_inside_each_other_are_refused_before_anything_is_written(tmp_path: Path, out: str) -> None:
    """The next call would find files that no report names."""
    clean = write_deidentified(tmp_path / "clean", classic())
    before = tree(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(MyofedError) as refusal:
        convert(clean, tmp_path / "link" / out, now=NOW)
    assert (refusal.value.code, refusal.value.exit_code) == ("OUT_INSIDE_SOURCE", ExitCode.USAGE)
    (tmp_path / "link").unlink()
    assert tree(tmp_path) == before
    assert not (clean / "x").exists()


@pytest.mark.parametrize("name", ["nope", "file"])
def test_source_that_is_no_folder_is_missing(tmp_path: Path, name: str) -> None:
    """Told before its report is looked for; a folder without a report has its own code."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    found = {}
    for source in (name, "empty"):
        with pytest.raises(MyofedError) as refusal:
            convert(tmp_path / source, tmp_path / "mids", now=NOW)
        found[source] = refusal.value
    assert (found[name].code, found[name].exit_code) == ("SOURCE_MISSING", ExitCode.USAGE)
    assert found["empty"].code == "DEID_REPORT_MISSING"
    assert not (tmp_path / "mids").exists()


def test_labelled_image_that_the_outcome_does_not_name_holds_the_series(tmp_path: Path) -> None:
    """Nothing of it is removed or written; taken back, the override gives what was there."""
    write_deidentified(tmp_path / "clean", one_echo() + classic(Kind(series=2)))
    first = again(tmp_path, said({"suffix": Suffix.T1W}))
    draw_on(tmp_path / "mids", first.series[0].images[0].path)
    before = tree(tmp_path / "mids")
    for overrides in (said({"suffix": Suffix.T2W}), said({"skip": True}), NO_OVERRIDES):
        report = again(tmp_path, overrides)
        assert codes(report) == ["EARLIER_IMAGE_LABELLED", None]
        assert report.series[0].outcome == "quarantined"
        assert tree(tmp_path / "mids") == before
    assert again(tmp_path, said({"suffix": Suffix.T1W})) == first


def test_labelled_image_outlives_a_failed_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written again is not lost; without a label map it goes, as the report says."""
    write_deidentified(tmp_path / "clean", classic() + classic(Kind(series=2)))
    first = again(tmp_path, NO_OVERRIDES)
    draw_on(tmp_path / "mids", first.series[0].images[0].path, "label-groups")
    before = tree(tmp_path / "mids")
    flip(monkeypatch)
    assert codes(again(tmp_path, NO_OVERRIDES)) == ["EARLIER_IMAGE_LABELLED", "WRITTEN_VALUES_DIFFER"]
    image = first.series[1].images[0]
    assert before.keys() - tree(tmp_path / "mids").keys() == {image.path, image.sidecar}


def test_corrected_override_leaves_what_a_new_data_set_would_hold(tmp_path: Path) -> None:
    """No image under the suffix that was wrong."""
    write_deidentified(tmp_path / "clean", one_echo())
    again(tmp_path, said({"suffix": Suffix.T1W}))
    report = again(tmp_path, said({"suffix": Suffix.T2W}))
    assert again(tmp_path, said({"suffix": Suffix.T2W}), "new") == report
    assert tree(tmp_path / "mids") == tree(tmp_path / "new")


@pytest.mark.parametrize("overrides", [said({"skip": True}), NO_OVERRIDES], ids=["skipped", "quarantined"])
def test_series_that_is_no_longer_converted_leaves_no_image(tmp_path: Path, overrides: Overrides) -> None:
    """Nor its subject, of whom nothing else is there."""
    write_deidentified(tmp_path / "clean", one_echo())
    again(tmp_path, said({"suffix": Suffix.T1W}))
    again(tmp_path, overrides)
    again(tmp_path, overrides, "new")
    assert tree(tmp_path / "mids") == tree(tmp_path / "new")
    assert not list((tmp_path / "mids").glob("sub-*"))


def test_images_of_other_series_stay(tmp_path: Path) -> None:
    """Also those of the same session that came from another folder."""
    write_deidentified(tmp_path / "clean", one_echo())
    again(tmp_path, said({"suffix": Suffix.T1W}))
    other = convert(write_deidentified(tmp_path / "other", classic(Kind(series=2))), tmp_path / "mids", now=NOW)
    again(tmp_path, NO_OVERRIDES)
    assert [path.name for path in (tmp_path / "mids").rglob("*.nii.gz")] == [Path(other.series[0].images[0].path).name]


def test_call_cut_short_while_it_removes_ends_like_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sidecar is gone and the image is not: it is no part of the data set, and the next call clears it."""
    write_deidentified(tmp_path / "clean", one_echo())
    first = again(tmp_path, said({"suffix": Suffix.T1W}))

    def cut(_folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(earlier_images, "fsync_folder", cut)
        with pytest.raises(KeyboardInterrupt):
            again(tmp_path, NO_OVERRIDES)
    left = tree(tmp_path / "mids")
    assert first.series[0].images[0].path in left
    assert first.series[0].images[0].sidecar not in left
    again(tmp_path, NO_OVERRIDES)
    again(tmp_path, NO_OVERRIDES, "new")
    assert tree(tmp_path / "mids") == tree(tmp_path / "new")


@pytest.mark.parametrize("labelled", [False, True])
def test_join_that_was_taken_back_leaves_no_joined_image(tmp_path: Path, labelled: bool) -> None:
    """It belonged to each of its series; a label map on it holds all of them."""
    files = [one for n in (1, 2) for one in classic(Kind(series=n, echo_times_ms=(2.3 * n,), extra=THIGH))]
    write_deidentified(tmp_path / "clean", files)
    joined = again(tmp_path, said({"join": "echoes"})).series[0].images[0]
    if labelled:
        draw_on(tmp_path / "mids", joined.path)
    before = tree(tmp_path / "mids")
    report = again(tmp_path, said({"suffix": Suffix.T1W}))
    if labelled:
        assert codes(report) == ["EARLIER_IMAGE_LABELLED"] * 2
        assert tree(tmp_path / "mids") == before
    else:
        named = {image.path for series in report.series for image in series.images}
        assert len(named) == 2
        assert {name for name in tree(tmp_path / "mids") if name.endswith(".nii.gz")} == named


def test_series_that_shares_an_image_with_a_held_one_is_held_too(tmp_path: Path) -> None:
    """One, a, has a label map on its own image and shares one with b: what a keeps, b cannot lose."""

    def image(suffix: Suffix, *members: str) -> EarlierImage:
        name = ImageName("A", "B", suffix)
        return EarlierImage(tmp_path / name.sidecar, name, members[0], frozenset(members))

    own, shared, lone = image(Suffix.T1W, "a"), image(Suffix.MEGRE, "a", "b"), image(Suffix.T2W, "c")
    draw_on(tmp_path, str(own.name.image))
    settled = settle([own, shared, lone], [Claim(uid, frozenset({uid})) for uid in "cba"], dataset=tmp_path)
    assert settled.held == {"a", "b"}
    assert settled.stale == (lone,)


def test_subject_folder_with_a_file_of_others_stays(tmp_path: Path) -> None:
    """Only the table that we wrote goes with the last session."""
    folder = tmp_path / "sub-A"
    folder.mkdir()
    for name in ("sub-A_sessions.tsv", "notes.txt"):
        (folder / name).write_text("x")
    remove_empty_subjects(tmp_path)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("files_here", [0, 1000], ids=["workers", "in-process"])
def test_rules_that_match_no_series_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files_here: int) -> None:
    """By their place in the file; a rule for a series that was refused is used."""
    monkeypatch.setattr(conversion, "IN_PROCESS_FILES", files_here)
    write_deidentified(tmp_path / "clean", one_echo() + one_echo(study=2))
    (used,), (unused,) = said({"suffix": Suffix.T1W}).rules, said({"skip": True}, protocol="other").rules
    report = again(tmp_path, Overrides("8" * 64, (unused, used, unused)))
    assert report.unused_overrides == (1, 3)
    assert again(tmp_path, Overrides("8" * 64, (used, used)), "b").unused_overrides == ()
