"""From a tool's values to canonical ones: nothing unknown is dropped, nothing coarse is split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from myofed_node.label_exchange.names import Target, plain, resolve
from myofed_node.label_exchange.refusal import LabelRefusedError
from myofed_schemas.anatomy import Side
from myofed_schemas.label_schemes import LabelScheme, LabelSide, scheme_rows
from myofed_schemas.muscle_sets import structure_of_label_value, structures


@dataclass(frozen=True)
class Label:
    """One label of a delivery: its name there, and what it stands for (None: nobody knows)."""

    name: str
    target: Target | None


@dataclass(frozen=True)
class Canonical:
    """What the values of one map become.

    Attributes:
        sided: Value of the delivery -> canonical value.
        unsided: Value of the delivery that is drawn on both sides -> id of its structure.
    """

    sided: Mapping[int, int]
    unsided: Mapping[int, str]


@dataclass(frozen=True)
class Translation:
    """The labels of a delivery by value.

    Attributes:
        labels: By the delivery's value.
        ignored: Names, or words of NotMuscle, that a person agreed to drop.
        scheme: Name of the table for the sidecar.
        lists_all: The labels are what a reader looked for, drawn or not; a tool's table lists all it could ever draw.
    """

    labels: Mapping[int, Label]
    ignored: frozenset[str] = frozenset()
    scheme: str = "table"
    lists_all: bool = False

    @classmethod
    def of_table(cls, table: Mapping[int, int]) -> Self:
        """A reader's own table: value -> canonical value."""
        labels = {}
        for value, canonical in table.items():
            structure, side = structure_of_label_value(canonical)
            labels[value] = Label(structure.id, Target(structure.id, LabelSide(side.word)))
        return cls(labels, lists_all=True)

    @classmethod
    def of_scheme(cls, scheme: LabelScheme, *, ignored: Iterable[str] = ()) -> Self:
        """A tool's values, by its own table."""
        labels = {row.value: Label(row.name, Target(row.structure, row.side)) for row in scheme_rows(scheme)}
        return cls(labels, _plain_names(ignored), scheme.value)

    @classmethod
    def of_names(
        cls, names: Mapping[int, str], *, scheme: LabelScheme | None = None, ignored: Iterable[str] = ()
    ) -> Self:
        """Values with the names that a viewer saved; a tool's names where one is given, else names that all use alike."""
        labels = {value: Label(name, resolve(name, scheme)) for value, name in names.items()}
        return cls(labels, _plain_names(ignored), scheme.value if scheme else "names")

    @classmethod
    def of_labels(cls, labels: Mapping[int, Label], *, scheme: str, ignored: Iterable[str] = ()) -> Self:
        """Labels that were read elsewhere, as of a DICOM SEG."""
        return cls(labels, _plain_names(ignored), scheme)

    def canonical(self, found: Iterable[int]) -> Canonical:
        """What the values that occur in a map become.

        Args:
            found: Values of the delivery without background.

        Raises:
            LabelRefusedError: LABEL_VALUE_UNKNOWN, LABEL_NAME_UNKNOWN, LABEL_NOT_MUSCLE, LABEL_TABLE_INVALID (two values
                for one muscle and side).
        """
        values = sorted(found)
        self._check_listed(values)
        kept = {value: self.labels[value].target for value in values if not self._is_ignored(self.labels[value])}
        targets = _muscles_of(kept)
        sided = {
            value: structures()[target.structure].label_value(Side[target.side.name])
            for value, target in targets.items()
            if target.side in {LabelSide.LEFT, LabelSide.RIGHT}
        }
        unsided = {value: target.structure for value, target in targets.items() if value not in sided}
        if len(set(sided.values())) < len(sided) or len(set(unsided.values())) < len(unsided):
            raise LabelRefusedError(
                "LABEL_TABLE_INVALID",
                f"expected one value for each muscle and side in the label map, found {len(targets)} values for fewer",
                hint="join them in the viewer, or correct the table",
            )
        return Canonical(sided, unsided)

    def all_canonical(self) -> tuple[int, ...]:
        """Canonical values of all labels with a side, increasing."""
        return tuple(sorted(self.canonical(self.labels).sided.values()))

    def _check_listed(self, values: Iterable[int]) -> None:
        unknown = sum(value not in self.labels for value in values)
        if unknown:
            raise LabelRefusedError(
                "LABEL_VALUE_UNKNOWN",
                f"expected values of the table {self.scheme} in the label map, found {unknown} others",
                hint="is it another tool's map, or another version's? --scheme tells whose values they are",
            )

    def _is_ignored(self, label: Label) -> bool:
        words = {plain(label.name)[0], _plain_name(label.name)}
        if label.target and not label.target.is_muscle:
            words.add(label.target.structure)
        return not self.ignored.isdisjoint(words)


def _plain_name(name: str) -> str:
    base, side = plain(name)
    return f"{side} {base}" if side else base


def _plain_names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(_plain_name(name) for name in names)


def _muscles_of(kept: Mapping[int, Target | None]) -> dict[int, Target]:
    unknown = sum(target is None for target in kept.values())
    if unknown:
        raise LabelRefusedError(
            "LABEL_NAME_UNKNOWN",
            f"expected names of muscles in the table, found {unknown} others that are drawn",
            hint="--scheme TOOL tells whose names they are; --ignore NAME drops one",
        )
    other = sum(target is not None and not target.is_muscle for target in kept.values())
    if other:
        raise LabelRefusedError(
            "LABEL_NOT_MUSCLE",
            f"expected muscles in the label map, found {other} labels of bone or other tissue",
            hint="--ignore bone, --ignore tissue or --ignore other drops them",
        )
    return {value: target for value, target in kept.items() if target is not None}
