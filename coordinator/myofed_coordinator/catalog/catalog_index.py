"""The facets of all current cards in memory: one bit a card, so that a count over ten thousand cards is a few machine words.

Every value of every facet is a whole number whose bit n says that card n has it; numbers of subjects are cut into binary
digits, one such number a digit. "Cards" is then a count of bits, and a sum of subjects is a weighted sum of counts (bit-sliced
index, O'Neil and Quass 1997, section 3). A process reads from the database only rows that changed since it last looked.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from myofed_coordinator.catalog.entries import EntryDocument, TierFacets, any_stale, write_stale_entries
from myofed_coordinator.catalog.models import EntryRow
from myofed_coordinator.catalog.text_index import MAX_WORDS, find_entries, words_of
from myofed_coordinator.database import Database
from myofed_coordinator.enrolment.models import SiteRow
from myofed_schemas.catalog_search import CardChoice, FacetName, SortKey

ANSWERS_KEPT = 256
"""Full-text answers kept in memory, each as one number."""


@dataclass(frozen=True)
class Place:
    """One data set in the index; its bit is its number.

    Attributes:
        entry: Row in `card_entries`.
        site: Whose.
        dataset: Its name.
        card: Row in `cards` of the current version.
        document: What else is known; None where the card was withdrawn.
    """

    entry: int
    site: str
    dataset: str
    card: int | None
    document: EntryDocument | None


@dataclass(frozen=True)
class Counted:
    """Cards, what their subjects surely reach, and how many of them withhold it."""

    cards: int
    subjects_at_least: int
    withheld: int


@dataclass
class Tier:
    """The index as one kind of reader may see it.

    Attributes:
        masks: Facet -> value -> cards that have it.
        told: Cards that tell their number of subjects.
        digits: Binary digits of these numbers, the lowest first.
    """

    masks: dict[FacetName, dict[str, int]] = field(default_factory=dict)
    told: int = 0
    digits: list[int] = field(default_factory=list)

    def count(self, cards: int) -> Counted:
        """What these cards hold."""
        told = cards & self.told
        total = sum((told & digit).bit_count() << power for power, digit in enumerate(self.digits))
        number = cards.bit_count()
        return Counted(number, total, number - told.bit_count())

    def copy(self) -> Tier:
        """A tier that can be changed while others read this one."""
        return Tier({facet: dict(values) for facet, values in self.masks.items()}, self.told, list(self.digits))

    def put(self, bit: int, facts: TierFacets) -> None:
        """The card of this bit, which must not be in the tier, is found by these facts."""
        for facet, value in facts.facets:
            values = self.masks.setdefault(facet, {})
            values[value] = values.get(value, 0) | bit
        if facts.at_least is not None:
            self.told |= bit
            for power in range(facts.at_least.bit_length()):
                if power == len(self.digits):
                    self.digits.append(0)
                if facts.at_least >> power & 1:
                    self.digits[power] |= bit

    def drop(self, bit: int, facts: TierFacets) -> None:
        """The card of this bit, which was put in with these facts, is not found any more."""
        for facet, value in facts.facets:
            left = self.masks[facet][value] & ~bit
            if left:
                self.masks[facet][value] = left
            else:
                del self.masks[facet][value]
        self.told &= ~bit
        self.digits = [digit & ~bit for digit in self.digits]


@dataclass(frozen=True)
class Snapshot:
    """The catalog at one moment; never changed, so that many threads read it at once.

    Attributes:
        changed: The newest change that it knows.
        places: By bit.
        bits: Entry -> number of its bit.
        live: Cards that are not withdrawn.
        members: For people who are signed in.
        public: For everybody.
    """

    changed: int
    places: tuple[Place, ...]
    bits: Mapping[int, int]
    live: int
    members: Tier
    public: Tier

    def tier(self, *, public: bool) -> Tier:
        """The index for this kind of reader."""
        return self.public if public else self.members

    def of_sites(self, sites: Iterable[str]) -> int:
        """Current cards of these sites."""
        by_site = self.members.masks.get("site", {})
        found = 0
        for site in sites:
            found |= by_site.get(site, 0)
        return found & self.live

    def of_entries(self, entries: Iterable[int]) -> int:
        """The cards of these entries, as far as they are known."""
        octets = bytearray(len(self.places) // 8 + 1)
        for entry in entries:
            number = self.bits.get(entry)
            if number is not None:
                octets[number >> 3] |= 1 << (number & 7)
        return int.from_bytes(octets, "little")

    def in_order(self, cards: int, sort: SortKey) -> Iterable[Place]:
        """These cards, sorted; ties by site and name."""
        chosen = f"{cards:b}"[::-1]
        end = len(chosen)
        return (self.places[number] for number in self._orders[sort] if number < end and chosen[number] == "1")

    @cached_property
    def _orders(self) -> Mapping[SortKey, Sequence[int]]:
        living = [(n, p, p.document) for n, p in enumerate(self.places) if p.document is not None]
        living.sort(key=lambda item: (item[1].site, item[1].dataset))
        told = sorted(
            (item for item in living if item[2].subjects is not None), key=lambda item: -(item[2].subjects or 0)
        )
        orders: dict[SortKey, list[tuple[int, Place, EntryDocument]]] = {
            "site": living,
            "title": sorted(living, key=lambda item: item[2].title),
            "subjects": told + [item for item in living if item[2].subjects is None],
            "newest": sorted(living, key=lambda item: item[2].published_at, reverse=True),
        }
        return {sort: [number for number, _, _ in items] for sort, items in orders.items()}


EMPTY = Snapshot(0, (), {}, 0, Tier(), Tier())


@dataclass(frozen=True)
class Found:
    """Cards that match a choice, before facets narrow them, and after.

    Attributes:
        snapshot: The catalog they were looked for in.
        whole: Cards of approved sites that match the text.
        chosen: Facet -> cards that have one of its chosen values.
    """

    snapshot: Snapshot
    whole: int
    chosen: Mapping[FacetName, int]

    def cards(self, *, but: FacetName | None = None) -> int:
        """Cards that match all facets, or all but one."""
        found = self.whole
        for facet, mask in self.chosen.items():
            if facet != but:
                found &= mask
        return found


class CatalogIndex:
    """Keeps one snapshot up to date; many threads ask it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._snapshot: Snapshot | None = None
        self._lock = threading.Lock()
        self._texts: OrderedDict[tuple[int, bool, tuple[str, ...]], int] = OrderedDict()

    def find(self, session: Session, choice: CardChoice, *, public: bool = False) -> Found:
        """Cards of approved sites that match, as the database has them now.

        Args:
            session: Reading.
            choice: What to look for.
            public: As everybody may see them, words included.
        """
        self._bring_to_form()
        newest = select(func.max(EntryRow.changed)).scalar_subquery()
        rows = session.execute(select(SiteRow.site, newest).where(SiteRow.state == "approved")).all()
        snapshot = self._current(session, max((change or 0 for _, change in rows), default=0))
        whole = snapshot.of_sites(site for site, _ in rows)
        if choice.text is not None:
            whole &= self._text(session, snapshot, choice.text, public=public)
        tier, chosen = snapshot.tier(public=public), dict[FacetName, int]()
        for each in choice.choices:
            mask = tier.masks.get(each.facet, {}).get(each.value, 0)
            chosen[each.facet] = chosen.get(each.facet, 0) | mask
        return Found(snapshot, whole, chosen)

    def _current(self, session: Session, newest: int) -> Snapshot:
        """The catalog with the newest change that this session's database has."""
        kept = self._snapshot
        if kept is not None and kept.changed == newest:
            return kept
        with self._lock:
            if self._snapshot is None or self._snapshot.changed < newest:
                self._snapshot = _refreshed(session, self._snapshot or EMPTY)
            return self._snapshot

    def _bring_to_form(self) -> None:
        """Before a session reads: it would not see rows that are written while it reads."""
        if self._snapshot is not None:
            return
        with self._database.read() as reading:
            stale = any_stale(reading)
        if stale:
            with self._database.write() as writing:
                write_stale_entries(writing)

    def _text(self, session: Session, snapshot: Snapshot, text: str, *, public: bool) -> int:
        words = words_of([text])[:MAX_WORDS]
        if not words:
            return 0
        key = (snapshot.changed, public, words)
        with self._lock:
            if key in self._texts:
                self._texts.move_to_end(key)
                return self._texts[key]
        found = snapshot.of_entries(find_entries(session, words, public=public))
        with self._lock:
            self._texts[key] = found
            while len(self._texts) > ANSWERS_KEPT:
                self._texts.popitem(last=False)
        return found


def _refreshed(session: Session, before: Snapshot) -> Snapshot:
    """The snapshot with every row that changed since."""
    rows = session.execute(
        select(EntryRow.id, EntryRow.site, EntryRow.dataset, EntryRow.card, EntryRow.document, EntryRow.changed)
        .where(EntryRow.changed > before.changed)
        .order_by(EntryRow.changed)
    ).all()
    places, bits, live, changed = list(before.places), dict(before.bits), before.live, before.changed
    members, public = before.members.copy(), before.public.copy()
    for entry, site, dataset, card, document, change in rows:
        number = bits.setdefault(entry, len(places))
        bit, changed = 1 << number, change
        facts = EntryDocument.model_validate_json(document) if card is not None else None
        place = Place(entry, site, dataset, card, facts)
        if number == len(places):
            places.append(place)
        else:
            earlier, places[number] = places[number].document, place
            if earlier is not None:
                members.drop(bit, earlier.members)
                public.drop(bit, earlier.public)
        live = live | bit if facts else live & ~bit
        if facts is not None:
            members.put(bit, facts.members)
            public.put(bit, facts.public)
    return Snapshot(changed, tuple(places), bits, live, members, public)
