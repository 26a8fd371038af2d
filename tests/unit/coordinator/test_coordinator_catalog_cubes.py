"""Count cubes at the coordinator: whose they are, which version counts, and that nothing of a withdrawn one is kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from catalog_examples import DIAGNOSIS, FEMALE, LABELS, cell, make_cube, publish
from coordinator_factories import NOW, FakeSite, make_card
from sqlalchemy import func, select

from myofed_coordinator.catalog.cube_cells import cells_at, conditions, current_cube, key_text, whole_cube
from myofed_coordinator.catalog.entries import entry_of
from myofed_coordinator.catalog.models import CubeCellRow, CubeRow
from myofed_coordinator.services import Services
from myofed_schemas.canonical import digest
from myofed_schemas.cube import CountCube
from myofed_schemas.errors import MyofedError

Enrol = Callable[[str], FakeSite]


def send(services: Services, cube: CountCube, *, site: str = "hospital-a") -> None:
    services.catalog.publish_cube(cube, site=site, now=NOW)


def told(services: Services, *at: object) -> list[int]:
    with services.database.read() as session:
        return sorted(cells_at(session, at).values())  # type: ignore[arg-type]


def cells_kept(services: Services) -> int:
    with services.database.read() as session:
        return session.scalar(select(func.count()).select_from(CubeCellRow)) or 0


@pytest.fixture
def card(services: Services, enrol: Enrol) -> Services:
    """Two sites are enrolled; one has a card."""
    enrol("hospital-a")
    enrol("hospital-b")
    publish(services, make_card("hospital-a"))
    return services


def test_cube_of_another_site_is_refused(card: Services) -> None:
    """A site speaks for itself only, and not through another's certificate."""
    with pytest.raises(MyofedError, match="CUBE_WRONG_SITE"):
        send(card, make_cube("hospital-a"), site="hospital-b")
    assert cells_kept(card) == 0


def test_cube_without_a_card_is_refused(card: Services) -> None:
    """Counts belong to a data set that the site shows; also after it was withdrawn."""
    with pytest.raises(MyofedError, match="CARD_UNKNOWN"):
        send(card, make_cube("hospital-a", dataset="leg"))
    card.catalog.withdraw("thigh-dixon", site="hospital-a", now=NOW)
    with pytest.raises(MyofedError, match="CARD_UNKNOWN"):
        send(card, make_cube("hospital-a"))


@pytest.mark.parametrize("version", [1, 2])
def test_cube_that_is_not_newer_is_refused(card: Services, version: int) -> None:
    """A changed cube needs a higher version; the cells stay those of the last one."""
    send(card, make_cube("hospital-a", version=2))
    with pytest.raises(MyofedError, match="CUBE_VERSION"):
        send(card, make_cube("hospital-a", cell(30, DIAGNOSIS), version=version))
    assert told(card, DIAGNOSIS) == [20]


def test_same_cube_sent_again_changes_nothing(card: Services) -> None:
    """Publishing is idempotent: one audit entry with the digest, one row."""
    for _ in range(2):
        send(card, make_cube("hospital-a"))
    entries = [e for e in card.audit.entries() if e.action == "CUBE_PUBLISHED"]
    assert [e.detail["cube"] for e in entries] == [digest(make_cube("hospital-a"))]


def test_newer_version_replaces_the_cells_whole(card: Services) -> None:
    """No cell of the version before answers any more; its digest stays."""
    send(card, make_cube("hospital-a"))
    send(card, make_cube("hospital-a", cell(25, DIAGNOSIS), version=2))
    assert (told(card, DIAGNOSIS), told(card, FEMALE), cells_kept(card)) == ([25], [], 1)
    with card.database.read() as session:
        rows = session.scalars(select(CubeRow).order_by(CubeRow.version)).all()
        assert [(row.version, row.current, row.sha256) for row in rows] == [
            (1, False, digest(make_cube("hospital-a"))),
            (2, True, digest(make_cube("hospital-a", cell(25, DIAGNOSIS), version=2))),
        ]


def test_withdrawal_takes_card_and_cells_at_once(card: Services) -> None:
    """Nothing of either is kept to answer with; both are in the audit chain; a second call changes nothing."""
    send(card, make_cube("hospital-a"))
    for _ in range(2):
        card.catalog.withdraw("thigh-dixon", site="hospital-a", now=NOW)
    assert cells_kept(card) == 0
    actions = [e.action for e in card.audit.entries()]
    assert (actions.count("CARD_WITHDRAWN"), actions.count("CUBE_WITHDRAWN")) == (1, 1)


def test_withdrawn_cube_needs_a_higher_version_to_come_back(card: Services) -> None:
    """What was taken back does not return by being sent again."""
    send(card, make_cube("hospital-a"))
    card.catalog.withdraw("thigh-dixon", site="hospital-a", now=NOW)
    publish(card, make_card("hospital-a", version=2))
    with pytest.raises(MyofedError, match="CUBE_VERSION"):
        send(card, make_cube("hospital-a"))
    send(card, make_cube("hospital-a", version=2))
    assert told(card, DIAGNOSIS, LABELS) == [15]


def test_kept_cells_are_the_published_cube_to_the_byte(card: Services) -> None:
    """The database loses and adds nothing: the digest of what it holds is that of what came."""
    cube = make_cube("hospital-a")
    send(card, cube)
    with card.database.read() as session:
        entry, kept = entry_of(session, "hospital-a", "thigh-dixon"), current_cube(session, "hospital-a", "thigh-dixon")
        assert entry is not None
        assert kept is not None
        assert digest(whole_cube(session, entry.id, kept, site="hospital-a", dataset="thigh-dixon")) == digest(cube)


def test_conditions_are_found_in_whatever_order_they_are_named(card: Services) -> None:
    """Two writings of one cell are one key."""
    assert key_text((LABELS, DIAGNOSIS)) == key_text((DIAGNOSIS, LABELS))
    assert conditions(key_text((LABELS, DIAGNOSIS))) == (DIAGNOSIS, LABELS)
    send(card, make_cube("hospital-a"))
    assert told(card, LABELS, DIAGNOSIS) == [15]
