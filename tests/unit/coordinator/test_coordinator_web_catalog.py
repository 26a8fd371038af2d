"""Pages of the catalog and of count questions: facets, words, pages, one card, its counts, and what was withheld."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from catalog_examples import make_cube, publish
from coordinator_factories import NOW, FakeSite, make_card
from fastapi.testclient import TestClient
from web_factories import FakeRuns, Nesting, client_as, words_of

from myofed_coordinator.accounts.permissions import Role
from myofed_coordinator.services import Services
from myofed_schemas.catalog import SuppressedCount

Enrol = Callable[[str], FakeSite]


@pytest.fixture
def database_url() -> str | None:
    """SQLite only: searching and counting have their own tests on both; `make prove NAME=pages` walks on both."""
    return None


@pytest.fixture
def lead(services: Services, enrol: Enrol) -> TestClient:
    """A study lead before two sites with three data sets, one of them with a cube."""
    for name in ("hospital-a", "hospital-b"):
        enrol(name)
    publish(services, make_card("hospital-a"), make_cube("hospital-a"))
    publish(services, make_card("hospital-a", dataset="leg", title="Leg", region="leg", vendors=("United Imaging",)))
    publish(services, make_card("hospital-b", subjects=SuppressedCount(rounded_to=5), diagnoses=("ORPHA:98896",)))
    return client_as(services, FakeRuns(), Role.STUDY_LEAD, now=NOW)


def titles(page: str) -> list[str]:
    return re.findall(r'<h2><a href="(/catalog/[^"]+)"', page)


def test_facets_words_and_order_choose_cards(lead: TestClient) -> None:
    """Values of one facet are joined by OR, facets by AND; a field left empty asks nothing; what is chosen is ticked."""
    assert len(titles(lead.get("/catalog?text=&sort=site").text)) == 3
    page = lead.get("/catalog?region=leg&vendor=United+Imaging").text
    assert titles(page) == ["/catalog/hospital-a/leg"]
    assert re.search(r'id="vendor-United-Imaging"[^>]* checked', page)
    assert titles(lead.get("/catalog?text=duchenne").text) == ["/catalog/hospital-b/thigh-dixon"]
    assert len(titles(lead.get("/catalog?region=leg&region=thigh").text)) == 3


def test_catalog_has_pages_whose_links_keep_the_choice(lead: TestClient) -> None:
    """Forth and back, with the choice and without the page before."""
    page = lead.get("/catalog?per_page=1&site=hospital-a").text
    assert len(titles(page)) == 1
    (older,) = re.findall(r'href="(/catalog\?[^"]+)">Next', page)
    second = lead.get(older.replace("&amp;", "&")).text
    assert titles(second) != titles(page)
    assert "Previous page" in second
    assert "Next page" not in second


def test_withheld_numbers_are_said_and_never_zero(lead: TestClient) -> None:
    """On the list, in its sum and on the card."""
    page = words_of(lead.get("/catalog").text)
    assert "1 withhold their number" in page
    assert "withheld subjects" in page
    assert "Subjects withheld" in words_of(lead.get("/catalog/hospital-b/thigh-dixon").text)


@pytest.mark.parametrize("query", ["?colour=red", "?page=0", "?sort=size", "?region=%00", "?text=a&text=b%00"])
def test_address_that_asks_something_else_is_refused(lead: TestClient, query: str) -> None:
    """MALFORMED, as a page."""
    answer = lead.get("/catalog" + query)
    assert (answer.status_code, "MALFORMED" in answer.text) == (422, True)


def test_counts_of_a_card_cost_a_question_and_are_drawn_with_their_numbers(
    lead: TestClient, services: Services
) -> None:
    """Asked for by a link of its own; every bar stands beside its number, and the log says who looked."""
    assert "Show the counts" in lead.get("/catalog/hospital-a/thigh-dixon").text
    assert services.catalog_reading.log.page(1).total == 0
    page = lead.get("/catalog/hospital-a/thigh-dixon/counts").text
    reader = Nesting()
    reader.feed(page)
    assert reader.open == []
    assert "facioscapulohumeral dystrophy 20" in words_of(page)
    assert "What is not listed is withheld" in page
    assert services.catalog_reading.log.page(1).total == 1


def test_auditor_reads_cards_but_asks_for_no_counts(lead: TestClient, services: Services) -> None:
    """The link is not there, and the address is refused."""
    auditor = client_as(services, FakeRuns(), Role.AUDITOR, now=NOW)
    assert "Show the counts" not in auditor.get("/catalog/hospital-a/thigh-dixon").text
    assert auditor.get("/catalog/hospital-a/thigh-dixon/counts").status_code == 403
    assert auditor.get("/feasibility").status_code == 403


def test_count_question_is_answered_by_data_set(lead: TestClient) -> None:
    """Told, withheld and without a cube are three things; the form stays as it was filled in."""
    fields = {"csrf": "good", "condition_1": "diagnosis=ORPHA:269", "condition_2": "labels=single-muscles"}
    page = lead.post("/feasibility", data=fields).text
    text = words_of(page)
    assert "Surely 13 subjects at 1 site. 1 data set told a count, 0 withheld it, 2 published none." in text
    assert re.search(r'<option value="diagnosis=ORPHA:269" selected>', page)
    withheld = lead.post(
        "/feasibility", data={"csrf": "good", "condition_1": "sex=female", "condition_2": "vendor=Siemens"}
    )
    assert "Surely 0 subjects at 0 sites. 0 data sets told a count, 1 withheld it" in words_of(withheld.text)
    of_none = lead.post("/feasibility", data={"csrf": "good", "region": "shoulder"})
    assert "No data set matches" in of_none.text


@pytest.mark.parametrize(
    "fields",
    [
        {"condition_1": "diagnosis=ORPHA:269", "condition_2": "diagnosis=ORPHA:273"},
        {"condition_1": "name=somebody"},
        {"condition_1": "nonsense"},
    ],
)
def test_impossible_question_is_refused_and_costs_nothing(
    lead: TestClient, services: Services, fields: dict[str, str]
) -> None:
    """QUESTION_FORM."""
    answer = lead.post("/feasibility", data={"csrf": "good", **fields})
    assert (answer.status_code, "QUESTION_FORM" in answer.text) == (400, True)
    assert services.catalog_reading.log.page(1).total == 0


def test_card_tells_protocols_visits_phenotypes_and_contact(services: Services, enrol: Enrol) -> None:
    """All that the site published of the data set stands on its page; what it did not say is said to be missing."""
    enrol("hospital-a")
    publish(services, make_card("hospital-a", dataset="plain"))
    told = {
        "phenotypes": ("HP:0003691",),
        "protocols": ("fat-fraction-6-echo",),
        "repeat_subjects": SuppressedCount(value=15, rounded_to=5),
        "follow_up": "1-2-years",
        "contact": "mri-research@clinic.example",
    }
    publish(services, make_card("hospital-a", **told))
    reader = client_as(services, FakeRuns(), Role.AUDITOR, now=NOW)
    page = words_of(reader.get("/catalog/hospital-a/thigh-dixon").text)
    for said in ("HP:0003691", "fat-fraction-6-echo", "15 (to 5) time between two: 1-2-years", "mri-research@clinic"):
        assert said in page
    plain = words_of(reader.get("/catalog/hospital-a/plain").text)
    assert "Protocols none named Subjects with several visits not told" in plain
    assert "Phenotypes" not in plain
