"""The catalog's use cases for sites: publish and withdraw cards and cubes; counts stay as the site suppressed them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError
from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from myofed_coordinator.audit import AuditLog, Deed
from myofed_coordinator.catalog.catalog_index import CatalogIndex
from myofed_coordinator.catalog.cube_cells import replace_cells
from myofed_coordinator.catalog.entries import entry_of, withdraw_entry, write_entry
from myofed_coordinator.catalog.models import CardRow, CubeCellRow, CubeRow
from myofed_coordinator.database import Database
from myofed_schemas.canonical import canonical_json, digest
from myofed_schemas.catalog import CatalogAnswer, DatasetCard
from myofed_schemas.catalog_search import CardChoice
from myofed_schemas.clock import utc_text
from myofed_schemas.cube import CountCube
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode

MAX_CARDS = 1000
"""In the answer of version 0.1's query, which knows no pages."""


@dataclass(frozen=True)
class CatalogQuery:
    """What to look for; None asks for nothing in particular. A card must match all that is set.

    Attributes:
        muscle: Id of a muscle that its labels name, e.g. `VL`.
        suffix: ORMIR-MIDS suffix, e.g. `MESE`.
        vendor: Scanner vendor.
        region: Body region.
        diagnosis: ORPHA code, e.g. `ORPHA:269`.
    """

    muscle: str | None = None
    suffix: str | None = None
    vendor: str | None = None
    region: str | None = None
    diagnosis: str | None = None

    def choice(self) -> CardChoice | None:
        """The same as facets; None where a value is none that a card could have."""
        named = {
            "muscle": self.muscle,
            "suffix": self.suffix,
            "vendor": self.vendor,
            "region": self.region,
            "diagnosis": self.diagnosis,
        }
        try:
            return CardChoice.model_validate(
                {"choices": tuple({"facet": f, "value": value} for f, value in named.items() if value is not None)}
            )
        except ValidationError:
            return None


