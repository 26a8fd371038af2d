"""A synthetic catalog for the benchmark: sites, cards and cubes as hospitals publish them, written by the coordinator's own code."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations, islice

from sqlalchemy.orm import Session

from myofed_coordinator.catalog.cube_cells import replace_cells
from myofed_coordinator.catalog.entries import write_entry
from myofed_coordinator.catalog.models import CardRow, CubeRow, EntryRow
from myofed_coordinator.catalog.names import names
from myofed_coordinator.database import Database
from myofed_coordinator.enrolment.models import SiteRow
from myofed_schemas.anatomy import muscles
from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.catalog import DatasetCard, DisclosurePolicy, SuppressedCount
from myofed_schemas.clock import utc_text
from myofed_schemas.cube import CellFilter, CountCube, CubeCell, CubePolicy
from myofed_schemas.cube_vocabulary import VALUES, VENDOR_VALUES

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
CARDS_IN_ONE_GO = 500
DIAGNOSES = tuple(code for code in names() if code.startswith("ORPHA:"))
PHENOTYPES = tuple(code for code in names() if code.startswith("HP:"))
REGIONS = ("thigh", "leg", "shoulder", "trunk", "whole-body")
VENDORS = ("Siemens", "Philips", "GE", "Canon", "United Imaging")
SUFFIXES = ("DIXON", "MESE", "T1w", "T2w", "DWI", "MEGRE")
MUSCLES = tuple(muscle.id for muscle in muscles())
DUO = ("DUO:0000006", "DUO:0000007", "DUO:0000042", "DUO:0000015", "DUO:0000021", "DUO:0000046")
POLICY = CubePolicy(k=5, public_k=10, round_to=5)


@dataclass(frozen=True)
class Size:
    """How much: cards and cells are of all sites together."""

    sites: int
    cards: int
    cells: int

    def less(self, times: int) -> Size:
        """So many times fewer cards and cells, at as many sites where there are enough cards."""
        return Size(min(self.sites, max(1, self.cards // times)), self.cards // times, self.cells // times)


FULL = Size(sites=100, cards=10_000, cells=1_000_000)


def fill(database: Database, size: Size, *, seed: int = 1) -> int:
    """The catalog holds this much, and what finds it.

    Returns:
        Number of cells that were written.
    """
    rng = random.Random(seed)
    wanted, cells = size.cells * 10 // (size.cards * 9) + 1, 0  # a tenth withholds its total, and with it every cell
    with database.write() as session:
        session.add_all(_site(number) for number in range(size.sites))
    for start in range(0, size.cards, CARDS_IN_ONE_GO):
        with database.write() as session:
            for number in range(start, min(start + CARDS_IN_ONE_GO, size.cards)):
                site = f"hospital-{number % size.sites:03d}"
                cells += _publish(session, site, number, wanted=wanted, rng=rng)
    return cells


def _site(number: int) -> SiteRow:
    return SiteRow(
        site=f"hospital-{number:03d}",
        state="approved",
        request_sha256="0" * 64,
        csr_pem="",
        identity_key=f"{number:064x}",
        flower_node_key="",
        node_key_sha256=f"{number:064x}",
        requested_at=utc_text(BEGIN),
        myofed_version="0.1.0",
        flwr_version="1.41.0",
    )


def _publish(session: Session, site: str, number: int, *, wanted: int, rng: random.Random) -> int:
    """What `CatalogService.publish` and `publish_cube` write, many in one transaction and without the audit chain's sync."""
    card = _card(site, number, rng)
    cube = CountCube(
        site=site,
        dataset=card.dataset,
        version=1,
        policy=POLICY,
        subjects=card.subjects.value,
        cells=() if card.subjects.value is None else tuple(_cells(card, wanted, rng)),
    )
    row = CardRow(
        site=site,
        dataset=card.dataset,
        version=1,
        sha256=digest(card),
        document=canonical_json(card).decode(),
        published_at=utc_text(BEGIN + timedelta(minutes=number)),
        current=True,
    )
    entry = EntryRow(site=site, dataset=card.dataset, changed=-number - 1, form=0, document="", public="")
    session.add_all([row, entry, _cube_row(cube)])
    session.flush()
    replace_cells(session, entry.id, cube.cells)
    write_entry(session, row)
    return len(cube.cells)


def _cube_row(cube: CountCube) -> CubeRow:
    return CubeRow(
        site=cube.site,
        dataset=cube.dataset,
        version=cube.version,
        sha256=digest(cube),
        policy=canonical_json(cube.policy).decode(),
        subjects=cube.subjects,
        published_at=utc_text(BEGIN),
        current=True,
    )


def _card(site: str, number: int, rng: random.Random) -> DatasetCard:
    region = rng.choice(REGIONS)
    diagnoses = tuple(sorted(rng.sample(DIAGNOSES, rng.randint(1, 3))))
    told = rng.random() > 0.1
    count = SuppressedCount(value=5 * rng.randint(3, 40) if told else None, rounded_to=5)
    return DatasetCard(
        site=site,
        dataset=f"{region}-{number}",
        title=f"{names()[diagnoses[0]].name}, {region} {number}"[:80],
        version=1,
        region=region,
        diagnoses=diagnoses,
        vendors=tuple(sorted(rng.sample(VENDORS, rng.randint(1, 2)))),
        field_strengths_tesla=(rng.choice((1.5, 3.0)),),
        suffixes=tuple(sorted(rng.sample(SUFFIXES, rng.randint(1, 4)))),
        muscles=tuple(sorted(rng.sample(MUSCLES, rng.randint(0, 14)))),
        label_origin=rng.choice(("none", "manual", "edited", "automatic")),
        duo=tuple(sorted(rng.sample(DUO, rng.randint(1, 3)))),
        subjects=count,
        sessions=count,
        labelled_subjects=SuppressedCount(rounded_to=5),
        conforms=rng.random() > 0.1,
        disclosure=DisclosurePolicy(k=10, round_to=5, demo=False),
        phenotypes=tuple(sorted(rng.sample(PHENOTYPES, rng.randint(0, 4)))),
    )


def _cells(card: DatasetCard, wanted: int, rng: random.Random) -> Iterator[CubeCell]:
    """So many conjunctions of one to three conditions that the card's subjects could meet."""
    single = [
        *(CellFilter(dimension="diagnosis", value=code) for code in card.diagnoses),
        *(CellFilter(dimension="vendor", value=VENDOR_VALUES[vendor]) for vendor in card.vendors),
        *(CellFilter(dimension="sequence", value=suffix) for suffix in card.suffixes),
        *(CellFilter(dimension="field-strength", value=f"{tesla:g}T") for tesla in card.field_strengths_tesla),
        *(CellFilter(dimension="sex", value=value) for value in VALUES["sex"][:2]),
        *(CellFilter(dimension="age", value=value) for value in VALUES["age"][2:5]),
        *(CellFilter(dimension="labels", value=value) for value in VALUES["labels"]),
        *(CellFilter(dimension="ambulation", value=value) for value in VALUES["ambulation"][:2]),
    ]
    conditions = sorted({(each.dimension, each.value) for each in single})
    possible = (
        group
        for width in (1, 2, 3)
        for group in combinations(conditions, width)
        if len(
            {dimension for dimension, _ in group if dimension != "sequence"} | {g for g in group if g[0] == "sequence"}
        )
        == width
    )
    for group in sorted(islice(possible, wanted)):
        at = tuple(CellFilter(dimension=dimension, value=value) for dimension, value in group)
        yield CubeCell(at=at, count=5 * rng.randint(1, 8))
