"""Questions to the catalog and its answers: facets, pages of cards, and counts as the hospitals protected them.

No number in here is worked out from two published ones by subtraction. A sum says what it surely reaches, never more.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from myofed_schemas.catalog import DatasetCard
from myofed_schemas.cube import MANY_VALUED, MAX_FILTERS, CellFilter, CubeCell, CubePolicy
from myofed_schemas.ids import SiteId, UtcTime
from myofed_schemas.wire import WireModel

FacetName = Literal[
    "site",
    "region",
    "diagnosis",
    "phenotype",
    "protocol",
    "suffix",
    "vendor",
    "field-strength",
    "muscle",
    "label-origin",
    "conformity",
    "follow-up",
    "use-terms",
]
"""By what cards are found; one card may have several values of most of them."""

FacetValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 :.+-]{0,47}$")]
SearchText = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
DatasetName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,47}$")]
SortKey = Literal["site", "title", "subjects", "newest"]

MAX_CHOICES = 40
MAX_PER_PAGE = 100
MAX_LISTED = 500
"""Data sets that one answer to a count question lists; its sums are over all."""


class FacetChoice(WireModel):
    """One value by which cards are chosen; values of one facet are joined by OR, facets by AND."""

    facet: FacetName
    value: FacetValue


class CardChoice(WireModel):
    """Which cards: all that match every facet named and all words of the text.

    Attributes:
        choices: Values of facets.
        text: Words, each the beginning of one in title, names of diagnoses, muscles, vendors or sequences.
    """

    choices: tuple[FacetChoice, ...] = Field(default=(), max_length=MAX_CHOICES)
    text: SearchText | None = None


class FacetCount(WireModel):
    """One value of a facet among the cards that the other facets leave.

    Attributes:
        value: As in a choice.
        name: What people call it.
        cards: Cards that have it.
        subjects_at_least: What their counts surely reach, data set by data set; a subject in two data sets counts in both.
        withheld: Cards among them whose number of subjects was withheld; they add nothing to the sum.
    """

    value: FacetValue
    name: str
    cards: int = Field(ge=0)
    subjects_at_least: int = Field(ge=0)
    withheld: int = Field(ge=0)


class Facet(WireModel):
    """The values of one facet, most cards first."""

    facet: FacetName
    values: tuple[FacetCount, ...]


class FacetAnswer(WireModel):
    """The facets of the cards that match.

    Attributes:
        cards: How many match.
        subjects_at_least: As in FacetCount, over them.
        withheld: Cards among them whose number of subjects was withheld.
        facets: Each as if nothing were chosen in it, so that another value of it can be chosen beside.
    """

    schema_version: Literal["myofed-facets-1"] = "myofed-facets-1"
    cards: int = Field(ge=0)
    subjects_at_least: int = Field(ge=0)
    withheld: int = Field(ge=0)
    facets: tuple[Facet, ...]


class CardPage(WireModel):
    """One page of the cards that match; the sums are over all pages."""

    schema_version: Literal["myofed-card-page-1"] = "myofed-card-page-1"
    total: int = Field(ge=0)
    page: int = Field(ge=1)
    per_page: int = Field(ge=1, le=MAX_PER_PAGE)
    subjects_at_least: int = Field(ge=0)
    withheld: int = Field(ge=0)
    cards: tuple[DatasetCard, ...]


class CardShown(WireModel):
    """One card, and how its count cube is protected.

    Attributes:
        card: The current version.
        published_at: When it came.
        policy: Of its cube; None where the site published none.
        cube_version: Of the cube.
    """

    card: DatasetCard
    published_at: UtcTime
    policy: CubePolicy | None = None
    cube_version: int | None = None


class CardCounts(WireModel):
    """The cells of one condition of a data set's cube, as published; what is not listed is withheld."""

    site: SiteId
    dataset: DatasetName
    cube_version: int = Field(ge=1)
    policy: CubePolicy
    subjects: int | None = Field(ge=0)
    cells: tuple[CubeCell, ...]


