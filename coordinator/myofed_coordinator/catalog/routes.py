"""HTTP of the catalog."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from myofed_coordinator.accounts import gate
from myofed_coordinator.accounts.permissions import Permission
from myofed_coordinator.catalog.service import CatalogQuery, CatalogService
from myofed_schemas.catalog import CatalogAnswer

Facet = Annotated[str | None, Query(max_length=48)]


def catalog_router(catalog: CatalogService) -> APIRouter:
    """`GET /catalog`."""
    router = APIRouter(tags=["catalog"], dependencies=[Depends(gate.require(Permission.SEE_CATALOG))])

    @router.get("/catalog")
    def query(
        *,
        muscle: Facet = None,
        suffix: Facet = None,
        vendor: Facet = None,
        region: Facet = None,
        diagnosis: Facet = None,
    ) -> CatalogAnswer:
        """Dataset cards that match all that is given; counts are as the sites suppressed and rounded them."""
        return catalog.query(
            CatalogQuery(muscle=muscle, suffix=suffix, vendor=vendor, region=region, diagnosis=diagnosis)
        )

    return router
