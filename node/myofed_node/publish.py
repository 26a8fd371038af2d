"""Publishing the dataset card: counted, protected, kept in the store, sent through the egress; and taking it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from myofed_node.audit import SiteAudit
from myofed_node.catalog_card import build_card
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.dataset_census import take_census
from myofed_node.mids.validation.validate import validate
from myofed_node.site_setup import Site
from myofed_node.store import SiteStore
from myofed_schemas.catalog import DatasetCard
from myofed_schemas.clock import utc_text
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.ids import UtcTime
from myofed_schemas.wire import WireModel


class Publication(WireModel):
    """What `publish --json` prints: the card exactly as it left, and whether anything had to be sent."""

    state: Literal["published", "unchanged", "withdrawn", "preview"]
    card: DatasetCard
    at: UtcTime


@dataclass(frozen=True)
class Publisher:
    """The use cases of the card of one site."""

    site: Site
    api: CoordinatorApi

    def preview(self, *, now: datetime) -> Publication:
        """The card that `publish` would send now; nothing leaves and nothing is kept.

        Raises:
            MyofedError: DATASET_EMPTY, SIDECAR_INVALID.
        """
        return Publication(state="preview", card=self._card(), at=utc_text(now))

    def publish(self, *, now: datetime) -> Publication:
        """The coordinator shows this site's current card; the same card is not sent twice.

        Killed between keeping and sending, the next call sends the kept version.

        Args:
            now: UTC.

        Raises:
            MyofedError: DATASET_EMPTY, SIDECAR_INVALID, NODE_NOT_RUNNING, or the coordinator's refusal.
        """
        store = SiteStore(self.site.folder.store)
        card, latest = self._card(), store.latest_card()
        if latest is None or latest.version != card.version:
            store.add_card(card.version, card.model_dump_json())
        elif latest.published_at:
            return Publication(state="unchanged", card=card, at=latest.published_at)
        self.api.put_card(card)
        self._record("CARD_PUBLISHED", card, now=now)
        store.mark_card(card.version, published_at=utc_text(now))
        return Publication(state="published", card=card, at=utc_text(now))

    def withdraw(self, *, now: datetime) -> Publication:
        """The coordinator no longer shows this site's card.

        Args:
            now: UTC.

        Raises:
            MyofedError: CARD_NOT_PUBLISHED, NODE_NOT_RUNNING, or the coordinator's refusal.
        """
        store = SiteStore(self.site.folder.store)
        latest = store.latest_card()
        if latest is None or not latest.published_at:
            raise MyofedError(
                "CARD_NOT_PUBLISHED",
                "expected a published card, found none",
                hint="myofed-node publish --site DIR publishes one",
                exit_code=ExitCode.BAD_INPUT,
            )
        card = DatasetCard.model_validate_json(latest.document)
        self.api.withdraw_card(card.dataset)
        self._record("CARD_WITHDRAWN", card, now=now)
        store.mark_card(card.version, published_at="")
        return Publication(state="withdrawn", card=card, at=utc_text(now))

    def _card(self) -> DatasetCard:
        """The card of the data set as it is: the kept version where nothing changed, else the next."""
        latest = SiteStore(self.site.folder.store).latest_card()
        census = take_census(self.site.folder.dataset)
        if census.subjects == 0:
            raise MyofedError(
                "DATASET_EMPTY",
                "expected a data set with images, found none",
                hint="myofed-node ingest IN --site DIR",
                exit_code=ExitCode.BAD_INPUT,
            )
        conforms = validate(self.site.folder.dataset).conforms
        version = latest.version if latest else 1
        card = build_card(census, config=self.site.config, conforms=conforms, version=version)
        if latest and card != DatasetCard.model_validate_json(latest.document):
            return card.model_copy(update={"version": version + 1})
        return card

    def _record(self, action: str, card: DatasetCard, *, now: datetime) -> None:
        SiteAudit(self.site.folder).append(action, subject=card.dataset, now=now, detail={"version": card.version})


def card_lines(publication: Publication) -> list[str]:
    """The card in words, for the person who publishes it."""
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
    return [*lines, "  DEMO POLICY: synthetic patients only"] if card.disclosure.demo else lines
