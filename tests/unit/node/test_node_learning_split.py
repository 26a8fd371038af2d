"""A split is exact, disjoint and the same everywhere."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myofed_node.learning.split import split_subjects
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
