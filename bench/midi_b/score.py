"""The score: passed / required, every required action counted once and alike, whatever became of its instance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench.midi_b.answer_key import KEEPING, UNKNOWN, Action, Instance
from bench.midi_b.checks import Released, Verdict, judge
from bench.midi_b.mapping import Mappings
from bench.midi_b.places import public_name
from bench.midi_b.shift import Shift

Counts = Counter[Verdict]


@dataclass(frozen=True)
class Output:
    """What a run made of the data: where each released instance lies, and why others were withheld, by old SOPInstanceUID."""

    released: dict[str, Path]
    withheld: dict[str, str]
    mappings: Mappings
    days: dict[str, int] = field(default_factory=dict)
    """What the dates of an instance move by; empty when the policy keeps no dates."""


@dataclass
class Score:
    """Counts of a whole key; each required action stands in `actions`, `categories` and `modalities` once."""

    actions: dict[str, Counts] = field(default_factory=dict)
    categories: dict[str, Counts] = field(default_factory=dict)
    modalities: dict[str, Counts] = field(default_factory=dict)
    instances: dict[str, Counts] = field(default_factory=dict)
    withheld_codes: dict[str, Counter[str]] = field(default_factory=dict)
    not_passed: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    """Action, attribute, category and verdict of what was not passed in released instances."""
    shift: Shift = field(default_factory=Shift)

    @property
    def total(self) -> Counts:
        """All required actions by verdict."""
        return sum(self.actions.values(), Counter())

    def released(self) -> float | None:
        """Passed / required in released instances; None when nothing was required of any."""
        total = self.total
        return _share(total[Verdict.PASSED], _released(total))

    def strict(self) -> float | None:
        """Passed / required in all instances of the key: whatever was withheld or absent counts as failed."""
        return _share(self.total[Verdict.PASSED], self.total.total())

    def as_published(self) -> float | None:
        """As the published script counts: a missing instance fails what had to be kept and passes what had to go."""
        gone = sum(
            counts[Verdict.WITHHELD] + counts[Verdict.ABSENT]
            for name, counts in self.actions.items()
            if name != UNKNOWN and Action(name) not in KEEPING
        )
        return _share(self.total[Verdict.PASSED] + gone, self.total.total())


def _released(counts: Counts) -> int:
    return counts[Verdict.PASSED] + counts[Verdict.FAILED] + counts[Verdict.UNJUDGED]


def _share(passed: int, required: int) -> float | None:
    return passed / required if required else None


def score(key: Iterable[Instance], output: Output) -> Score:
    """The score of this output; reads one instance of the key and one file at a time."""
    result = Score()
    for instance in key:
        path = output.released.get(instance.sop_instance_uid)
        if path is not None:
            _score_released(result, instance, output, Released.open(path, mappings=output.mappings))
        else:
            _score_missing(result, instance, output.withheld.get(instance.sop_instance_uid))
    return result


def _score_released(result: Score, instance: Instance, output: Output, released: Released) -> None:
    _count(result.instances, instance.modality, Verdict.PASSED)
    days = output.days.get(instance.sop_instance_uid)
    for required in instance.required:
        verdict = judge(required, released)
        _add(result, instance, required.action, required.category, verdict)
        if verdict is not Verdict.PASSED:
            what = (required.action or UNKNOWN, public_name(required.place), required.category, verdict)
            result.not_passed[what] += 1
        if required.action is Action.DATE_SHIFTED and days is not None and required.value:
            result.shift.look_at(required.value, released.texts.get(required.place or "", ""), days=days)


def _score_missing(result: Score, instance: Instance, code: str | None) -> None:
    verdict = Verdict.ABSENT if code is None else Verdict.WITHHELD
    _count(result.instances, instance.modality, verdict)
    if code is not None:
        result.withheld_codes.setdefault(instance.modality, Counter())[code] += 1
    for required in instance.required:
        _add(result, instance, required.action, required.category, verdict)


def _add(result: Score, instance: Instance, action: Action | None, category: str, verdict: Verdict) -> None:
    _count(result.actions, action or UNKNOWN, verdict)
    _count(result.categories, category, verdict)
    _count(result.modalities, instance.modality, verdict)


def _count(counts: dict[str, Counts], name: str, verdict: Verdict) -> None:
    counts.setdefault(name, Counter())[verdict] += 1
