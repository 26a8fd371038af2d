"""Cubes and catalogs that the catalog's tests arrange with; synthetic, no patient."""

from __future__ import annotations

from coordinator_factories import NOW

from myofed_coordinator.services import Services
from myofed_schemas.catalog import DatasetCard, SuppressedCount
from myofed_schemas.cube import CellFilter, CountCube, CubeCell, CubePolicy

POLICY = CubePolicy(k=5, public_k=10, round_to=5)
DIAGNOSIS = CellFilter(dimension="diagnosis", value="ORPHA:269")
LABELS = CellFilter(dimension="labels", value="single-muscles")
SIEMENS = CellFilter(dimension="vendor", value="Siemens")
DIXON = CellFilter(dimension="sequence", value="DIXON")
FEMALE = CellFilter(dimension="sex", value="female")


def cell(count: int, *at: CellFilter) -> CubeCell:
    return CubeCell(at=tuple(sorted(at, key=lambda f: (f.dimension, f.value))), count=count)


def make_cube(site: str, *cells: CubeCell, **changes: object) -> CountCube:
    """Without cells named: diagnosis 20, with single-muscle labels 15, females 5, vendor 20."""
    told = cells or (cell(20, DIAGNOSIS), cell(15, DIAGNOSIS, LABELS), cell(5, FEMALE), cell(20, SIEMENS))
    fields: dict[str, object] = {
        "site": site,
        "dataset": "thigh-dixon",
        "version": 1,
        "policy": POLICY,
        "subjects": 20,
        "cells": tuple(sorted(told, key=lambda c: [(f.dimension, f.value) for f in c.at])),
    }
    return CountCube.model_validate({**fields, **changes})


def count_of(value: int | None) -> SuppressedCount:
    return SuppressedCount(value=value, rounded_to=5)


def publish(services: Services, card: DatasetCard, cube: CountCube | None = None) -> None:
    services.catalog.publish(card, site=card.site, now=NOW)
    if cube is not None:
        services.catalog.publish_cube(cube, site=cube.site, now=NOW)
