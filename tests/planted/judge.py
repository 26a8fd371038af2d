"""A tool's whole output judged against the corpus: what leaked, what was lost, what was withheld without need.

It knows no tool: it matches outputs to inputs by their pixels, which every tool leaves alone, not by UID or name.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import config
from pydicom.dataset import FileDataset

from planted.kept import Losses, compare, intervals, judge_uids
from planted.plants import Category, Corpus, Fate, Kind, Place, Plant
from planted.search import DAMAGED, RAW, Index, Output, date_leaks, elements, found_in, texts_of

PIXELS = 0x7FE00010


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a tool did to the corpus; lists name what is wrong, one entry each."""

    planted: Counter[Category]
    leaked: tuple[Plant, ...]
    type_1_lost: tuple[str, ...]
    type_2_lost: tuple[str, ...]
    types_compared: int
    values_changed: tuple[str, ...]
    values_compared: int
    broken_references: tuple[str, ...]
    references_compared: int
    uids_inconsistent: tuple[str, ...]
    safe_lost: tuple[str, ...]
    safe_planted: int
    intervals_kept: int
    intervals_planted: int
    clean_withheld: tuple[str, ...]
    clean_planted: int
    unfit_released: tuple[str, ...]
    outputs: int

    def leaks(self) -> Counter[Category]:
        """How many values leaked, by category."""
        return Counter(plant.category for plant in self.leaked)

    def shortfalls(self) -> list[str]:
        """What a tool that deserves trust must not show; empty when there is nothing."""
        counts = {
            "leaks": len(self.leaked),
            "Type 1 attributes lost": len(self.type_1_lost),
            "Type 2 attributes lost": len(self.type_2_lost),
            "values changed": len(self.values_changed),
            "broken references": len(self.broken_references),
            "UIDs inconsistent": len(self.uids_inconsistent),
            "safe private values lost": len(self.safe_lost),
            "intervals lost": self.intervals_planted - self.intervals_kept,
            "clean images withheld": len(self.clean_withheld),
            "unfit files released": len(self.unfit_released),
        }
        compared = {
            "plants": sum(self.planted.values()),
            "types": self.types_compared,
            "values": self.values_compared,
            "references": self.references_compared,
            "safe private values": self.safe_planted,
            "intervals": self.intervals_planted,
            "outputs": self.outputs,
        }
        return [f"{number} {name}" for name, number in counts.items() if number] + [
            f"no {name} compared" for name, number in compared.items() if not number
        ]


def judge(corpus: Corpus, outputs: Path) -> Verdict:
    """What the files below `outputs`, of any names, reveal and lack.

    Args:
        corpus: As made.
        outputs: Everything that the tool wrote, reports included.
    """
    with config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inputs = {file.name: Output.read(corpus.folder / file.name, root=corpus.folder) for file in corpus.files}
        written = [Output.read(path, root=outputs) for path in sorted(outputs.rglob("*")) if path.is_file()]
        matched = _matched(inputs, written)
        return _verdict(corpus, inputs, written, matched)


def _verdict(corpus: Corpus, inputs: dict[str, Output], written: list[Output], matched: dict[str, Output]) -> Verdict:
    losses = Losses()
    pairs = {}
    safe = defaultdict(list)
    for number in corpus.safe_numbers:
        safe[number.file].append(number)
    for file in corpus.files:
        before, output = inputs[file.name].dataset, matched.get(file.name)
        if before is not None and output is not None and output.dataset is not None and file.fate is Fate.RELEASED:
            compare(before, output.dataset, safe=safe[file.name], losses=losses)
            pairs[file.name] = (file.patient, before, output.dataset)
    uids = judge_uids((before, after) for _, before, after in pairs.values())
    kept, total = intervals(pairs.values())
    clean = [file.name for file in corpus.files if file.fate is Fate.RELEASED]
    return Verdict(
        planted=corpus.planted(),
        leaked=_leaked(corpus, written, matched),
        type_1_lost=tuple(losses.type_1),
        type_2_lost=tuple(losses.type_2),
        types_compared=losses.compared_types,
        values_changed=tuple(losses.values),
        values_compared=losses.compared_values,
        broken_references=tuple(uids.broken),
        references_compared=uids.compared,
        uids_inconsistent=tuple(uids.inconsistent),
        safe_lost=tuple(losses.safe),
        safe_planted=losses.compared_safe,
        intervals_kept=kept,
        intervals_planted=total,
        clean_withheld=tuple(name for name in clean if name not in matched),
        clean_planted=len(clean),
        unfit_released=tuple(file.name for file in corpus.files if file.fate is Fate.WITHHELD and file.name in matched),
        outputs=sum(output.dataset is not None for output in written),
    )


