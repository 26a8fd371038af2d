"""The facets of a card, and the words by which it is found."""

from __future__ import annotations

from collections.abc import Iterable

from myofed_coordinator.catalog.names import names
from myofed_coordinator.catalog.text_index import words_of
from myofed_schemas.catalog import DatasetCard
from myofed_schemas.catalog_search import FacetName

Pair = tuple[FacetName, str]


def facets_of(card: DatasetCard) -> tuple[Pair, ...]:
    """All (facet, value) pairs by which this card is found, sorted."""
    many: tuple[tuple[FacetName, Iterable[str]], ...] = (
        ("site", (card.site,)),
        ("region", (card.region,)),
        ("diagnosis", card.diagnoses),
        ("suffix", card.suffixes),
        ("vendor", card.vendors),
        ("field-strength", map(field_strength, card.field_strengths_tesla)),
        ("phenotype", card.phenotypes),
        ("protocol", card.protocols),
        ("follow-up", (card.follow_up,) if card.follow_up else ()),
        ("muscle", card.muscles),
        ("label-origin", (card.label_origin,)),
        ("conformity", ("conforms" if card.conforms else "errors",)),
        ("use-terms", card.duo),
    )
    return tuple(sorted({(facet, value) for facet, values in many for value in values}))


def field_strength(tesla: float) -> str:
    """As the cube writes it, e.g. `3T`."""
    return f"{tesla:g}T"


def card_words(card: DatasetCard) -> str:
    """The words of title, names of diagnoses, muscles, vendors, sequences, region and site, for `card_words`."""
    known = names()
    codes = [*card.diagnoses, *card.phenotypes, *card.muscles]
    meant = [part for code in codes if code in known for part in (known[code].name, known[code].also)]
    return " ".join(
        words_of(
            [
                card.title,
                card.site,
                card.dataset,
                card.region,
                *codes,
                *meant,
                *card.vendors,
                *card.suffixes,
                *card.protocols,
            ]
        )
    )
