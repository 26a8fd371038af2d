"""Databases of released versions open today, once a person has migrated them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from coordinator_factories import NOW

from myofed_coordinator.audit import AuditLog
from myofed_coordinator.catalog.service import CatalogQuery
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.home import HomeFolder
from myofed_coordinator.migrations import migrate
from myofed_coordinator.services import open_services, open_tables

FIXTURES = Path(__file__).parents[2] / "fixtures"
RELEASES = sorted(path.parent.name for path in FIXTURES.glob("v*/coordinator.sqlite"))


def test_every_release_left_a_database() -> None:
    """0 of 0 opened is a failure."""
    assert "v0.1.0" in RELEASES


@pytest.mark.parametrize("release", RELEASES)
def test_database_of_a_release_is_read_as_it_was_written(release: str, home: HomeFolder) -> None:
    """Sites, their approvals, cards and the model are all there."""
    shutil.copy(FIXTURES / release / "coordinator.sqlite", home.database)
    migrate(open_tables(home, CoordinatorConfig()), AuditLog(home.audit), actor="admin", now=NOW)
    services = open_services(home, CoordinatorConfig())
    assert [(s.site, s.state) for s in services.enrolment.list_sites()] == [
        ("hospital-a", "approved"),
        ("hospital-b", "approved"),
    ]
    assert services.studies.show("thigh-muscles").approved == 2
    assert len(services.models.list_models()) == 1
    assert len(services.catalog.query(CatalogQuery()).cards) == 2
