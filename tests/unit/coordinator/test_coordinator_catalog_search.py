"""Searching: facets that add up, words that are found alike on both databases, pages, and who is not found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from catalog_examples import DIAGNOSIS, FEMALE, SIEMENS, cell, count_of, make_cube, publish
from coordinator_factories import NOW, FakeSite, make_card
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from myofed_coordinator.catalog.catalog_index import CatalogIndex, Tier
from myofed_coordinator.catalog.entries import TierFacets
from myofed_coordinator.catalog.models import EntryRow
from myofed_coordinator.catalog.search import CatalogSearch, PageWanted
from myofed_coordinator.catalog.text_index import words_of
from myofed_coordinator.services import Services
from myofed_schemas.catalog_search import CardChoice, FacetAnswer, FacetChoice, FacetCount
from myofed_schemas.errors import MyofedError

Enrol = Callable[[str], FakeSite]


def choice(text: str | None = None, **facets: str) -> CardChoice:
    named = ((facet.replace("_", "-"), value) for facet, values in facets.items() for value in values.split("|"))
    return CardChoice.model_validate({"text": text, "choices": [{"facet": f, "value": v} for f, v in named]})


def found(services: Services, text: str | None = None, **facets: str) -> list[str]:
    page = services.catalog_reading.search.page(choice(text, **facets), PageWanted(size=100))
    assert page.total == len(page.cards)
    return [f"{card.site}/{card.dataset}" for card in page.cards]


def values(answer: FacetAnswer, facet: str) -> dict[str, FacetCount]:
    return {value.value: value for each in answer.facets if each.facet == facet for value in each.values}


@pytest.fixture
def catalog(services: Services, enrol: Enrol) -> Services:
    """Three data sets of two sites."""
    enrol("hospital-a")
    enrol("hospital-b")
    publish(services, make_card("hospital-a"), make_cube("hospital-a"))
    publish(
        services,
        make_card("hospital-a", dataset="leg-t2", title="Calf T2 (mapping)", region="leg", vendors=("GE", "Siemens")),
    )
    publish(
        services,
        make_card("hospital-b", diagnoses=("ORPHA:273",), subjects=count_of(None), suffixes=("MESE",), muscles=("SA",)),
    )
    return services


def test_revoked_and_withdrawn_are_not_found(catalog: Services) -> None:
    """At the next question, in every answer."""
    search = catalog.catalog_reading.search
    catalog.enrolment.revoke("hospital-b", actor="admin", now=NOW)
    catalog.catalog.withdraw("leg-t2", site="hospital-a", now=NOW)
    assert found(catalog) == ["hospital-a/thigh-dixon"]
    assert search.facets(CardChoice()).cards == 1
    for site, dataset in (("hospital-b", "thigh-dixon"), ("hospital-a", "leg-t2"), ("nobody", "thigh-dixon")):
        with pytest.raises(MyofedError, match="CARD_UNKNOWN"):
            search.card(site, dataset)
        with pytest.raises(MyofedError, match="CARD_UNKNOWN"):
            search.counts(site, dataset)


def test_values_of_one_facet_are_joined_by_or_and_facets_by_and(catalog: Services) -> None:
    """An unknown value finds nothing."""
    assert found(catalog, vendor="GE|Siemens") == [
        "hospital-a/leg-t2",
        "hospital-a/thigh-dixon",
        "hospital-b/thigh-dixon",
    ]
    assert found(catalog, vendor="Siemens", region="leg") == ["hospital-a/leg-t2"]
    assert found(catalog, region="leg|thigh", site="hospital-b") == ["hospital-b/thigh-dixon"]
    assert found(catalog, vendor="Philips") == found(catalog, diagnosis="ORPHA:1") == []


def test_facets_count_what_a_choice_would_leave(catalog: Services) -> None:
    """A facet is counted as if nothing were chosen in it; sums are lower bounds and withheld counts are said."""
    answer = catalog.catalog_reading.search.facets(choice(region="thigh"))
    assert (answer.cards, answer.subjects_at_least, answer.withheld) == (2, 18, 1)
    assert {v: c.cards for v, c in values(answer, "region").items()} == {"thigh": 2, "leg": 1}
    assert {v: c.cards for v, c in values(answer, "vendor").items()} == {"Siemens": 2}
    steinert = values(answer, "diagnosis")["ORPHA:273"]
    assert (steinert.name, steinert.cards, steinert.subjects_at_least, steinert.withheld) == (
        "myotonic dystrophy type 1",
        1,
        0,
        1,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FSHD", ["hospital-a/leg-t2", "hospital-a/thigh-dixon"]),
        ("facioscapulo", ["hospital-a/leg-t2", "hospital-a/thigh-dixon"]),
        ("steinert", ["hospital-b/thigh-dixon"]),
        ("ORPHA:273", ["hospital-b/thigh-dixon"]),
        ("sartorius mese", ["hospital-b/thigh-dixon"]),
        ("vastus lateralis calf", ["hospital-a/leg-t2"]),
        ("mapping GE", ["hospital-a/leg-t2"]),
        ("Dyströphie", []),
        ("dystróphy", ["hospital-a/leg-t2", "hospital-a/thigh-dixon", "hospital-b/thigh-dixon"]),
        ("hospital b", ["hospital-b/thigh-dixon"]),
        ("mapping AND thigh", []),
        ("xon", []),
        ("'\"*:&|!()", []),
        ("筋", []),
    ],
)
def test_words_are_found_alike_on_both_databases(catalog: Services, text: str, expected: list[str]) -> None:
    """Each word begins one of the card's; what the databases' own query languages mean by a sign is never looked at."""
    assert found(catalog, text) == expected
    assert found(catalog, text) == expected, "the second answer comes from memory"


def test_words_of_a_new_version_replace_the_old(catalog: Services) -> None:
    """A card is found by what it says now."""
    publish(catalog, make_card("hospital-a", version=2, title="Forearm", region="shoulder"))
    assert found(catalog, "forearm") == ["hospital-a/thigh-dixon"]
    assert found(catalog, "thigh", site="hospital-a") == ["hospital-a/thigh-dixon"], "its name still says thigh"
    assert found(catalog, region="shoulder") == ["hospital-a/thigh-dixon"]


def test_pages_cover_all_cards_once_in_each_order(catalog: Services) -> None:
    """No card twice, none missing; cards that withhold their count come last."""
    search = catalog.catalog_reading.search
    for sort in ("site", "title", "subjects", "newest"):
        seen = [search.page(CardChoice(), PageWanted(n, 1, sort)).cards[0] for n in (1, 2, 3)]
        assert len({(card.site, card.dataset) for card in seen}) == 3
        assert search.page(CardChoice(), PageWanted(4, 1, sort)).cards == ()
        if sort == "subjects":
            assert seen[-1].site == "hospital-b"
        if sort == "title":
            assert [card.title for card in seen] == ["Calf T2 (mapping)", "Thigh Dixon", "Thigh Dixon"]


def test_card_comes_with_how_its_counts_are_protected(catalog: Services) -> None:
    """Card, time, and the policy of its cube; none where there is no cube."""
    search = catalog.catalog_reading.search
    shown = search.card("hospital-a", "thigh-dixon")
    assert (shown.card.version, shown.published_at, shown.cube_version) == (1, "2026-11-22T12:00:00Z", 1)
    assert shown.policy == make_cube("hospital-a").policy
    assert search.card("hospital-a", "leg-t2").policy is None
    assert [c.count for c in search.counts("hospital-a", "thigh-dixon").cells] == [20, 5, 20]


def test_everybody_sees_guaranteed_cells_and_words_only(catalog: Services) -> None:
    """5 is not told, nor is a vendor found that is not told; without a cube no category is."""
    search = catalog.catalog_reading.search
    counts = search.counts("hospital-a", "thigh-dixon", public=True)
    assert {c.at[0]: c.count for c in counts.cells} == {DIAGNOSIS: 20, SIEMENS: 20}
    assert counts.subjects == 20
    facets = search.facets(CardChoice(), public=True)
    assert set(values(facets, "vendor")) == {"Siemens"}
    assert values(facets, "vendor")["Siemens"].cards == 1
    page = search.page(choice("Siemens"), PageWanted(), public=True)
    assert [(card.site, card.dataset, card.suffixes) for card in page.cards] == [("hospital-a", "thigh-dixon", ())]
    assert search.page(choice("steinert"), PageWanted(), public=True).total == 0
    assert search.card("hospital-b", "thigh-dixon", public=True).card.diagnoses == ()


def test_order_does_not_tell_everybody_what_is_withheld(catalog: Services) -> None:
    """By number of subjects is an order for people who are signed in."""
    search = catalog.catalog_reading.search
    page = search.page(CardChoice(), PageWanted(sort="subjects"), public=True)
    assert [card.site for card in page.cards] == ["hospital-a", "hospital-a", "hospital-b"]


def test_new_cube_changes_what_everybody_sees(catalog: Services) -> None:
    """The card stays, its public form follows the cells."""
    publish(catalog, make_card("hospital-a"), make_cube("hospital-a", cell(5, SIEMENS), cell(5, FEMALE), version=2))
    search = catalog.catalog_reading.search
    assert search.card("hospital-a", "thigh-dixon", public=True).card.vendors == ()
    assert search.counts("hospital-a", "thigh-dixon", public=True).cells == ()


def test_other_process_sees_a_change_at_its_next_question(catalog: Services) -> None:
    """Its index reads what changed since it last looked, and nothing else."""
    other = CatalogSearch(catalog.database, CatalogIndex(catalog.database))
    assert other.facets(CardChoice()).cards == 3
    publish(catalog, make_card("hospital-b", version=2, vendors=("Philips",)))
    catalog.catalog.withdraw("leg-t2", site="hospital-a", now=NOW)
    answer = other.facets(CardChoice())
    assert (answer.cards, {v: c.cards for v, c in values(answer, "vendor").items()}) == (
        2,
        {"Philips": 1, "Siemens": 1},
    )


def test_entries_of_another_form_are_written_anew(catalog: Services) -> None:
    """After an upgrade, or where tables came from a version without entries, the next process finds every card."""
    with catalog.database.write() as session:
        session.execute(update(EntryRow).values(form=0, document="{}"))
    other = CatalogSearch(catalog.database, CatalogIndex(catalog.database))
    assert other.facets(choice(vendor="GE")).cards == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.none() | st.integers(0, 5000)), max_size=40),
    st.lists(st.integers(0, 39), max_size=20),
)
def test_sums_of_the_index_are_those_of_adding_one_by_one(cards: list[tuple[str, int | None]], gone: list[int]) -> None:
    """For any cards, any of them dropped again: cards, sum and withheld by value are what a loop finds."""
    tier = Tier()
    facts = [TierFacets(facets=(("vendor", value),), at_least=count) for value, count in cards]
    for number, each in enumerate(facts):
        tier.put(1 << number, each)
    dropped = {number for number in gone if number < len(cards)}
    for number in dropped:
        tier.drop(1 << number, facts[number])
    left = [card for number, card in enumerate(cards) if number not in dropped]
    for value, number in Counter(value for value, _ in left).items():
        counted = tier.count(tier.masks["vendor"][value])
        counts = [count for v, count in left if v == value]
        assert counted.cards == number
        assert counted.subjects_at_least == sum(count for count in counts if count is not None)
        assert counted.withheld == counts.count(None)
    assert set(tier.masks.get("vendor", {})) == {value for value, _ in left}


def test_words_are_letters_and_digits_without_accents() -> None:
    """`6-point Müller` is three words."""
    assert words_of(["6-point", "Müller, MÜLLER"]) == ("6", "muller", "point")


def test_choice_refuses_what_no_card_could_have() -> None:
    """Control characters and over-long words do not reach the databases."""
    for wrong in ({"text": "a\x00b"}, {"text": "x" * 201}, {"choices": [{"facet": "patient", "value": "x"}]}):
        with pytest.raises(ValueError, match="validation error"):
            CardChoice.model_validate(wrong)
    with pytest.raises(ValueError, match="validation error"):
        FacetChoice(facet="vendor", value="'; DROP TABLE cards")
