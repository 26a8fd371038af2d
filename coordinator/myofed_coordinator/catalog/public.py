"""What everybody may see, without a login: cards and cells, without all that may stand for fewer than `public_k` subjects.

Nothing is added: it is made of what the hospital had published.
"""

from __future__ import annotations

from collections.abc import Iterable

from myofed_coordinator.catalog.facets import field_strength
from myofed_schemas.catalog import DatasetCard, DisclosurePolicy, SuppressedCount
from myofed_schemas.catalog_search import at_least, cell_at_least
from myofed_schemas.cube import CubeCell, CubePolicy
from myofed_schemas.cube_vocabulary import VENDOR_VALUES

PUBLIC_K = 10
"""For a data set that has no cube: its card says no k for everybody."""


def guaranteed(cell: CubeCell, policy: CubePolicy) -> bool:
    """The cell surely stands for at least `public_k` subjects (never for none: zeros are for people who are signed in)."""
    return cell_at_least(cell.count, policy) >= max(policy.public_k, 1)


def public_card(card: DatasetCard, policy: CubePolicy | None, singles: Iterable[CubeCell]) -> DatasetCard:
    """The card as everybody may see it.

    A category (vendor, sequence, field strength, diagnosis) stays where the cube's own cell of it is guaranteed. Muscles and how
    labels were made stay where the number of labelled subjects is, the time between visits where that of subjects with
    several is. Phenotypes, which no cube counts, do not stay. What describes the data set as a whole does.

    Args:
        card: As published.
        policy: Of the data set's cube; None where there is none, and then no category stays.
        singles: Cells of that cube with one condition.
    """
    k = _public_k(card, policy)
    known = {(cell.at[0].dimension, cell.at[0].value) for cell in singles if policy and guaranteed(cell, policy)}
    labelled = _count(card.labelled_subjects, card.disclosure, k)
    repeat = _count(card.repeat_subjects, card.disclosure, k) if card.repeat_subjects else None
    return card.model_copy(
        update={
            "diagnoses": tuple(each for each in card.diagnoses if ("diagnosis", each) in known),
            "vendors": tuple(each for each in card.vendors if ("vendor", VENDOR_VALUES[each]) in known),
            "field_strengths_tesla": tuple(
                each for each in card.field_strengths_tesla if ("field-strength", field_strength(each)) in known
            ),
            "suffixes": tuple(each for each in card.suffixes if ("sequence", each) in known),
            "phenotypes": (),
            "repeat_subjects": repeat,
            "follow_up": card.follow_up if repeat and repeat.value is not None else None,
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
