"""Publishing card and cube: counted, protected, kept with what they were counted from, sent; and taken back."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from myofed_node.audit import SiteAudit
from myofed_node.catalog_card import build_card
from myofed_node.chained_lines import locked
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.count_cube import build_cube, task_of
from myofed_node.dataset_census import take_census
from myofed_node.disclosure.base_table import Subject
from myofed_node.disclosure.versions import changes
from myofed_node.mids.validation.validate import validate
from myofed_node.publication_record import PublicationRecord, counted, publication_broken, read_record, write_record
from myofed_node.site_setup import Site
from myofed_node.store import SiteStore
from myofed_node.subject_table import subject_table
from myofed_node.subjects.register import read_register
from myofed_schemas.catalog import DatasetCard
from myofed_schemas.clock import utc_text
from myofed_schemas.cube import CountCube
from myofed_schemas.cube_vocabulary import DIMENSIONS
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import UtcTime
from myofed_schemas.service_loop import only_one
from myofed_schemas.wire import WireModel

CARD_FROM_CUBE = (
    *("vendors", "field_strengths_tesla", "suffixes", "muscles", "label_origin", "diagnoses"),
    *("subjects", "sessions", "labelled_subjects", "repeat_subjects", "conforms"),
)
"""What stands as it was told while the cube stands."""


class Publication(WireModel):
    """What `publish --json` prints: card and cube exactly as they left, and whether anything had to be sent."""

    state: Literal["published", "unchanged", "withdrawn", "preview"]
    card: DatasetCard
    cube: CountCube
    waiting: int
    """Subjects that were added, removed or changed since the cube was counted; stays on this machine."""
    at: UtcTime


@dataclass(frozen=True)
class Publisher:
    """The use cases of the card of one site."""

    site: Site
    api: CoordinatorApi

    def preview(self, *, now: datetime, early: bool = False) -> Publication:
        """The card and cube that `publish` would send now; nothing leaves and nothing is kept.

        Raises:
            MyofedError: DATASET_EMPTY, SIDECAR_INVALID, PUBLICATION_BROKEN, SUBJECTS_BROKEN.
        """
        record, waiting = self._next(early=early)
        return _publication("preview", record, at=utc_text(now), waiting=waiting)

    def publish(self, *, now: datetime, early: bool = False) -> Publication:
        """The coordinator shows this site's current card and cube; the same are not sent twice.

        A cube that stands published is replaced only when at least k subjects were added, removed or changed since, or
        `early`, and then only by one that is proven safe beside it. Killed between keeping and sending, the next call
        sends the kept version.

        Args:
            now: UTC.
            early: Fewer changes suffice; what they touch is withheld (a subject withdrew).

        Raises:
            MyofedError: DATASET_EMPTY, SIDECAR_INVALID, PUBLICATION_BROKEN, SUBJECTS_BROKEN, ALREADY_RUNNING,
                NODE_NOT_RUNNING, or the coordinator's refusal.
        """
        with only_one(self.site.folder.root / ".publish.lock"):
            late = self._send_kept(now=now)
            before = self._left()
            record, waiting = self._next(early=early)
            if record.state == "sent":
                return _publication(
                    "published" if late else "unchanged", record, at=self._published_at(), waiting=waiting
                )
            with self._sending():
                if self._left() != before:  # the proof took minutes; a person was faster
                    raise MyofedError(
                        "CARD_NOT_PUBLISHED",
                        "expected what stood published when counting began, found it withdrawn",
                        hint="myofed-node publish --site DIR publishes it again",
                        exit_code=ExitCode.BAD_INPUT,
                    )
                self._send(record, now=now)
            return _publication("published", record, at=utc_text(now), waiting=waiting)

    def _send_kept(self, *, now: datetime) -> bool:
        """A kept version that stands between another and the next has left: only then does the next one's proof hold.

        Returns:
            Whether there was one.
        """
        with self._sending():
            kept = self._left()
            if kept is None or kept.state != "kept" or kept.newest.cube.version == 1:
                return False
            self._send(kept, now=now)
            return True

    def _sending(self) -> AbstractContextManager[object]:
        """Sending and withdrawing wait for one another, but never for the counting, which takes minutes."""
        return locked(self.site.folder.root / ".send.lock")

    def _send(self, record: PublicationRecord, *, now: datetime) -> None:
        store, card = SiteStore(self.site.folder.store), record.card
        again = read_record(self.site.folder) == record
        write_record(self.site.folder, record)
        latest = store.latest_card()
        if latest is None or latest.version != card.version:
            store.add_card(card.version, card.model_dump_json())
        self.api.put_card(card)
        self.api.put_cube(record.newest.cube)
        self._record("CARD_PUBLISHED", record, now=now, again=again)
        store.mark_card(card.version, published_at=utc_text(now))
        write_record(self.site.folder, record.model_copy(update={"state": "sent"}))

    def _published_at(self) -> str:
        latest = SiteStore(self.site.folder.store).latest_card()
        return latest.published_at if latest else ""

    def _left(self) -> PublicationRecord | None:
        """What left, or may have; None before the first.

        Raises:
            MyofedError: PUBLICATION_BROKEN, also where a card was counted with a cube and the record is gone.
        """
        record, latest = read_record(self.site.folder), SiteStore(self.site.folder.store).latest_card()
        if record is None and latest and DatasetCard.model_validate_json(latest.document).repeat_subjects is not None:
            raise publication_broken("nothing")
        return record

    def withdraw(self, *, now: datetime) -> Publication:
        """The coordinator no longer shows this site's card and cube.

        Args:
            now: UTC.

        Raises:
            MyofedError: CARD_NOT_PUBLISHED, NODE_NOT_RUNNING, or the coordinator's refusal.
        """
        with self._sending():
            return self._taken_back(now=now)

    def _taken_back(self, *, now: datetime) -> Publication:
        store = SiteStore(self.site.folder.store)
        latest = store.latest_card()
        if latest is None or not self.may_stand():
            raise MyofedError(
                "CARD_NOT_PUBLISHED",
                "expected a published card, found none",
                hint="myofed-node publish --site DIR publishes one",
                exit_code=ExitCode.BAD_INPUT,
            )
        card = DatasetCard.model_validate_json(latest.document)
        self.api.withdraw_card(card.dataset)
        record = self._withdrawn(card)
        self._record("CARD_WITHDRAWN", record, now=now, again=True)
        store.mark_card(card.version, published_at="")
        return _publication("withdrawn", record, at=utc_text(now), waiting=0)

    def may_stand(self) -> bool:
        """Whether the coordinator shows a card of this site, or may: it took one, or one left and no answer came."""
        latest = SiteStore(self.site.folder.store).latest_card()
        if latest is None or latest.published_at:
            return latest is not None
        try:
            record = read_record(self.site.folder)
        except MyofedError:
            return True
        return record is not None and record.state == "kept"

    def _withdrawn(self, card: DatasetCard) -> PublicationRecord:
        """The record says so; a broken one, or none (a card of before there were cubes), does not hold a withdrawal up."""
        try:
            record = read_record(self.site.folder)
        except MyofedError:
            record = None
        if record is not None:
            withdrawn = record.model_copy(update={"state": "withdrawn"})
            write_record(self.site.folder, withdrawn)
            return withdrawn
        policy = self.site.config.policy
        nothing = CountCube(
            site=card.site, dataset=card.dataset, version=1, policy=policy.cube(), subjects=None, cells=()
        )
        return PublicationRecord(
            card=card,
            newest=counted(nothing, ()),
            told=None,
            dimensions=policy.cube_dimensions,
            state="withdrawn",
        )

    def _next(self, *, early: bool) -> tuple[PublicationRecord, int]:
        """The version of the data set as it is, and how many changes wait: the kept one where it stands, else the next."""
        folder = self.site.folder
        rows = subject_table(folder.dataset, read_register(self.site))
        if not rows:
            raise MyofedError(
                "DATASET_EMPTY",
                "expected a data set with images, found none",
                hint="myofed-node ingest IN --site DIR",
                exit_code=ExitCode.BAD_INPUT,
            )
        before, conforms = self._left(), validate(folder.dataset).conforms
        waiting = changes(before.newest.rows(), rows, DIMENSIONS) if before else len(rows)
        if before and self._stands(before, waiting, early=early):
            return self._standing(before, conforms=conforms), waiting
        return self._counted(before, rows, conforms=conforms), 0

    def _stands(self, before: PublicationRecord, waiting: int, *, early: bool) -> bool:
        policy = self.site.config.policy
        if before.newest.cube.policy != policy.cube() or before.dimensions != policy.cube_dimensions:
            return False
        return waiting == 0 or (waiting < policy.cube_k and not early)

    def _standing(self, before: PublicationRecord, *, conforms: bool) -> PublicationRecord:
        """The same counts; with the next version numbers where the site says something else or had withdrawn them."""
        fresh, again = self._card(before.newest.cube, conforms=conforms), before.state == "withdrawn"
        told = {name: getattr(before.card, name) for name in CARD_FROM_CUBE}
        card = fresh.model_copy(update={**told, "version": before.card.version})
        if card == before.card and not again:
            return before
        card = card.model_copy(update={"version": before.card.version + 1})
        cube = before.newest.cube.model_copy(update={"version": before.newest.cube.version + again})
        newest = before.newest.model_copy(update={"cube": cube})
        return before.model_copy(update={"card": card, "newest": newest, "state": "kept"})

    def _counted(
        self, before: PublicationRecord | None, rows: tuple[Subject, ...], *, conforms: bool
    ) -> PublicationRecord:
        config, latest = self.site.config, SiteStore(self.site.folder.store).latest_card()
        task = task_of(rows, before.release() if before else None, config=config)
        cube = build_cube(task, config=config, version=before.newest.cube.version + 1 if before else 1)
        version = counted(cube, rows)
        card = self._card(cube, conforms=conforms).model_copy(update={"version": latest.version + 1 if latest else 1})
        if before and task.early:
            card = card.model_copy(update=_unchanged_labels(card, before.card))
        told = version if cube.subjects is not None else before.told if before else None
        return PublicationRecord(
            card=card, newest=version, told=told, dimensions=config.policy.cube_dimensions, state="kept"
        )

    def _card(self, cube: CountCube, *, conforms: bool) -> DatasetCard:
        census = take_census(self.site.folder.dataset)
        return build_card(cube, census, config=self.site.config, conforms=conforms)

    def _record(self, action: str, record: PublicationRecord, *, now: datetime, again: bool = False) -> None:
        """The deed stands in the chain; done `again` after a kill, perhaps, it may stand there already and is not entered twice."""
        cube, audit = record.newest.cube, SiteAudit(self.site.folder)
        detail = {"version": record.card.version, "cube": cube.version, "cells": len(cube.cells)}
        if not (again and audit.has_since(0, action, detail)):
            audit.append(action, subject=record.card.dataset, now=now, detail=detail)


def _unchanged_labels(card: DatasetCard, before: DatasetCard) -> dict[str, object]:
    """In an early version muscles and label origin stay as they were told, or go: a change would name few subjects."""
    same = (card.muscles, card.label_origin) == (before.muscles, before.label_origin)
    return {} if same else {"muscles": (), "label_origin": "none"}


def _publication(
    state: Literal["published", "unchanged", "withdrawn", "preview"],
    record: PublicationRecord,
    *,
    at: str,
    waiting: int,
) -> Publication:
    return Publication(state=state, card=record.card, cube=record.newest.cube, waiting=waiting, at=at)


def card_lines(publication: Publication) -> list[str]:
    """Card and cube in words, for the person who publishes them."""
    card = publication.card

    def count(value: int | None) -> str:
        return f"fewer than {card.disclosure.k}" if value is None else str(value)

    lines = [
        f"card {card.dataset} version {card.version}: {publication.state}",
        (
            f"  subjects {count(card.subjects.value)}, sessions {count(card.sessions.value)}, "
            f"with labels {count(card.labelled_subjects.value)} (rounded to {card.disclosure.round_to})"
        ),
        f"  {', '.join(card.vendors) or 'vendors withheld'}; {', '.join(f'{t:g} T' for t in card.field_strengths_tesla) or 'field strengths withheld'}",
        f"  images {', '.join(card.suffixes) or 'withheld'}; muscles {', '.join(card.muscles) or 'none or withheld'}",
    ]
    lines += cube_lines(publication)
    return [*lines, "  DEMO POLICY: synthetic patients only"] if card.disclosure.demo else lines


def cube_lines(publication: Publication) -> list[str]:
    """The cube in words."""
    cube, policy = publication.cube, publication.cube.policy
    if cube.subjects is None:
        return [
            f"cube version {cube.version}: nothing is told, everything is below {policy.k} or could not be proven safe"
        ]
    orders = Counter(len(cell.at) for cell in cube.cells)
    counts = f"{orders[1]} counts of one condition, {orders[2]} of two, {orders[3]} of three"
    audiences = f"from {policy.k} on to people who are signed in, from {policy.public_k} on to everybody"
    lines = [f"cube version {cube.version}: {cube.subjects} subjects, {counts}; {audiences}"]
    lines += [f"  {cell.at[0].dimension} {cell.at[0].value}: {cell.count}" for cell in cube.cells if len(cell.at) == 1]
    if publication.waiting:
        lines.append(f"  {publication.waiting} changes wait for the next version: {policy.k} are needed")
    return lines