def _matched(inputs: dict[str, Output], written: list[Output]) -> dict[str, Output]:
    """Outputs by their input's name."""
    names = {key: name for name, output in inputs.items() for key in _invariants(output)}
    found: dict[str, Output] = {}
    for output in written:
        for key in _invariants(output):
            if key in names:
                found.setdefault(names[key], output)
    return found


def _invariants(output: Output) -> set[str]:
    """What a tool leaves of a file: its pixels as they lie or decode; of a report, its class and running number."""
    dataset = output.dataset
    if dataset is None:
        return set()
    if PIXELS not in dataset:
        return (
            {f"{dataset.get('SOPClassUID')} {dataset.get('InstanceNumber')}"} if "InstanceNumber" in dataset else set()
        )
    return {hashlib.sha256(content).hexdigest() for content in (_raw(dataset), _decoded(dataset)) if content}


def _raw(dataset: FileDataset) -> bytes:
    value = dataset.get_item(PIXELS).value
    return value if isinstance(value, bytes) else b""


def _decoded(dataset: FileDataset) -> bytes:
    try:
        pixels = dataset.pixel_array
    except DAMAGED:
        return b""
    return np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("<"))).tobytes()


def _leaked(corpus: Corpus, written: list[Output], matched: dict[str, Output]) -> tuple[Plant, ...]:
    texts = Index.of(needle for plant in corpus.plants if plant.kind is Kind.TEXT for needle in plant.needles)
    noise = Index.of(needle for plant in corpus.plants if plant.kind is Kind.BYTES for needle in plant.needles)
    hits: dict[str | bytes, set[Place]] = defaultdict(set)
    for output in written:
        for needle, place in found_in(output, texts=texts, noise=noise):
            hits[needle].add(place)
    places: dict[str | bytes, set[Place]] = defaultdict(set)
    for plant in corpus.plants:
        for needle in plant.needles:
            places[needle].add(plant.place)
    dates = {name: _dates(output) for name, output in matched.items()}
    return tuple(plant for plant in corpus.plants if _leaks(plant, hits, places, matched, dates))


def _leaks(
    plant: Plant,
    hits: dict[str | bytes, set[Place]],
    places: dict[str | bytes, set[Place]],
    matched: dict[str, Output],
    dates: dict[str, dict[Place, list[str]]],
) -> bool:
    output = matched.get(plant.file)
    if plant.kind is Kind.PIXELS:
        return output is not None
    if plant.kind is Kind.SAME:
        return output is not None and str(plant.needles[0]) in _value_at(output, plant.place)
    if plant.kind is Kind.DATE:
        return output is not None and date_leaks(plant, output, dates=dates[plant.file])
    return any(_is_here(plant, hits[needle], places[needle]) for needle in plant.needles if needle in hits)


def _is_here(plant: Plant, found: set[Place], planted: set[Place]) -> bool:
    """Whether a hit is this plant's: it is in its place, or in no place where the same value was planted too."""
    return plant.place in found or not found & planted or (found == {RAW})


def _value_at(output: Output, place: Place) -> list[str]:
    if output.dataset is None:
        return []
    return [text for where, _, value in elements(output.dataset) if where == place for text in texts_of(value)]


def _dates(output: Output) -> dict[Place, list[str]]:
    if output.dataset is None:
        return {}
    return {place: texts_of(value) for place, vr, value in elements(output.dataset) if vr in {"DA", "DT"}}
