"""What everybody may see, without a login: cards and cells, without all that may stand for fewer than `public_k` subjects.

Nothing is added: it is made of what the hospital had published.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from myofed_schemas.catalog import DatasetCard, DisclosurePolicy, SuppressedCount
from myofed_schemas.catalog_search import at_least, cell_at_least
from myofed_schemas.cube import CubeCell, CubePolicy, DimensionName

PUBLIC_K = 10
"""For a data set that has no cube: its card says no k for everybody."""

Value = TypeVar("Value", bound=str | float)


def guaranteed(cell: CubeCell, policy: CubePolicy) -> bool:
    """The cell surely stands for at least `public_k` subjects (never for none: zeros are for people who are signed in)."""
    return cell_at_least(cell.count, policy) >= max(policy.public_k, 1)


def public_card(card: DatasetCard, policy: CubePolicy | None, singles: Iterable[CubeCell]) -> DatasetCard:
    """The card as everybody may see it.

    A category (vendor, sequence, field strength, diagnosis) stays where the cube's own cell of it is guaranteed. Muscles and how
    labels were made stay where the number of labelled subjects is. What describes the data set as a whole stays.

    Args:
        card: As published.
        policy: Of the data set's cube; None where there is none, and then no category stays.
        singles: Cells of that cube with one condition.
    """
    k = _public_k(card, policy)
    known = {(cell.at[0].dimension, cell.at[0].value) for cell in singles if policy and guaranteed(cell, policy)}
    labelled = _count(card.labelled_subjects, card.disclosure, k)
    return card.model_copy(
        update={
            "diagnoses": _kept(card.diagnoses, "diagnosis", known),
            "vendors": _kept(card.vendors, "vendor", known),
            "field_strengths_tesla": _kept(card.field_strengths_tesla, "field-strength", known),
            "suffixes": _kept(card.suffixes, "sequence", known),
            "muscles": card.muscles if labelled.value is not None else (),
            "label_origin": card.label_origin if labelled.value is not None else "none",
            "subjects": _count(card.subjects, card.disclosure, k),
            "sessions": SuppressedCount(rounded_to=card.sessions.rounded_to),
            "labelled_subjects": labelled,
            "disclosure": card.disclosure.model_copy(update={"k": k}),
        }
    )


def _public_k(card: DatasetCard, policy: CubePolicy | None) -> int:
    if policy:
        return max(policy.public_k, card.disclosure.k)
    return card.disclosure.k if card.disclosure.demo else max(PUBLIC_K, card.disclosure.k)


def _count(count: SuppressedCount, policy: DisclosurePolicy, k: int) -> SuppressedCount:
    surely = at_least(count.value, k=policy.k, round_to=count.rounded_to)
    return count if surely >= k else SuppressedCount(rounded_to=count.rounded_to)


def _kept(
    values: tuple[Value, ...], dimension: DimensionName, known: set[tuple[DimensionName, str]]
) -> tuple[Value, ...]:
    return tuple(value for value in values if (dimension, cell_value(value)) in known)


def cell_value(value: str | float) -> str:
    """A card's category as the cube writes it."""
    return f"{value:g}" if isinstance(value, float) else value.replace(" ", "-")
