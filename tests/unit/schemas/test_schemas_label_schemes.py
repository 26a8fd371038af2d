"""Tables of other tools."""

from __future__ import annotations

import pytest

from myofed_schemas.anatomy import THIGH_11, muscle
from myofed_schemas.label_schemes import LabelScheme, LabelSide, NotMuscle, scheme_rows
from myofed_schemas.muscle_sets import structures


@pytest.mark.parametrize("scheme", LabelScheme)
def test_every_row_leads_to_a_structure_or_says_that_it_is_none(scheme: LabelScheme) -> None:
    """No value twice, no structure and side twice."""
    rows = scheme_rows(scheme)
    assert len({row.value for row in rows}) == len(rows)
    assert all(row.value > 0 and row.name for row in rows)
    muscles = [(row.structure, row.side) for row in rows if row.structure in structures()]
    assert len(set(muscles)) == len(muscles)
    assert {row.structure for row in rows} <= {*structures(), *NotMuscle}
    assert all(row.side is not LabelSide.MIDLINE for row in rows if row.structure in structures())


@pytest.mark.parametrize(
    ("scheme", "labels"),
    [("musclemap", 113), ("musclemap-99", 99), ("totalsegmentator-mr", 56), ("totalsegmentator-thigh-shoulder", 18),
     ("dafne-thigh", 12), ("dafne-leg-split", 12), ("thigh-11", 11)],
)  # fmt: skip
def test_tools_have_as_many_labels_as_they_say(scheme: str, labels: int) -> None:
    """Counts that the tools themselves publish."""
    assert len(scheme_rows(LabelScheme(scheme))) == labels


def test_one_value_means_another_thing_in_an_older_version() -> None:
    """8151 is bone in MuscleMap's 99 labels and a muscle in its 113."""
    meant = {
        scheme: {r.value: r.structure for r in scheme_rows(LabelScheme(scheme))}
        for scheme in ("musclemap", "musclemap-99")
    }
    assert (meant["musclemap"][8151], meant["musclemap-99"][8151]) == ("GL", "bone")


def test_musclemap_values_of_single_muscles_are_ours() -> None:
    """Labels drop into its tools as they are."""
    for row in scheme_rows(LabelScheme.MUSCLEMAP):
        if row.structure in structures() and not row.lossy:
            assert row.value in {muscle(row.structure).value, muscle(row.structure).value + 1}


def test_eleven_values_of_the_public_thigh_maps() -> None:
    """In their order, the same value on both sides."""
    assert [(r.structure, r.side) for r in scheme_rows(LabelScheme.THIGH_11)] == [(m, LabelSide.BOTH) for m in THIGH_11]


def test_what_a_tool_draws_as_one_is_lossy() -> None:
    """Peroneus of Dafne, quadriceps of TotalSegmentator, toes' extensors of MuscleMap."""
    lossy = {
        scheme: {row.structure for row in scheme_rows(scheme) if row.lossy}
        for scheme in (LabelScheme.DAFNE_LEG, LabelScheme.TOTALSEGMENTATOR_MR, LabelScheme.MUSCLEMAP)
    }
    assert lossy[LabelScheme.DAFNE_LEG] == {"fibulares"}
    assert "quadriceps" in lossy[LabelScheme.TOTALSEGMENTATOR_MR]
    assert "long extensors of toes" in lossy[LabelScheme.MUSCLEMAP]
    assert not any(row.lossy for row in scheme_rows(LabelScheme.DAFNE_THIGH))
