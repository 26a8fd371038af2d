"""The card: no number and no category of it stands for fewer than k subjects."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_node.catalog_card import build_card
from myofed_node.config import DEMO_POLICY, SiteConfig
from myofed_node.dataset_census import Census

HOSPITAL = SiteConfig(site="alpha")
COUNTS = st.dictionaries(st.sampled_from(["VL", "VI", "VM"]), st.integers(1, 40)).map(Counter)


def _census(subjects: int, sessions: int, labelled: int, muscles: Counter[str] | None = None) -> Census:
    return Census(
        subjects=subjects,
        sessions=sessions,
        labelled_subjects=labelled,
        vendors=Counter({"Siemens": subjects, "GE": 1}),
        tesla=Counter({3.0: subjects, 7.0: 2}),
        suffixes=Counter({"MEGRE": subjects}),
        muscles=muscles or Counter(),
        origins=Counter({"manual": labelled, "automatic": 1}),
    )


@settings(max_examples=60, deadline=None)
@given(subjects=st.integers(0, 60), extra=st.integers(0, 30), data=st.data(), muscles=COUNTS)
def test_nothing_on_the_card_stands_for_fewer_than_ten(
    subjects: int, extra: int, data: st.DataObject, muscles: Counter[str]
) -> None:
    """For any data set under the default policy, also by subtracting one number of the card from another."""
    labelled = data.draw(st.integers(0, subjects))
    card = build_card(_census(subjects, subjects + extra, labelled, muscles), config=HOSPITAL, conforms=True, version=1)
    told = [count.value for count in (card.subjects, card.sessions, card.labelled_subjects) if count.value is not None]
    assert all(value >= 10 and value % 5 == 0 for value in told)
    assert all(muscles[muscle] >= 10 for muscle in card.muscles)
    assert "GE" not in card.vendors
    assert 7.0 not in card.field_strengths_tesla
    if card.labelled_subjects.value is not None:
        assert not 0 < subjects - labelled < 10
    if card.sessions.value is not None:
        assert not 0 < extra < 10


def test_few_subjects_withhold_everything_but_the_description() -> None:
    """Nine subjects: no count, no vendor, no muscle; the site still says what it has in words."""
    card = build_card(_census(9, 9, 9, Counter({"VL": 9})), config=HOSPITAL, conforms=True, version=1)
    assert (card.subjects.value, card.sessions.value, card.labelled_subjects.value) == (None, None, None)
    assert (card.vendors, card.suffixes, card.muscles, card.label_origin) == ((), (), (), "none")


def test_least_careful_origin_of_labels_is_told() -> None:
    """Automatic labels of enough subjects are not hidden behind manual ones."""
    census = _census(20, 20, 20)
    census.origins["automatic"] = 12
    assert build_card(census, config=HOSPITAL, conforms=True, version=1).label_origin == "automatic"


def test_demo_card_says_that_it_is_one() -> None:
    """The lowered policy stands on the card itself."""
    demo = SiteConfig(site="alpha", policy=DEMO_POLICY)
    card = build_card(_census(4, 4, 4), config=demo, conforms=True, version=3)
    assert card.disclosure.demo
    assert (card.subjects.value, card.version) == (4, 3)
