"""What everybody may see: never a number or a category that could stand for fewer than `public_k` subjects."""

from __future__ import annotations

from catalog_examples import DIAGNOSIS, DIXON, FEMALE, SIEMENS, cell, count_of
from coordinator_factories import make_card
from hypothesis import given
from hypothesis import strategies as st

from myofed_coordinator.catalog.public import PUBLIC_K, guaranteed, public_card
from myofed_schemas.catalog import DisclosurePolicy
from myofed_schemas.catalog_search import at_least, cell_at_least
from myofed_schemas.cube import CellFilter, CubePolicy


def published(count: int, *, k: int, round_to: int) -> int | None:
    """What a hospital publishes of this exact count: nearest multiple, half up, never below k (node, protect_count)."""
    if count < k:
        return None
    nearest = (count + round_to // 2) // round_to * round_to
    return nearest if nearest >= k else nearest + round_to


policies = st.tuples(st.integers(1, 30), st.integers(1, 12))


@given(st.integers(0, 400), policies)
def test_bound_never_says_more_than_there_is(count: int, policy: tuple[int, int]) -> None:
    """Whatever is rounded how: the bound holds for the exact count, and the next number could not be promised."""
    k, round_to = policy
    told = published(count, k=k, round_to=round_to)
    bound = at_least(told, k=k, round_to=round_to)
    assert bound <= count
    if told is not None:
        smallest = min(c for c in range(k, count + 1) if published(c, k=k, round_to=round_to) == told)
        assert bound == smallest


def told(count: int, policy: CubePolicy) -> int | None:
    """What a cube says of this exact count: the nearest multiple on the same side of k and public_k (node, Rounding.told)."""
    if count < policy.k:
        return None
    step = policy.round_to
    nearest = (count + step // 2) // step * step
    lowest, public = (-(-limit // step) * step for limit in (policy.k, policy.public_k))
    if count >= policy.public_k:
        return max(nearest, public)
    found = min(max(nearest, lowest), public - step)
    return found if found >= lowest else None


@given(st.integers(0, 400), policies, st.integers(0, 40))
def test_cell_stands_for_what_is_said_of_it(count: int, limits: tuple[int, int], more: int) -> None:
    """The bound holds and is the best; everybody sees a cell exactly where public_k subjects are in it."""
    k, round_to = limits
    policy = CubePolicy(k=k, public_k=k + more, round_to=round_to)
    number = told(count, policy)
    bound = cell_at_least(number, policy)
    assert bound <= count
    if number is not None:
        assert bound == min(c for c in range(k, count + 1) if told(c, policy) == number)
        assert guaranteed(cell(number, FEMALE), policy) == (count >= policy.public_k)


def test_zero_is_told_to_people_who_are_signed_in_only() -> None:
    """Also where the site tells zeros apart."""
    assert not guaranteed(cell(0, FEMALE), CubePolicy(k=1, public_k=1, round_to=1, zeros_told=True))


def test_without_a_cube_no_category_is_told() -> None:
    """A card says that a category has k subjects; for everybody that is not enough."""
    card = make_card(
        "hospital-a", labelled_subjects=count_of(5), disclosure=DisclosurePolicy(k=5, round_to=5, demo=False)
    )
    seen = public_card(card, None, ())
    assert (seen.vendors, seen.suffixes, seen.diagnoses, seen.field_strengths_tesla) == ((), (), (), ())
    assert (seen.muscles, seen.label_origin, seen.labelled_subjects.value) == ((), "none", None)
    assert (seen.subjects.value, seen.sessions.value, seen.disclosure.k) == (20, None, PUBLIC_K)
    assert (seen.title, seen.region) == (card.title, card.region)


def test_category_is_told_where_its_cell_is_large_enough() -> None:
    """By the cube's own numbers, category by category."""
    policy = CubePolicy(k=5, public_k=10, round_to=5)
    cells = (cell(20, DIAGNOSIS), cell(5, SIEMENS), cell(10, DIXON))
    seen = public_card(make_card("hospital-a", labelled_subjects=count_of(15)), policy, cells)
    assert (seen.diagnoses, seen.vendors, seen.suffixes) == (("ORPHA:269",), (), ("DIXON",))
    assert (seen.muscles, seen.label_origin) == (("VL", "RF"), "manual")


def test_small_number_of_subjects_is_withheld_from_everybody() -> None:
    """10 of a site with k 5 may be 8."""
    card = make_card("hospital-a", subjects=count_of(10), disclosure=DisclosurePolicy(k=5, round_to=5, demo=False))
    assert public_card(card, None, ()).subjects.value is None


def test_card_values_are_looked_up_as_the_cube_writes_them() -> None:
    """3.0 T is `3T` there, and a vendor of two words has a hyphen."""
    policy = CubePolicy(k=5, public_k=10, round_to=5)
    cells = [
        cell(20, CellFilter(dimension=d, value=v)) for d, v in (("vendor", "United-Imaging"), ("field-strength", "3T"))
    ]
    card = make_card("hospital-a", vendors=("Siemens", "United Imaging"), field_strengths_tesla=(1.5, 3.0))
    seen = public_card(card, policy, cells)
    assert (seen.vendors, seen.field_strengths_tesla) == (("United Imaging",), (3.0,))


def test_phenotypes_are_not_told_and_follow_up_where_its_subjects_are() -> None:
    """No cube counts phenotypes; the time between visits is of subjects with several."""
    few = make_card(
        "hospital-a",
        phenotypes=("HP:0001324",),
        follow_up="1-2-years",
        repeat_subjects=count_of(None),
        contact="mri@a.example",
    )
    seen = public_card(few, None, ())
    assert (seen.phenotypes, seen.follow_up, seen.contact) == ((), None, "mri@a.example")
    enough = few.model_copy(update={"repeat_subjects": count_of(15)})
    assert public_card(enough, None, ()).follow_up == "1-2-years"
