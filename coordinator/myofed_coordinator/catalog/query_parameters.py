"""What a URL may say to the catalog: facets, words, page; an unknown or malformed parameter is refused."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field

from myofed_coordinator.catalog.search import PageWanted
from myofed_schemas.catalog_search import (
    MAX_CHOICES,
    MAX_PER_PAGE,
    CardChoice,
    FacetChoice,
    FacetName,
    FacetValue,
    SearchText,
    SortKey,
)
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.wire import WireModel

Values = Annotated[tuple[FacetValue, ...], Field(max_length=MAX_CHOICES)]
PathSite = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{1,31}$", examples=["hospital-a"])]
PathDataset = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{1,47}$", examples=["thigh-dixon"])]


class ChoiceWanted(WireModel):
    """Which cards; values of one facet are joined by OR, facets by AND.

    Attributes:
        text: Words, each the beginning of one in title, names of diagnoses, muscles, vendors or sequences.
    """

    text: SearchText | None = Field(default=None, examples=["FSHD dixon"])
    site: Values = Field(default=(), examples=[["hospital-a"]])
    region: Values = Field(default=(), examples=[["thigh"]])
    diagnosis: Values = Field(default=(), examples=[["ORPHA:269"]])
    phenotype: Values = Field(default=(), examples=[["HP:0003691"]])
    protocol: Values = Field(default=(), examples=[["fat-fraction-6-echo"]])
    suffix: Values = Field(default=(), examples=[["DIXON"]])
    vendor: Values = Field(default=(), examples=[["Siemens"]])
    field_strength: Values = Field(default=(), examples=[["3T"]])
    muscle: Values = Field(default=(), examples=[["VL"]])
    label_origin: Values = Field(default=(), examples=[["manual"]])
    conformity: Values = Field(default=(), examples=[["conforms"]])
    follow_up: Values = Field(default=(), examples=[["1-2-years"]])
    use_terms: Values = Field(default=(), examples=[["DUO:0000007"]])

    def choice(self) -> CardChoice:
        """The same as a choice of cards.

        Raises:
            MyofedError: MALFORMED, more values than one question may name.
        """
        named: tuple[tuple[FacetName, tuple[FacetValue, ...]], ...] = (
            ("site", self.site),
            ("region", self.region),
            ("diagnosis", self.diagnosis),
            ("phenotype", self.phenotype),
            ("protocol", self.protocol),
            ("suffix", self.suffix),
            ("vendor", self.vendor),
            ("field-strength", self.field_strength),
            ("muscle", self.muscle),
            ("label-origin", self.label_origin),
            ("conformity", self.conformity),
            ("follow-up", self.follow_up),
            ("use-terms", self.use_terms),
        )
        chosen = tuple(FacetChoice(facet=facet, value=value) for facet, values in named for value in values)
        if len(chosen) > MAX_CHOICES:
            raise MyofedError("MALFORMED", f"expected at most {MAX_CHOICES} values", exit_code=ExitCode.BAD_INPUT)
        return CardChoice(choices=chosen, text=self.text)


class CardsWanted(ChoiceWanted):
    """Which page of which cards."""

    sort: SortKey = Field(default="site", examples=["subjects"])
    page: int = Field(default=1, ge=1, le=100_000, examples=[1])
    per_page: int = Field(default=20, ge=1, le=MAX_PER_PAGE, examples=[20])

    def wanted(self) -> PageWanted:
        """The page."""
        return PageWanted(number=self.page, size=self.per_page, sort=self.sort)
