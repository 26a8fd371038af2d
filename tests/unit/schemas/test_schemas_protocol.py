"""Profiles that say nothing, or something impossible, are refused; reports keep their JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from myofed_schemas.mids import Suffix
from myofed_schemas.protocol import (
    Applies,
    EchoRange,
    Profile,
    ProtocolReport,
    ProtocolSummary,
    Range,
    RangeLimit,
    Tally,
    add_tallies,
)
from myofed_schemas.protocol_quantities import QUANTITIES, Quantity

SAYS = {"why": "because it matters", "source": "a paper", "certainty": "literature"}
RANGE: dict[str, Any] = {
    "key": "repetition_time", "kind": "range", "quantity": "repetition_time", "unit": "ms", "target": 10,
    "pass": [{"low": 6, "high": 20}], "warn": [{"low": 4, "high": 30}], **SAYS,
}  # fmt: skip
CHOICE: dict[str, Any] = {
    "key": "dimension", "kind": "choice", "quantity": "acquisition_type", "pass": ["3D"], "warn": ["2D"], **SAYS,
}  # fmt: skip
BIAS: dict[str, Any] = {
    "key": "t1_bias", "kind": "t1_bias", "quantity": "t1_bias", "unit": "percentage points",
    "true_fat_fraction_percent": 30, "pass": [{"low": -1, "high": 4}],
    "t1": [{"at_tesla": {"low": 2.8, "high": 3.1}, "water_ms": 1420, "fat_ms": 370, "source": "a paper"}], **SAYS,
}  # fmt: skip
PROFILE: dict[str, Any] = {
    "format": "myofed-protocol-1", "name": "my-dixon", "title": "My Dixon", "purpose": "fat fraction",
    "applies": {"suffixes": ["MEGRE"]}, "about": "What it is for.", "limits": [RANGE, CHOICE, BIAS],
}  # fmt: skip


def profile(*limits: dict[str, Any], **changes: object) -> Profile:
    return Profile.model_validate_json(json.dumps(PROFILE | ({"limits": limits} if limits else {}) | changes))


def test_good_profile_is_read() -> None:
    """All three kinds of limit."""
    assert [limit.key for limit in profile().limits] == ["repetition_time", "dimension", "t1_bias"]


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (RANGE | {"unit": "s"}, "told in ms"),
        (RANGE | {"pass": [{}]}, "lets everything pass"),
        (RANGE | {"pass": []}, "at least 1"),
        (RANGE | {"pass": [{"low": 20, "high": 6}]}, "low is above high"),
        (RANGE | {"target": 100}, "outside pass"),
        (RANGE | {"quantity": "acquisition_type", "unit": ""}, "another kind"),
        (RANGE | {"quantity": "t1_bias", "unit": "percentage points"}, "another kind"),
        (RANGE | {"quantity": "echo_colour"}, "Input should be"),
        (RANGE | {"certainty": "certain"}, "Input should be"),
        (RANGE | {"source": ""}, "at least 5"),
        (RANGE | {"key": "TR"}, "pattern"),
        (RANGE | {"target": "10"}, "valid number"),
        (RANGE | {"patient": "x"}, "Extra inputs"),
        (RANGE | {"kind": "table"}, "does not match any"),
        (CHOICE | {"pass": ["4D"]}, "can be: 2D, 3D"),
        (CHOICE | {"pass": ["2D", "3D"], "warn": []}, "says nothing"),
        (CHOICE | {"quantity": "flip_angle"}, "needs a range"),
        (BIAS | {"quantity": "flip_angle"}, "t1_bias"),
        (BIAS | {"t1": []}, "at least 1"),
        (BIAS | {"pass": [{"low": 0}]}, "number above 0"),
        (BIAS | {"pass": [{"high": 0}]}, "number above 0"),
        (BIAS | {"true_fat_fraction_percent": 100}, "less than 100"),
        (BIAS | {"t1": [BIAS["t1"][0] | {"fat_ms": 2000}]}, "shorter T1"),
    ],
)
def test_limit_that_cannot_mean_anything_is_refused(limit: dict[str, Any], said: str) -> None:
    """And the reason says what is wrong."""
    with pytest.raises(ValidationError) as refusal:
        profile(limit)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"limits": [RANGE, RANGE]}, "stand twice: repetition_time"),
        ({"limits": []}, "at least 1"),
        ({"name": "My Dixon"}, "pattern"),
        ({"purpose": "research"}, "Input should be"),
        ({"format": "myofed-protocol-2"}, "Input should be"),
        ({"applies": {"suffixes": []}}, "at least 1"),
        ({"applies": {"suffixes": ["DIXON"]}}, "Input should be"),
        ({"applies": {"suffixes": ["MEGRE"], "echoes": {"low": 0}}}, "greater than"),
    ],
)
def test_profile_that_cannot_mean_anything_is_refused(change: dict[str, Any], said: str) -> None:
    """Whole profiles, too."""
    with pytest.raises(ValidationError) as refusal:
        profile(**change)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (3.9, "fail"),
        (4, "warn"),
        (5.9, "warn"),
        (6, "pass"),
        (20, "pass"),
        (20 + 1e-12, "pass"),
        (20.1, "warn"),
        (31, "fail"),
    ],
)
def test_verdict_on_a_number_includes_the_ends(value: float, verdict: str) -> None:
    """Pass within pass, warn within warn, else fail; rounding at an end does not decide."""
    limit = profile(RANGE).limits[0]
    assert isinstance(limit, RangeLimit)
    assert limit.judge(value) == verdict


@pytest.mark.parametrize(("word", "verdict"), [("3D", "pass"), ("2D", "warn"), ("other", "fail")])
def test_verdict_on_a_word(word: str, verdict: str) -> None:
    """A word of neither list fails."""
    assert profile(CHOICE).limits[0].judge(word) == verdict  # type: ignore[arg-type]


def test_t1_is_that_of_the_field_or_none() -> None:
    """No T1 of another field."""
    limit = profile(BIAS).limits[0]
    assert limit.t1_at(2.89).water_ms == 1420  # type: ignore[union-attr]
    assert limit.t1_at(1.5) is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        (Range(low=1, high=2), Range(low=2, high=3), True),
        (Range(low=1, high=2), Range(low=2.1, high=3), False),
        (Range(low=4, high=5), Range(high=3), False),
        (Range(low=1), Range(high=1), True),
        (Range(), Range(low=9), True),
    ],
)
def test_ranges_overlap_where_a_value_lies_in_both(one: Range, other: Range, *, overlap: bool) -> None:
    """Both ways round."""
    assert one.overlaps(other) == other.overlaps(one) == overlap


@pytest.mark.parametrize(
    ("other", "meets"),
    [
        (Applies(suffixes=(Suffix.MESE,)), False),
        (Applies(suffixes=(Suffix.MEGRE,)), True),
        (Applies(suffixes=(Suffix.MEGRE,), echoes=EchoRange(low=1, high=4)), False),
        (Applies(suffixes=(Suffix.MEGRE,), echoes=EchoRange(low=6)), True),
        (Applies(suffixes=(Suffix.MEGRE,), inverted=True), False),
        (Applies(suffixes=(Suffix.MEGRE,), inverted=False), True),
    ],
)
def test_profiles_meet_where_an_acquisition_belongs_to_both(other: Applies, *, meets: bool) -> None:
    """Suffix, echoes and inversion; what is not said is either."""
    mine = Applies(suffixes=(Suffix.MEGRE, Suffix.T1W), echoes=EchoRange(low=5), inverted=False)
    assert mine.meets(other) == other.meets(mine) == meets


def test_every_quantity_is_told_in_a_unit_or_in_words() -> None:
    """Never both, never neither."""
    assert set(QUANTITIES) == set(Quantity)
    assert all(bool(kind.unit) != bool(kind.words) for kind in QUANTITIES.values())


FOUND = {
    "key": "flip_angle", "quantity": "flip_angle", "verdict": "warn", "expected": "1 to 10°", "found": "15°", "value": 15.0,
    "unit": "degrees", "why": "too bright", "source": "a paper", "certainty": "expert opinion",
}  # fmt: skip
SERIES = {
    "name": "sub-A/ses-1/sub-A_ses-1_MEGRE", "images": ["sub-A/ses-1/mr-anat/sub-A_ses-1_MEGRE.nii.gz"],
    "suffixes": ["MEGRE"], "profile": "my-dixon", "purpose": "fat fraction", "verdict": "warn", "reason": "",
    "caution": "", "findings": [FOUND],
}  # fmt: skip
USED = {"name": "my-dixon", "origin": "site", "digest": "0" * 64}
REPORT = {"format": "myofed-protocol-check-1", "profiles": [USED], "series": [SERIES]}
TALLY = {"passed": 3, "warned": 1, "failed": 4, "unknown": 0}
SUMMARY = {
    "format": "myofed-protocol-summary-1", "site": "hospital-a", "profiles": [USED],
    "months": [
        {"month": None, "profile": None, "tally": {"passed": 0, "warned": 0, "failed": 0, "unknown": 2}},
        {"month": "2026-11", "profile": "my-dixon", "tally": TALLY},
    ],
    "limits": [{"profile": "my-dixon", "key": "flip_angle", "tally": TALLY}], "not_checked": 5,
}  # fmt: skip


@pytest.mark.parametrize(("model", "golden"), [(ProtocolReport, REPORT), (ProtocolSummary, SUMMARY)])
def test_report_reads_and_writes_its_golden_json(model: type[BaseModel], golden: dict[str, Any]) -> None:
    """Key by key; a field nobody knows is refused."""
    document = model.model_validate_json(json.dumps(golden))
    assert json.loads(document.model_dump_json()) == golden
    with pytest.raises(ValidationError):
        model.model_validate_json(json.dumps(golden | {"subject": "A"}))


@pytest.mark.parametrize(
    ("verdicts", "checked", "conforms"),
    [
        ([], 0, False),
        (["not checked"], 0, False),
        (["pass"], 1, True),
        (["pass", "warn", "not checked"], 2, True),
        (["pass", "fail"], 2, False),
        (["pass", "unknown"], 2, False),
    ],
)
def test_data_set_conforms_only_when_something_was_checked(
    verdicts: list[str], checked: int, *, conforms: bool
) -> None:
    """0 of 0 is no success, and neither is not knowing."""
    series = [SERIES | {"verdict": verdict} for verdict in verdicts]
    report = ProtocolReport.model_validate_json(json.dumps(REPORT | {"series": series}))
    assert (report.checked, report.conforms) == (checked, conforms)
    assert report.count("pass") == verdicts.count("pass")


def test_tallies_add_up() -> None:
    """Outcome by outcome; of nothing, 0 percent conform."""
    summary = ProtocolSummary.model_validate_json(json.dumps(SUMMARY))
    assert summary.total == Tally(passed=3, warned=1, failed=4, unknown=2)
    assert summary.total.checked == 10
    assert summary.total.conforming_percent == 40.0
    assert add_tallies([]) == Tally()
    assert Tally().conforming_percent == 0.0


@pytest.mark.parametrize("month", ["2026", "2026-13", "2026-1", "2026-11-22"])
def test_month_is_a_month_and_no_date(month: str) -> None:
    """A day would say more than a summary may."""
    row = SUMMARY["months"][1] | {"month": month}  # type: ignore[index]
    with pytest.raises(ValidationError):
        ProtocolSummary.model_validate_json(json.dumps(SUMMARY | {"months": [row]}))
