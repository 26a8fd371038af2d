"""Which subjects of a site train, validate and test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from myofed_node.learning.protocol import Roles
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import Split


def split_subjects(labels: Iterable[str], split: Split) -> Roles:
    """Every subject has exactly one role, by the rank of the salted SHA-256 of its label.

    The first `test_percent` of the ranks (at least one subject) test, the next `validation_percent` validate (at least
    one where the percentage is above 0), the rest trains; halves round up. The same labels and salt give the same
    answer on every machine and in any order; a subject added later can move others, so the caller stores the result.

    Args:
        labels: Subject labels (pseudonyms), each once.
        split: Percentages and salt of the study's manifest.

    Raises:
        MyofedError: SPLIT_DUPLICATE, or SPLIT_TOO_FEW where nobody would be left to train.
    """
    named = list(labels)
    if len(set(named)) != len(named):
        raise MyofedError(
            "SPLIT_DUPLICATE", "expected each subject once, found one twice", exit_code=ExitCode.BAD_INPUT
        )
    ranked = sorted(named, key=lambda label: (_rank(label, salt=split.salt), label))
    test = _count(len(ranked), percent=split.test_percent)
    validation = _count(len(ranked), percent=split.validation_percent)
    if len(ranked) - test - validation < 1:
        raise MyofedError(
            "SPLIT_TOO_FEW",
            f"expected at least {test + validation + 1} labelled subjects for this split, found {len(ranked)}",
            hint="label more subjects before you approve the study",
            exit_code=ExitCode.BAD_INPUT,
        )
    return Roles(
        test=tuple(sorted(ranked[:test])),
        validation=tuple(sorted(ranked[test : test + validation])),
        train=tuple(sorted(ranked[test + validation :])),
    )


def _count(total: int, *, percent: int) -> int:
    return max(1, (total * percent + 50) // 100) if percent else 0


def _rank(label: str, *, salt: str) -> str:
    return hashlib.sha256(f"{salt}\0{label}".encode()).hexdigest()