class CountQuestion(WireModel):
    """How many, where: cards by their facets, subjects by at most three conditions of the cube.

    Attributes:
        cards: Which data sets are asked.
        filters: Conditions that a subject meets all of; without one, all subjects of a data set.
    """

    schema_version: Literal["myofed-count-question-1"] = "myofed-count-question-1"
    cards: CardChoice = CardChoice()
    filters: tuple[CellFilter, ...] = Field(default=(), max_length=MAX_FILTERS)

    @model_validator(mode="after")
    def _one_value_each(self) -> Self:
        keys = [(each.dimension, each.value) for each in self.filters]
        single = [dimension for dimension, _ in keys if dimension not in MANY_VALUED]
        if len(keys) != len(set(keys)) or len(single) != len(set(single)):
            msg = "a condition stands twice, or a dimension of which a subject has one value is asked for two"
            raise ValueError(msg)
        return self


class DatasetCount(WireModel):
    """What one data set tells.

    Attributes:
        site: Whose.
        dataset: Its name.
        title: Of its card.
        outcome: `told`; `withheld` (zero, smaller than k, or large and kept back to protect a smaller one); `no-cube`, the
            site published no counts for it.
        subjects: As published, rounded; None unless told.
        subjects_at_least: What the count surely reaches; 0 unless told.
        cube_version: Which cube said so.
        policy: How the site protected it.
    """

    site: SiteId
    dataset: DatasetName
    title: str
    outcome: Literal["told", "withheld", "no-cube"]
    subjects: int | None = Field(default=None, ge=0)
    subjects_at_least: int = Field(default=0, ge=0)
    cube_version: int | None = Field(default=None, ge=1)
    policy: CubePolicy | None = None


class CountAnswer(WireModel):
    """What the sites' protected counts say to a question; nothing was subtracted, and nothing is estimated.

    Attributes:
        question: As asked.
        subjects_at_least: The largest of each site's data sets, added over sites: what surely is there, if no subject is
            in two hospitals.
        sites: Sites of which a data set told a count above zero.
        told: Data sets that told a count.
        withheld: Data sets that withheld it; each may hold subjects that the sum leaves out.
        no_cube: Data sets without a cube.
        datasets: The first of them by site and name: told ones, largest first, then the rest.
        not_listed: Data sets that are counted above and not listed.
    """

    schema_version: Literal["myofed-count-answer-1"] = "myofed-count-answer-1"
    question: CountQuestion
    subjects_at_least: int = Field(ge=0)
    sites: int = Field(ge=0)
    told: int = Field(ge=0)
    withheld: int = Field(ge=0)
    no_cube: int = Field(ge=0)
    datasets: tuple[DatasetCount, ...] = Field(max_length=MAX_LISTED)
    not_listed: int = Field(ge=0)


class AskedCount(WireModel):
    """One entry of the log of count questions: who asked what, when. What was answered is not kept.

    Attributes:
        account: Login name.
        asked_at: UTC.
        question: As asked.
        refused: Over the person's budget, and not answered; at most one such entry a person and hour.
    """

    account: str
    asked_at: UtcTime
    question: CountQuestion
    refused: bool


class AskedCounts(WireModel):
    """A page of the log, newest first."""

    total: int = Field(ge=0)
    page: int = Field(ge=1)
    entries: tuple[AskedCount, ...]


def cell_at_least(count: int | None, policy: CubePolicy) -> int:
    """The smallest number that a count of a cube may stand for.

    A site tells the nearest multiple, half up, that lies on the same side of `k` and of `public_k` as the exact count (node,
    `disclosure.rounding`): a told number is `public_k` or more exactly where the exact one is.

    Args:
        count: As published; None is withheld.
        policy: Of the cube.
    """
    if not count:
        return 0
    below = count - policy.round_to
    if below < policy.k:
        return policy.public_k if count >= policy.public_k else policy.k
    if below < policy.public_k <= count:
        return policy.public_k
    return count - policy.round_to // 2


def at_least(count: int | None, *, k: int, round_to: int) -> int:
    """The smallest number that a count of a card may stand for.

    A site rounds to the nearest multiple, half up, but never below k: the smallest multiple that is not below k stands for
    everything from k on (node, `disclosure.protect_count`).

    Args:
        count: As published; None is withheld.
        k: Smallest number that the site tells.
        round_to: Counts are multiples of this.
    """
    if not count:
        return 0
    return k if count - round_to < k else count - round_to // 2
