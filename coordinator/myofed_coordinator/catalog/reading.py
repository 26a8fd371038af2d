"""The catalog's use cases for people, wired together: searching, counting, the log of counts, the export."""

from __future__ import annotations

from dataclasses import dataclass

from myofed_coordinator.audit import AuditLog
from myofed_coordinator.catalog.budget import CountLog, QueryBudget
from myofed_coordinator.catalog.dcat_terms import CatalogPlace
from myofed_coordinator.catalog.feasibility import Feasibility
from myofed_coordinator.catalog.search import CatalogSearch
from myofed_coordinator.catalog.service import CatalogService
from myofed_coordinator.config import CoordinatorConfig
from myofed_coordinator.database import Database


@dataclass(frozen=True)
class CatalogReading:
    """What people do with the catalog.

    Attributes:
        cards: The query of version 0.1.
        search: Facets, pages, single cards.
        feasibility: Counts by conditions.
        log: Who counted what.
        place: Where the catalog stands, for exports.
        public: Everybody may read what the sites' policies let everybody read.
    """

    cards: CatalogService
    search: CatalogSearch
    feasibility: Feasibility
    log: CountLog
    place: CatalogPlace
    public: bool


def catalog_reading(
    database: Database, audit: AuditLog, cards: CatalogService, config: CoordinatorConfig
) -> CatalogReading:
    """The use cases on this database, as `config.yaml` sets them."""
    log = CountLog(database, audit, QueryBudget(config.queries_per_hour, config.queries_per_day, config.query_log_days))
    search = CatalogSearch(database, cards.index)
    return CatalogReading(
        cards=cards,
        search=search,
        feasibility=Feasibility(database, search, log),
        log=log,
        place=CatalogPlace(config.people_url, config.name),
        public=config.public_catalog,
    )
