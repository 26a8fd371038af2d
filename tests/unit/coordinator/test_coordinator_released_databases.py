"""Databases of released versions open today, once a person has migrated them."""

from __future__ import annotations

import pytest
from coordinator_factories import NOW
from released_databases import RELEASES, load_release

from myofed_coordinator.audit import AuditLog
from myofed_coordinator.catalog.service import CatalogQuery
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.database import open_database
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.migrations.migrate import migrate
from myofed_coordinator.services import open_services


def test_every_release_left_a_database() -> None:
    """0 of 0 opened is a failure."""
    assert "v0.1.0" in RELEASES


@pytest.mark.parametrize("release", RELEASES)
def test_database_of_a_release_is_read_as_it_was_written(release: str, home: HomeFolder, bare_url: str) -> None:
    """Sites, their approvals, cards and the model are all there, on both databases."""
    database = open_database(bare_url)
    load_release(release, database)
    migrate(database, AuditLog(home.audit), actor="admin", now=NOW)
    database.close()
    services = open_services(home, CoordinatorConfig(database_url=bare_url))
    assert [(s.site, s.state) for s in services.enrolment.list_sites()] == [
        ("hospital-a", "approved"),
        ("hospital-b", "approved"),
    ]
    assert services.studies.show("thigh-muscles").approved == 2
    assert len(services.models.list_models()) == 1
    assert len(services.catalog.query(CatalogQuery()).cards) == 2
    services.close()
