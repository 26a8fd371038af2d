"""Counting: three scores of one count, the shift beside it, and what a person reads of both."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.midi_b.answer_key import Action, Instance, Required, read_answer_key
from bench.midi_b.mapping import Mappings
from bench.midi_b.own_key import main
from bench.midi_b.report import document, percent, table
from bench.midi_b.score import Output, Score, score
from bench.midi_b.shift import Shift
from pydicom import dcmread

UNKNOWN = Required(None, None, None, None, "unknown")
KEPT = Required(Action.TAG_RETAINED, "<(0008,0060)>", None, None, "dicom IOD-1")
LOST = Required(Action.TAG_RETAINED, '<(0019,"creator",0c)>', None, None, "dicom IOD-1")
GONE = Required(Action.TEXT_REMOVED, "<(0010,0010)>", None, "fantasia", "hipaa HIPAA-A")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """One synthetic image, not de-identified."""
    main([str(tmp_path)])
    return tmp_path / "data" / "0-MR" / "1-1.dcm"


def scored(file: Path, *, released: tuple[Required, ...], withheld: tuple[Required, ...] = ()) -> Score:
    key = [Instance("MR", "1.1", released), Instance("CT", "1.2", withheld)]
    return score(key, Output({"1.1": file}, {"1.2": "SOP_CLASS_REFUSED"}, Mappings()))


def test_an_unknown_action_is_required_and_never_passed(file: Path) -> None:
    """Neither a released nor a withheld instance gains by an action that nobody can judge."""
    result = scored(file, released=(KEPT, UNKNOWN), withheld=(UNKNOWN, GONE))
    assert (result.released(), result.strict(), result.as_published()) == (1 / 2, 1 / 4, 2 / 4)


def test_withheld_instances_are_counted_by_code_and_modality(file: Path) -> None:
    """Their required actions are reported by themselves."""
    found = document(scored(file, released=(KEPT,), withheld=(KEPT, GONE)), run={})
    assert found["modalities"]["CT"]["withheld_by_code"] == {"SOP_CLASS_REFUSED": 1}
    assert found["modalities"]["CT"]["required"]["withheld"] == 2
    assert found["refused_modalities"] == ["CT"]


def test_what_did_not_pass_is_named_by_attribute_without_a_value(file: Path) -> None:
    """The creator of a private element is free text of a file and stays out; so does the name that was kept."""
    found = document(scored(file, released=(KEPT, LOST, GONE)), run={})
    assert {(one["action"], one["attribute"], one["count"]) for one in found["not_passed"]} == {
        ("tag_retained", "(0019,xx0C)", 1),
        ("text_removed", "(0010,0010)", 1),
    }
    assert "not passed in released instances (2 kinds)" in table(found)
    assert "antasia" not in table(found)


def test_a_run_that_releases_nothing_has_no_released_score(file: Path) -> None:
    """0 of 0 is no 100 %."""
    found = document(scored(file, released=(), withheld=(KEPT,)), run={})
    assert found["scores_percent"] == {"released": None, "strict": 0.0, "as_published": 0.0}
    assert "score, released            none" in table(found)


@pytest.mark.parametrize(("share", "cut"), [(1.0, 100.0), (0.99999, 99.99), (0.5, 50.0), (0.9993, 99.93), (None, None)])
def test_percent_is_cut_so_that_100_means_all(share: float | None, cut: float | None) -> None:
    """One failure in a million is seen."""
    assert percent(share) == cut


@pytest.mark.parametrize(
    ("old", "new", "counted"),
    [
        ("20200110", "20200101", (1, 1)),
        ("20200110", "20200102", (1, 0)),
        ("20200110", "", (0, 0)),
        ("2020", "20200101", (0, 0)),
        ("20201399", "20200101", (0, 0)),
    ],
)
def test_a_date_keeps_its_interval_when_it_moves_by_the_patients_days(
    old: str, new: str, counted: tuple[int, int]
) -> None:
    """Full dates are looked at; what is emptied, partial or no date is not."""
    shift = Shift()
    shift.look_at(old, new, days=-9)
    assert (shift.looked_at, shift.kept_interval) == counted


def test_the_test_data_maker_leaves_data_and_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m bench.midi_b.own_key FOLDER` lets anyone try the runner without the benchmark's data."""
    assert main([str(tmp_path / "own"), "--seed", "3"]) == 0
    data, key = map(Path, capsys.readouterr().out.split())
    uids = {dcmread(path).SOPInstanceUID for path in data.rglob("*.dcm")}
    assert {instance.sop_instance_uid for instance in read_answer_key(key)} == uids
