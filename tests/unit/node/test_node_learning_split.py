"""A split is exact, disjoint and the same everywhere."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_node.learning.protocol import Roles
from myofed_node.learning.split import assign_roles, known_roles, split_subjects
from myofed_schemas.errors import MyofedError
from myofed_schemas.study import Split


def split(test: int = 25, validation: int = 10, salt: str = "salt") -> Split:
    return Split(test_percent=test, validation_percent=validation, salt=salt)


def test_too_few_subjects_are_refused() -> None:
    """A site where nobody would be left to train gets a code, not an empty role."""
    for labels in ([], ["a"], ["a", "b"]):
        with pytest.raises(MyofedError) as refusal:
            split_subjects(labels, split())
        assert refusal.value.code == "SPLIT_TOO_FEW"


def test_a_subject_named_twice_is_refused() -> None:
    """The same subject could otherwise train and test."""
    with pytest.raises(MyofedError) as refusal:
        split_subjects(["a", "b", "c", "a"], split())
    assert refusal.value.code == "SPLIT_DUPLICATE"


@settings(max_examples=50, deadline=None)
@given(
    st.sets(st.text("abcdef0123456789", min_size=4, max_size=8), min_size=4, max_size=60),
    st.integers(10, 50),
    st.integers(0, 20),
    st.randoms(use_true_random=False),
)
def test_everyone_has_one_role_and_the_counts_are_exact(
    labels: set[str], test: int, validation: int, order: object
) -> None:
    """Roles are disjoint, complete, of the announced size, and do not depend on the order of the labels."""
    shuffled = sorted(labels)
    order.shuffle(shuffled)
    roles = split_subjects(shuffled, split(test, validation))
    assert roles == split_subjects(sorted(labels), split(test, validation))
    assert sorted([*roles.train, *roles.validation, *roles.test]) == sorted(labels)
    assert len(roles.test) == max(1, int(len(labels) * test / 100 + 0.5))
    assert len(roles.validation) == (max(1, int(len(labels) * validation / 100 + 0.5)) if validation else 0)


def test_another_salt_gives_another_split() -> None:
    """The salt of the study decides, so that two studies do not share their test subjects by accident."""
    labels = [f"s{i:03d}" for i in range(40)]
    assert split_subjects(labels, split(salt="one")).test != split_subjects(labels, split(salt="two")).test


def test_rank_is_sha256_of_salt_zero_byte_and_label() -> None:
    """The documented rule, worked out a second time: two of eight test, one validates."""
    ranks = {label: hashlib.sha256(b"salt" + bytes(1) + label.encode()).hexdigest() for label in "abcdefgh"}
    expected = sorted(ranks, key=ranks.__getitem__)
    roles = split_subjects("abcdefgh", split(25, 10))
    assert roles.test == tuple(sorted(expected[:2]))
    assert roles.validation == (expected[2],)


KEY = bytes(range(32))
PEOPLE = [f"s{i:04d}" for i in range(2000)]


def role_of(roles: Roles) -> dict[str, str]:
    return {label: role for role in ("train", "validation", "test") for label in getattr(roles, role)}


def test_site_split_that_would_leave_a_role_empty_is_refused() -> None:
    """Also where all who could fill it have a role already: nobody who trained ever validates."""
    for labels in ([], ["a"], ["a", "b"]):
        with pytest.raises(MyofedError) as refusal:
            assign_roles(labels, split(), key=KEY)
        assert refusal.value.code == "SPLIT_TOO_FEW"
    with pytest.raises(MyofedError) as refusal:
        assign_roles("abcd", split(), key=KEY, known=Roles(train=("a", "b", "c"), test=("d",)))
    assert refusal.value.code == "SPLIT_TOO_FEW"
    with pytest.raises(MyofedError) as refusal:
        assign_roles("abca", split(), key=KEY)
    assert refusal.value.code == "SPLIT_DUPLICATE"


def test_coordinator_that_knows_salt_and_labels_cannot_tell_the_split() -> None:
    """Two sites with the same labels and the same manifest have other splits; one site has one."""
    one, two = (assign_roles(PEOPLE, split(), key=bytes([k]) * 32) for k in (1, 2))
    assert one == assign_roles(reversed(PEOPLE), split(), key=bytes([1]) * 32)
    both = len(set(one.test) & set(two.test)) / len(one.test)
    assert both == pytest.approx(0.25, abs=0.06)
    assert assign_roles(PEOPLE, split(salt="other"), key=bytes([1]) * 32) != one


def test_percentages_hold_on_average() -> None:
    """2000 subjects: within three standard deviations of 25 and 10 percent."""
    roles = assign_roles(PEOPLE, split(25, 10), key=KEY)
    assert len(roles.test) / 2000 == pytest.approx(0.25, abs=0.03)
    assert len(roles.validation) / 2000 == pytest.approx(0.10, abs=0.021)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("abcdef0123456789", min_size=4, max_size=8), min_size=3, max_size=40, unique=True),
    st.integers(3, 40),
    st.integers(10, 50),
    st.integers(0, 30),
    st.binary(min_size=32, max_size=32),
)
def test_subject_added_later_moves_nobody_and_no_role_is_ever_empty(
    labels: list[str], first: int, test: int, validation: int, key: bytes
) -> None:
    """From three subjects on everybody has one role, each role somebody, and the stored split only grows."""
    early = assign_roles(labels[:first], split(test, validation), key=key)
    late = assign_roles(labels, split(test, validation), key=key, known=early)
    assert sorted(role_of(late)) == sorted(labels)
    assert role_of(early).items() <= role_of(late).items()
    for roles in (early, late):
        assert roles.train
        assert roles.test
        assert bool(roles.validation) == bool(validation)


def test_place_alone_decides_where_no_role_is_empty() -> None:
    """The stored split changes nothing then: the same roles in one step, in two, and for those who stayed."""
    at_once = role_of(assign_roles(PEOPLE, split(), key=KEY))
    first = assign_roles(PEOPLE[:1000], split(), key=KEY)
    assert role_of(assign_roles(PEOPLE, split(), key=KEY, known=first)) == at_once
    stayed = role_of(assign_roles(PEOPLE[500:], split(), key=KEY, known=first))
    assert stayed == {label: at_once[label] for label in PEOPLE[500:]}


def test_empty_role_goes_to_the_nearest_place() -> None:
    """Worked out a second time: nobody is below 10 percent, so the lowest place tests."""

    def place(label: str) -> int:
        message = b"myofed split 1\0" + b"4\0salt\0" + label.encode()
        return int.from_bytes(hmac.digest(KEY, message, "sha256")[:8], "big")

    high = [label for label in PEOPLE if place(label) > 2**63][:20]
    assert assign_roles(high, split(10, 0), key=KEY).test == (min(high, key=place),)


def test_who_ever_trained_never_tests() -> None:
    """Splits of earlier releases could move a subject between two versions: training wins, then validation."""
    earlier = [
        Roles(train=("a",), validation=("b",), test=("c", "d")),
        Roles(train=("b",), validation=("c",), test=("a", "d")),
    ]
    assert known_roles(earlier) == Roles(train=("a", "b"), validation=("c",), test=("d",))
    assert known_roles([]) == Roles()
