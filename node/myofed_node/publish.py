"""Publishing card and cube: counted, protected, kept with what they were counted from, sent; and taken back."""

from __future__ import annotations

from collections import Counter, deque
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
from myofed_node.publication_record import PublicationRecord, counted, read_record, write_record
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
    *("subjects", "sessions", "labelled_subjects", "repeat_subjects"),
)
"""What stands as it was told while the cube stands."""
PUBLISHED, WITHDRAWN = "CARD_PUBLISHED", "CARD_WITHDRAWN"
"""Audit actions."""


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
        sends the kept version. What was withdrawn while the next version was counted stays withdrawn.

        Args:
            now: UTC.
            early: Fewer changes suffice; what they touch is withheld (a subject withdrew).

        Raises:
            MyofedError: DATASET_EMPTY, SIDECAR_INVALID, PUBLICATION_BROKEN, SUBJECTS_BROKEN, ALREADY_RUNNING,
                NODE_NOT_RUNNING, or the coordinator's refusal.
        """
        with only_one(self.site.folder.root / ".publish.lock"):
            store, stood = SiteStore(self.site.folder.store), self.stands()
            record, waiting = self._next(early=early)
            with self._sending():
                if stood and not self.stands():
                    return _publication("withdrawn", record, at=utc_text(now), waiting=waiting)
                return self._sent(record, waiting, store=store, now=now)

    def withdraw(self, *, now: datetime) -> Publication:
        """The coordinator no longer shows this site's card and cube.

        Args:
            now: UTC.

        Raises:
            MyofedError: CARD_NOT_PUBLISHED, NODE_NOT_RUNNING, or the coordinator's refusal.
        """
        with self._sending():
            return self._withdrawn(now=now)

    def stands(self) -> bool:
        """A person published a card here and none has withdrawn it since; also where its next version could not be sent."""
        return self._last_word()[0] == PUBLISHED

    def _withdrawn(self, *, now: datetime) -> Publication:
        store = SiteStore(self.site.folder.store)
        latest, (word, version) = store.latest_card(), self._last_word()
        if latest is None or (word == WITHDRAWN and version == latest.version):
            raise MyofedError(
                "CARD_NOT_PUBLISHED",
                "expected a published card, found none",
                hint="myofed-node publish --site DIR publishes one",
                exit_code=ExitCode.BAD_INPUT,
            )
        record = read_record(self.site.folder)
        card = DatasetCard.model_validate_json(latest.document)
        self.api.withdraw_card(card.dataset)
        if record is None:  # the card of an earlier version of this software, which had no cube
            record = self._next(early=False)[0].model_copy(update={"card": card})
        self._record(WITHDRAWN, record, now=now)
        store.mark_card(card.version, published_at="")
        return _publication("withdrawn", record, at=utc_text(now), waiting=0)

    def _sent(self, record: PublicationRecord, waiting: int, *, store: SiteStore, now: datetime) -> Publication:
        """The record is kept, and the coordinator has what it had not."""
        card, latest = record.card, store.latest_card()
        write_record(self.site.folder, record)
        if latest is None or latest.version != card.version:
            store.add_card(card.version, card.model_dump_json())
        elif latest.published_at:
            return _publication("unchanged", record, at=latest.published_at, waiting=waiting)
        self.api.put_card(card)
        self.api.put_cube(record.newest.cube)
        self._record(PUBLISHED, record, now=now)
        store.mark_card(card.version, published_at=utc_text(now))
        return _publication("published", record, at=utc_text(now), waiting=waiting)

    def _sending(self) -> AbstractContextManager[object]:
        """Sending and withdrawing wait for one another, but never for the counting, which takes minutes."""
        return locked(self.site.folder.root / ".send.lock")

    def _last_word(self) -> tuple[str, int]:
        """Whether the card was published or withdrawn last, and its version, as the audit chain has it; empty before."""
        words = (e for e in SiteAudit(self.site.folder).entries() if e.action in (PUBLISHED, WITHDRAWN))
        last = deque(words, maxlen=1)
        return (last[0].action, int(last[0].detail["version"])) if last else ("", 0)

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
        before, conforms = read_record(folder), validate(folder.dataset).conforms
        waiting = changes(before.newest.rows(), rows, DIMENSIONS) if before else len(rows)
        if before and self._stands(before, waiting, early=early):
            fresh = self._card(before.newest.cube, conforms=conforms)
            told = {name: getattr(before.card, name) for name in CARD_FROM_CUBE}
            card = fresh.model_copy(update={**told, "version": before.card.version})
            changed = card != before.card
            card = card.model_copy(update={"version": before.card.version + changed})
            return before.model_copy(update={"card": card}), waiting
        return self._counted(before, rows, conforms=conforms), 0

    def _stands(self, before: PublicationRecord, waiting: int, *, early: bool) -> bool:
        policy = self.site.config.policy
        if before.newest.cube.policy != policy.cube() or before.dimensions != policy.cube_dimensions:
            return False
        return waiting == 0 or (waiting < policy.cube_k and not early)

    def _counted(
        self, before: PublicationRecord | None, rows: tuple[Subject, ...], *, conforms: bool
    ) -> PublicationRecord:
        config, latest = self.site.config, SiteStore(self.site.folder.store).latest_card()
        task = task_of(rows, before.release() if before else None, config=config)
        cube = build_cube(task, config=config, version=before.newest.cube.version + 1 if before else 1)
        version = counted(cube, rows)
        card = self._card(cube, conforms=conforms).model_copy(update={"version": latest.version + 1 if latest else 1})
        told = version if cube.subjects is not None else before.told if before else None
        return PublicationRecord(card=card, newest=version, told=told, dimensions=config.policy.cube_dimensions)

    def _card(self, cube: CountCube, *, conforms: bool) -> DatasetCard:
        census = take_census(self.site.folder.dataset)
        return build_card(cube, census, config=self.site.config, conforms=conforms)

    def _record(self, action: str, record: PublicationRecord, *, now: datetime) -> None:
        cube = record.newest.cube
        detail = {"version": record.card.version, "cube": cube.version, "cells": len(cube.cells)}
        SiteAudit(self.site.folder).append(action, subject=record.card.dataset, now=now, detail=detail)


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
