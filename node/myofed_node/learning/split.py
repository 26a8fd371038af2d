"""Which subjects of a site train, validate and test."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Literal

from myofed_node.learning.protocol import Roles
from myofed_schemas.errors import MyofedError
from myofed_schemas.exit_codes import ExitCode
from myofed_schemas.study import Split

Role = Literal["test", "validation", "train"]
ROLES: tuple[Role, ...] = ("test", "validation", "train")
PLACES = 1 << 64
"""A subject's place is one of so many; the first `test_percent` of them test, the next `validation_percent` validate."""


def assign_roles(labels: Iterable[str], split: Split, *, key: bytes, known: Roles | None = None) -> Roles:
    """Every subject has exactly one role, by its own place alone: a subject that comes later moves no other.

    The place is the beginning of HMAC-SHA256 (RFC 2104) under the site's key over salt and label, so that whoever writes the
    salt cannot choose who tests. Percentages hold on average, not exactly. A role that nobody has (validation: only where
    its percentage is above 0) is given to the subject whose place is nearest to it, of those who are not `known` and not
    the only one in theirs; the caller stores the result and passes it as `known` the next time.

    Args:
        labels: Subject labels (pseudonyms), each once.
        split: Percentages and salt of the study's manifest.
        key: The site's secret for splits, the same for years.
        known: Earlier roles; they stay, and those of subjects who are gone are left out.

    Raises:
        MyofedError: SPLIT_DUPLICATE, or SPLIT_TOO_FEW where some role would stay empty.
    """
    named = _each_once(labels)
    kept = {label: role for label, role in _role_of(known or Roles()).items() if label in named}
    places = {label: _place(label, salt=split.salt, key=key) for label in named if label not in kept}
    bounds = _bounds(split)
    drawn = {label: next(r for r in ROLES if place < bounds[r][1]) for label, place in places.items()}
    for role in ROLES:
        if bounds[role][0] < bounds[role][1] and role not in {**kept, **drawn}.values():
            drawn[_nearest(bounds[role], places, {**kept, **drawn})] = role
    given = {**kept, **drawn}
    return Roles.model_validate({role: tuple(sorted(s for s, r in given.items() if r == role)) for role in ROLES})


def known_roles(earlier: Iterable[Roles]) -> Roles:
    """Roles over several splits of one study: who ever trained trains, else who ever validated validates."""
    found: dict[str, Role] = {}
    for roles in earlier:
        for label, role in _role_of(roles).items():
            found[label] = max(found.get(label, role), role, key=ROLES.index)
    return Roles.model_validate({role: tuple(sorted(s for s, r in found.items() if r == role)) for role in ROLES})


def _role_of(roles: Roles) -> dict[str, Role]:
    return {label: role for role in ROLES for label in getattr(roles, role)}


def _place(label: str, *, salt: str, key: bytes) -> int:
    message = f"myofed split 1\0{len(salt)}\0{salt}\0{label}".encode()
    return int.from_bytes(hmac.digest(key, message, hashlib.sha256)[:8], "big")


def _bounds(split: Split) -> dict[Role, tuple[int, int]]:
    """First place of each role, and the first behind it."""
    tested = PLACES * split.test_percent // 100
    validated = PLACES * (split.test_percent + split.validation_percent) // 100
    return {"test": (0, tested), "validation": (tested, validated), "train": (validated, PLACES)}


def _nearest(bounds: tuple[int, int], places: dict[str, int], given: dict[str, Role]) -> str:
    """Whose place is nearest to these bounds, of those whose role others have as well."""
    shared = [role for role in ROLES if sum(r == role for r in given.values()) > 1]
    free = [label for label in places if given[label] in shared]
    if not free:
        raise _too_few(f"a subject for each role of the split, found {len(given)} in all and none to spare")
    return min(free, key=lambda s: (max(bounds[0] - places[s], places[s] - bounds[1], 0), s))


def _each_once(labels: Iterable[str]) -> list[str]:
    named = list(labels)
    if len(set(named)) != len(named):
        raise MyofedError(
            "SPLIT_DUPLICATE", "expected each subject once, found one twice", exit_code=ExitCode.BAD_INPUT
        )
    return named


def _too_few(expected: str) -> MyofedError:
    return MyofedError(
        "SPLIT_TOO_FEW",
        f"expected {expected}",
        hint="label more subjects before you approve the study",
        exit_code=ExitCode.BAD_INPUT,
    )


def split_subjects(labels: Iterable[str], split: Split) -> Roles:
    """Every subject has exactly one role, by the rank of the salted SHA-256 of its label: exact sizes, for simulations.

    NOT for a hospital: whoever writes the salt chooses the split. A site's own split is `assign_roles`.

    The first `test_percent` of the ranks (at least one subject) test, the next `validation_percent` validate (at least
    one where the percentage is above 0), the rest trains; halves round up. The same labels and salt give the same
    answer on every machine and in any order; a subject added later can move others, so the caller stores the result.

    Args:
        labels: Subject labels (pseudonyms), each once.
        split: Percentages and salt of the study's manifest.

    Raises:
        MyofedError: SPLIT_DUPLICATE, or SPLIT_TOO_FEW where nobody would be left to train.
    """
    named = _each_once(labels)
    ranked = sorted(named, key=lambda label: (_rank(label, salt=split.salt), label))
    test = _count(len(ranked), percent=split.test_percent)
    validation = _count(len(ranked), percent=split.validation_percent)
    if len(ranked) - test - validation < 1:
        raise _too_few(f"at least {test + validation + 1} labelled subjects for this split, found {len(ranked)}")
    return Roles(
        test=tuple(sorted(ranked[:test])),
        validation=tuple(sorted(ranked[test : test + validation])),
        train=tuple(sorted(ranked[test + validation :])),
    )


def _count(total: int, *, percent: int) -> int:
    return max(1, (total * percent + 50) // 100) if percent else 0


def _rank(label: str, *, salt: str) -> str:
    return hashlib.sha256(f"{salt}\0{label}".encode()).hexdigest()
