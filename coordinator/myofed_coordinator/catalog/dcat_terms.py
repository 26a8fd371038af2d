"""What the export needs to know beside the cards; apart from it, so that only an export loads the RDF library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

Format = Literal["ttl", "jsonld"]
MEDIA_TYPES: dict[Format, str] = {"ttl": "text/turtle", "jsonld": "application/ld+json"}


@dataclass(frozen=True)
class CatalogPlace:
    """Where the catalog stands.

    Attributes:
        url: Base of the people's port, without a slash at the end.
        name: Of the consortium.
    """

    url: str
    name: str

    def card_url(self, site: str, dataset: str) -> str:
        """The identifier of a card, which is its address as well."""
        return f"{self.url}/api/v1/catalog/cards/{quote(site)}/{quote(dataset)}"
