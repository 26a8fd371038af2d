"""The catalog: what a site may not publish, then queries over what it did."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from coordinator_factories import NOW, FakeSite, make_card

from myofed_coordinator.catalog.service import CatalogQuery
from myofed_coordinator.services import Services
from myofed_schemas.catalog import DatasetCard, SuppressedCount
from myofed_schemas.errors import MyofedError

Enrol = Callable[[str], FakeSite]


def publish(services: Services, card: DatasetCard, *, site: str = "hospital-a") -> None:
    services.catalog.publish(card, site=site, now=NOW)


def found(services: Services, **facets: str) -> list[tuple[str, int]]:
    return [(card.site, card.version) for card in services.catalog.query(CatalogQuery(**facets)).cards]


def test_card_for_another_site_is_refused(services: Services, enrol: Enrol) -> None:
    """A site speaks for itself only."""
    enrol("hospital-a")
    enrol("hospital-b")
    with pytest.raises(MyofedError, match="CARD_WRONG_SITE"):
        publish(services, make_card("hospital-a"), site="hospital-b")
    assert found(services) == []


@pytest.mark.parametrize("version", [1, 2])
def test_card_that_is_not_newer_is_refused(services: Services, enrol: Enrol, version: int) -> None:
    """A changed card needs a higher version; an old one does not come back."""
    enrol("hospital-a")
    publish(services, make_card("hospital-a", version=2))
    with pytest.raises(MyofedError, match="CARD_VERSION"):
        publish(services, make_card("hospital-a", version=version, conforms=False))
    assert found(services) == [("hospital-a", 2)]


def test_withdrawing_an_unknown_data_set_is_refused(services: Services, enrol: Enrol) -> None:
    """A site withdraws only what it published; another site's card stays."""
    enrol("hospital-a")
    enrol("hospital-b")
    publish(services, make_card("hospital-a"))
    with pytest.raises(MyofedError, match="CARD_UNKNOWN"):
        services.catalog.withdraw("thigh-dixon", site="hospital-b", now=NOW)
    assert found(services) == [("hospital-a", 1)]


def test_cards_of_a_revoked_site_are_not_found(services: Services, enrol: Enrol) -> None:
    """With the enrolment, the cards leave the catalog."""
    enrol("hospital-a")
    publish(services, make_card("hospital-a"))
    services.enrolment.revoke("hospital-a", actor="admin", now=NOW)
    assert found(services) == []


def test_withdrawn_card_is_found_again_only_with_a_new_version(services: Services, enrol: Enrol) -> None:
    """Withdrawal is effective at the next query and is not undone by sending the same card again."""
    enrol("hospital-a")
    publish(services, make_card("hospital-a"))
    services.catalog.withdraw("thigh-dixon", site="hospital-a", now=NOW)
    services.catalog.withdraw("thigh-dixon", site="hospital-a", now=NOW)
    assert found(services) == []
    with pytest.raises(MyofedError, match="CARD_VERSION"):
        publish(services, make_card("hospital-a"))
    publish(services, make_card("hospital-a", version=2))
    assert found(services) == [("hospital-a", 2)]


def test_query_finds_cards_that_match_every_facet(services: Services, enrol: Enrol) -> None:
    """Facets are joined by AND; the newest version counts; an unknown value finds nothing."""
    enrol("hospital-a")
    enrol("hospital-b")
    publish(services, make_card("hospital-a", vendors=("GE",)))
    publish(services, make_card("hospital-a", version=2))
    publish(services, make_card("hospital-b", muscles=("SA",)), site="hospital-b")
    assert found(services) == [("hospital-a", 2), ("hospital-b", 1)]
    assert found(services, vendor="Siemens", muscle="VL") == [("hospital-a", 2)]
    assert found(services, vendor="GE") == []
    assert found(services, region="thigh", suffix="DIXON", diagnosis="ORPHA:269", muscle="SA") == [("hospital-b", 1)]


def test_withheld_counts_are_not_added(services: Services, enrol: Enrol) -> None:
    """The sum is a lower bound of what was told, and says how many cards tell nothing."""
    enrol("hospital-a")
    enrol("hospital-b")
    publish(services, make_card("hospital-a"))
    publish(services, make_card("hospital-b", subjects=SuppressedCount(rounded_to=5)), site="hospital-b")
    answer = services.catalog.query(CatalogQuery())
    assert (answer.subjects_at_least, answer.withheld) == (20, 1)


def test_same_card_sent_again_changes_nothing(services: Services, enrol: Enrol) -> None:
    """Publishing is idempotent: one audit entry, one row."""
    enrol("hospital-a")
    for _ in range(2):
        publish(services, make_card("hospital-a"))
    assert services.catalog.count() == 1
    assert [e.action for e in services.audit.entries()].count("CARD_PUBLISHED") == 1
