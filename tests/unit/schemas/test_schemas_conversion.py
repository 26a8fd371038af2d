"""Reports of conversions and ingests."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from myofed_schemas.conversion import ConversionReport, ConvertedImage, FileResult, IngestReport, SeriesOutcome
from myofed_schemas.mids import Suffix

IMAGE = ConvertedImage(
    path="a.nii.gz", sidecar="a.json", suffix=Suffix.T1W, part=None, sha256="a" * 64, voxels_checked=1
)


def series(outcome: str, code: str | None, images: tuple[ConvertedImage, ...] = ()) -> SeriesOutcome:
    return SeriesOutcome.model_validate(
        {
            "number": 1,
            "series_instance_uid": "2.25.1",
            "subject": "A",
            "session": "1",
            "files": 1,
            "outcome": outcome,
            "code": code,
            "evidence": (),
            "images": images,
        }
    )


def report(*outcomes: SeriesOutcome, numbers: tuple[int, ...] = (1,), file_outcome: str = "converted") -> IngestReport:
    files = tuple(
        FileResult.model_validate({"number": n, "sha256": None, "outcome": file_outcome, "code": None, "series": 1})
        for n in numbers
    )
    return IngestReport(
        created="2026-11-22T12:00:00Z",
        policy_digest="b" * 64,
        tools={},
        files=files,
        series=outcomes,
        errors=0,
        warnings=0,
        conforms=True,
    )


@pytest.mark.parametrize(
    ("outcome", "code", "images"),
    [("converted", None, ()), ("converted", "X_Y", (IMAGE,)), ("skipped", None, ()), ("quarantined", "X_Y", (IMAGE,))],
)
def test_outcome_without_its_reason_is_refused(
    outcome: str, code: str | None, images: tuple[ConvertedImage, ...]
) -> None:
    """Converted means images and no code; anything else a code and no image."""
    with pytest.raises(ValidationError):
        series(outcome, code, images)


def test_file_that_is_missing_or_listed_twice_is_refused() -> None:
    """Every input stands in the report exactly once."""
    for numbers in ((1, 1), (2,), (1, 3)):
        with pytest.raises(ValidationError):
            report(numbers=numbers)


def test_quarantine_of_a_series_or_a_file_makes_the_ingest_incomplete() -> None:
    """What was skipped by rule does not."""
    assert report(series("converted", None, (IMAGE,)), series("skipped", "LOCALIZER")).complete
    assert not report(series("quarantined", "X_Y")).complete
    assert not report(file_outcome="quarantined").complete


@pytest.mark.parametrize("key", ["unused_overrides", "unused_levels"])
def test_rules_and_levels_that_matched_nothing_are_counted_from_1(key: str) -> None:
    """In both reports; none where the site has no file."""
    both = report(), ConversionReport(created="2026-11-22T12:00:00Z", policy_digest="b" * 64, tools={}, series=())
    for one in both:
        document = one.model_dump(mode="json")
        assert document[key] == []
        assert getattr(type(one).model_validate(document | {key: [1, 3]}), key) == (1, 3)
        with pytest.raises(ValidationError):
            type(one).model_validate(document | {key: [0]})


def test_series_are_counted_by_outcome() -> None:
    """The counts of both reports."""
    outcomes = (series("converted", None, (IMAGE,)), series("skipped", "LOCALIZER"))
    assert report(*outcomes).count("skipped") == 1
    made = ConversionReport(created="2026-11-22T12:00:00Z", policy_digest="b" * 64, tools={}, series=outcomes)
    assert (made.count("converted"), made.count("quarantined")) == (1, 0)