class CatalogService:
    """The use cases; each call is one transaction."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit
        self.index = CatalogIndex(database)

    def publish(self, card: DatasetCard, *, site: str, now: datetime) -> None:
        """The card is the current version of its data set; the same card sent again changes nothing.

        Args:
            card: As suppressed at the site.
            site: Whom the client certificate names.
            now: Aware.

        Raises:
            MyofedError: CARD_WRONG_SITE, the card speaks for another site; CARD_VERSION, a version that is not newer.
        """
        if card.site != site:
            raise _wrong_site("CARD_WRONG_SITE", "card")
        with self._database.write() as session:
            last = session.scalars(_cards(card.site, card.dataset).order_by(CardRow.version.desc())).first()
            if last is not None and last.current and last.sha256 == digest(card):
                return
            if last is not None and card.version <= last.version:
                raise _version("CARD_VERSION", "card", card.version, last.version)
            if last is not None:
                last.current = False
            self._audit.append(
                Deed(site, "CARD_PUBLISHED", card.dataset, {"version": card.version, "card": digest(card)}), now=now
            )
            row = CardRow(
                site=card.site,
                dataset=card.dataset,
                version=card.version,
                sha256=digest(card),
                document=canonical_json(card).decode(),
                published_at=utc_text(now),
                current=True,
            )
            session.add(row)
            session.flush()
            write_entry(session, row)

    def publish_cube(self, cube: CountCube, *, site: str, now: datetime) -> None:
        """The cube's cells are the data set's; those of the version before are gone. The same cube again changes nothing.

        Args:
            cube: As protected at the site.
            site: Whom the client certificate names.
            now: Aware.

        Raises:
            MyofedError: CUBE_WRONG_SITE; CARD_UNKNOWN, the data set has no current card; CUBE_VERSION, not newer.
        """
        if cube.site != site:
            raise _wrong_site("CUBE_WRONG_SITE", "cube")
        with self._database.write() as session:
            card = session.scalars(_cards(cube.site, cube.dataset).where(CardRow.current)).first()
            if card is None:
                raise unknown_card()
            last = session.scalars(_cubes(cube.site, cube.dataset).order_by(CubeRow.version.desc())).first()
            if last is not None and last.current and last.sha256 == digest(cube):
                return
            if last is not None and cube.version <= last.version:
                raise _version("CUBE_VERSION", "cube", cube.version, last.version)
            if last is not None:
                last.current = False
            detail: dict[str, str | int] = {"version": cube.version, "cube": digest(cube), "cells": len(cube.cells)}
            self._audit.append(Deed(site, "CUBE_PUBLISHED", cube.dataset, detail), now=now)
            session.add(
                CubeRow(
                    site=cube.site,
                    dataset=cube.dataset,
                    version=cube.version,
                    sha256=digest(cube),
                    policy=canonical_json(cube.policy).decode(),
                    subjects=cube.subjects,
                    published_at=utc_text(now),
                    current=True,
                )
            )
            session.flush()
            entry = entry_of(session, cube.site, cube.dataset) or write_entry(session, card)
            replace_cells(session, entry.id, cube.cells)
            write_entry(session, card)

    def withdraw(self, dataset: str, *, site: str, now: datetime) -> None:
        """No query finds the data set any more, and none of its cells is kept; a second call changes nothing.

        Raises:
            MyofedError: CARD_UNKNOWN, the site never published it.
        """
        with self._database.write() as session:
            if session.scalars(_cards(site, dataset)).first() is None:
                raise unknown_card()
            for action, version in take_back(session, site, dataset, at=utc_text(now)):
                self._audit.append(Deed(site, action, dataset, {"version": version}), now=now)

    def query(self, question: CatalogQuery) -> CatalogAnswer:
        """The current cards of approved sites that match, and the sum of the counts they tell.

        Raises:
            MyofedError: CATALOG_TOO_MANY, more than MAX_CARDS match; nothing is cut off in silence.
        """
        choice = question.choice()
        if choice is None:
            return CatalogAnswer(cards=(), subjects_at_least=0, withheld=0)
        with self._database.read() as session:
            found = self.index.find(session, choice)
            places = list(found.snapshot.in_order(found.cards(), "site"))
            if len(places) > MAX_CARDS:
                raise MyofedError(
                    "CATALOG_TOO_MANY",
                    f"{len(places)} cards match, expected at most {MAX_CARDS} in one answer",
                    hint="ask for less, or page by page: /api/v1/catalog/cards",
                    exit_code=ExitCode.BAD_INPUT,
                )
            cards = cards_of(session, [place.card for place in places if place.card is not None])
        counts = [card.subjects.value for card in cards]
        return CatalogAnswer(
            cards=cards,
            subjects_at_least=sum(count for count in counts if count is not None),
            withheld=sum(count is None for count in counts),
        )

    def count(self) -> int:
        """Number of current cards, of whatever site."""
        with self._database.read() as session:
            return session.scalar(select(func.count()).select_from(CardRow).where(CardRow.current)) or 0


def cards_of(session: Session, ids: Sequence[int]) -> tuple[DatasetCard, ...]:
    """The cards of these rows, in this order."""
    rows = session.execute(select(CardRow.id, CardRow.document).where(CardRow.id.in_(ids)))
    documents = dict(rows.all())
    return tuple(DatasetCard.model_validate_json(documents[row]) for row in ids if row in documents)


def unknown_card() -> MyofedError:
    """No such data set, or none that is published now."""
    return MyofedError("CARD_UNKNOWN", "the site published no data set of this name", exit_code=ExitCode.BAD_INPUT)


def _wrong_site(code: str, what: str) -> MyofedError:
    return MyofedError(
        code,
        f"the {what} names another site than the certificate",
        hint=f"publish from the site that the {what} describes",
        exit_code=ExitCode.REFUSED,
    )


def _version(code: str, what: str, found: int, last: int) -> MyofedError:
    return MyofedError(
        code,
        f"{what} version is {found}, expected at least {last + 1}",
        hint="publish again; the node counts versions up",
        exit_code=ExitCode.REFUSED,
    )


def take_back(session: Session, site: str, dataset: str, *, at: str) -> list[tuple[str, int]]:
    """No query finds the data set any more, and none of its cells is kept.

    Returns:
        Action and version of what was current.
    """
    taken = []
    for card in session.scalars(_cards(site, dataset).where(CardRow.current)):
        card.current, card.withdrawn_at = False, at
        taken.append(("CARD_WITHDRAWN", card.version))
    for cube in session.scalars(_cubes(site, dataset).where(CubeRow.current)):
        cube.current, cube.withdrawn_at = False, at
        taken.append(("CUBE_WITHDRAWN", cube.version))
    entry = entry_of(session, site, dataset)
    if entry is not None and entry.card is not None:
        session.execute(delete(CubeCellRow).where(CubeCellRow.entry == entry.id))
        withdraw_entry(session, entry)
    return taken


def _cards(site: str, dataset: str) -> Select[CardRow]:
    return select(CardRow).where(CardRow.site == site, CardRow.dataset == dataset)


def _cubes(site: str, dataset: str) -> Select[CubeRow]:
    return select(CubeRow).where(CubeRow.site == site, CubeRow.dataset == dataset)
