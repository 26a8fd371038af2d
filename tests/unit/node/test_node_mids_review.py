"""Series that a person must look at."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mids_factories import Kind, classic

from myofed_node.mids.dicom_input.headers import read_series
from myofed_node.mids.judging.review import refuse_head
from myofed_node.mids.refusal import SeriesRefusedError


@pytest.mark.parametrize(
    "body_part", ["HEAD", "BRAIN", "HEAD_NECK", "SKULL", "NECK", "WHOLEBODY", "WHOLE BODY", "TONGUE"]
)
def test_head_is_held(body_part: str) -> None:
    """A face can be rebuilt from an image of the head; neck, tongue and the whole body show it too."""
    with pytest.raises(SeriesRefusedError) as refusal:
        refuse_head(read_series(classic(Kind(extra={"BodyPartExamined": body_part}))))
    assert refusal.value.code == "HEAD_HELD_FOR_REVIEW"


def test_head_by_code_is_held() -> None:
    """Enhanced objects say the region by a code."""
    series = read_series(classic())
    coded = replace(series, acquisition=replace(series.acquisition, anatomic_region_code="T-A0100"))
    with pytest.raises(SeriesRefusedError) as refusal:
        refuse_head(coded)
    assert refusal.value.code == "HEAD_HELD_FOR_REVIEW"


def test_unknown_body_part_is_held() -> None:
    """What may be a head is treated as one."""
    with pytest.raises(SeriesRefusedError) as refusal:
        refuse_head(read_series(classic(Kind(extra={"BodyPartExamined": None}))))
    assert refusal.value.code == "BODY_PART_UNKNOWN"


def test_thigh_passes() -> None:
    """A body part that is said and no head needs no review; a forehead is no word of it."""
    refuse_head(read_series(classic()))
    refuse_head(read_series(classic(Kind(extra={"BodyPartExamined": "HEADLAND"}))))


def test_one_file_of_the_head_holds_the_series() -> None:
    """Whatever file comes first, and whatever the others say."""
    files = classic()
    files[-1].BodyPartExamined = "HEAD"
    for ordered in (files, files[::-1]):
        with pytest.raises(SeriesRefusedError) as refusal:
            refuse_head(read_series(ordered))
        assert refusal.value.code == "HEAD_HELD_FOR_REVIEW"
