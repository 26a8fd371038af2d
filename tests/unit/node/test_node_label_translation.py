"""Values of a delivery."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myofed_node.label_exchange.refusal import LabelRefusedError
from myofed_node.label_exchange.translation import Translation
from myofed_schemas.label_schemes import LabelScheme, scheme_rows
from myofed_schemas.muscle_sets import label_name, structures

MUSCLEMAP = Translation.of_scheme(LabelScheme.MUSCLEMAP)


@pytest.mark.parametrize(
    ("translation", "found", "code", "count"),
    [
        (MUSCLEMAP, (7101, 7999, 9999), "LABEL_VALUE_UNKNOWN", "2"),
        (MUSCLEMAP, (7101, 6171, 6160), "LABEL_NOT_MUSCLE", "2"),
        (Translation.of_names({1: "left VL", 2: "x", 3: "y", 4: "z"}), (1, 2, 3), "LABEL_NAME_UNKNOWN", "2"),
        (Translation.of_names({1: "left VL", 2: "L vastus lateralis"}), (1, 2), "LABEL_TABLE_INVALID", ""),
        (Translation.of_names({1: "VL", 2: "vastus lateralis"}), (1, 2), "LABEL_TABLE_INVALID", ""),
        (Translation.of_scheme(LabelScheme.MUSCLEMAP, ignored=["vastus lateralis"]), (6171,), "LABEL_NOT_MUSCLE", "1"),
    ],
)
def test_what_is_unknown_or_no_muscle_is_counted_and_refused(
    translation: Translation, found: tuple[int, ...], code: str, count: str
) -> None:
    """Never dropped; the message has a count and no name."""
    with pytest.raises(LabelRefusedError) as refusal:
        translation.canonical(found)
    assert refusal.value.code == code
    assert count in refusal.value.message


@pytest.mark.parametrize("ignored", [["bone"], ["Femur", "Sacrum"], ["Femur L", "femur_right", "sacrum"]])
def test_bones_are_dropped_by_consent(ignored: list[str]) -> None:
    """All bones, by name, or by name and side."""
    translation = Translation.of_scheme(LabelScheme.MUSCLEMAP, ignored=ignored)
    assert translation.canonical((7101, 6171, 6172, 6160)).sided == {7101: 7101}


def test_unknown_name_and_muscle_are_dropped_by_consent() -> None:
    """A person may drop what is drawn wrong."""
    translation = Translation.of_names({1: "left VL", 2: "Artefact", 3: "right VL"}, ignored=["artefact", "Right VL"])
    assert translation.canonical((1, 2, 3)).sided == {1: 7101}


def test_word_of_a_kind_does_not_drop_a_muscle() -> None:
    """`other` is what TotalSegmentator draws beside muscles."""
    translation = Translation.of_scheme(LabelScheme.TOTALSEGMENTATOR_MR, ignored=["other", "bone"])
    meaning = translation.canonical((1, 34, 48, 54))
    assert [label_name(value) for value in meaning.sided.values()] == ["left quadriceps group", "left sartorius"]


def test_one_value_for_both_sides_has_no_canonical_value_yet() -> None:
    """Geometry must tell."""
    meaning = Translation.of_scheme(LabelScheme.DAFNE_LEG).canonical((1, 6))
    assert (meaning.sided, meaning.unsided) == ({}, {1: "SOL", 6: "fibulares"})


def test_dafne_split_has_right_before_left() -> None:
    """R = 2k - 1, L = 2k."""
    meaning = Translation.of_scheme(LabelScheme.DAFNE_THIGH_SPLIT).canonical((1, 2))
    assert meaning.sided == {1: 7102, 2: 7101}


@given(st.sampled_from(list(LabelScheme)), st.data())
def test_any_subset_of_a_tools_labels_stays_apart(scheme: LabelScheme, data: st.DataObject) -> None:
    """No two labels become one."""
    drawn = data.draw(st.sets(st.sampled_from([r.value for r in scheme_rows(scheme) if r.structure in structures()])))
    meaning = Translation.of_scheme(scheme).canonical(drawn)
    assert {*meaning.sided, *meaning.unsided} == drawn
    assert len(set(meaning.sided.values())) == len(meaning.sided)


def test_reader_table_lists_also_what_was_not_drawn() -> None:
    """A reader looked for it."""
    table = Translation.of_table({4: 7102, 3: 7101})
    assert table.lists_all
    assert table.all_canonical() == (7101, 7102)
