"""Weights that no honest round can have made are refused; those of honest rounds pass."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learning_factories import architecture, initial, manifest, stripes
from numpy.typing import NDArray
from safetensors.numpy import load, save

from myofed_node.federation.flower_adapter import Weights
from myofed_node.federation.weights_guard import SeenWeights, admit
from myofed_node.learning.models import initial_weights, state_dict_spec
from myofed_node.learning.schedule import steps_of_round
from myofed_node.learning.train import BETAS as TRAINED_WITH
from myofed_node.learning.train import TrainingData, train
from myofed_schemas import step_bound
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import Instruction
from myofed_schemas.study import StudyManifest

RUN = "run-00000001"
Changes = dict[str, NDArray[Any]]
FILTERS = "model.0.conv.weight"


def asked(number: int, packed: bytes, *, kind: str = "train") -> Instruction:
    return Instruction.model_validate(
        {
            "kind": kind,
            "study_id": "tiny-study",
            "manifest_digest": "0" * 64,
            "run_id": RUN,
            "round": number,
            "weights_sha256": hashlib.sha256(packed).hexdigest(),
        }
    )


class Site:
    """What the guard works with at one site."""

    def __init__(self, root: Path, study: StudyManifest) -> None:
        self.study, self.seen = study, SeenWeights(root / "seen")
        self.initial = root / "initial.safetensors"

    def admit(self, number: int, packed: bytes, *, kind: str = "train") -> None:
        instruction = asked(number, packed, kind=kind)
        weights = Weights(packed, hashlib.sha256(packed).hexdigest())
        admit(instruction, weights, manifest=self.study, seen=self.seen, initial=self.initial)

    def refused(self, number: int, packed: bytes, *, kind: str = "train") -> str:
        before = self.seen.last(RUN)
        with pytest.raises(MyofedError) as caught:
            self.admit(number, packed, kind=kind)
        assert self.seen.last(RUN) == before
        return caught.value.code


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, manifest())


def trained(study: StudyManifest, packed: bytes, *, number: int, sites: int = 2) -> bytes:
    """The mean of honest sites' updates."""
    updates = []
    for one in range(sites):
        data = TrainingData(train=[stripes(seed=one)])
        steps = steps_of_round(study, round_number=number)
        updates.append(load(train(packed, data, manifest=study, steps=steps, device=torch.device("cpu"))[0]))
    return save({n: np.asarray(np.mean([u[n] for u in updates], axis=0), updates[0][n].dtype) for n in updates[0]})


def changed(packed: bytes, **tensors: object) -> bytes:
    """The same file with other values under some names (dots written as two underscores)."""
    arrays = load(packed)
    for name, change in tensors.items():
        arrays[name.replace("__", ".")] = change(arrays[name.replace("__", ".")].copy())  # type: ignore[operator]
    return save(arrays)


def test_run_that_starts_from_other_weights_is_refused(site: Site) -> None:
    """The first round has the manifest's own weights, to the byte."""
    assert site.refused(1, changed(initial(), model__0__conv__weight=lambda a: a * 1.01)) == "INITIAL_WEIGHTS"


def spoil(change: object) -> object:
    return lambda packed: changed(packed, model__0__conv__weight=change)


def one_filter(value: object) -> object:
    """The first filter is replaced; the others stay."""

    def change(array: NDArray[Any]) -> NDArray[Any]:
        array[0] = value(array[0]) if callable(value) else value
        return array

    return spoil(change)


FISHING = {
    "one number far out": (spoil(lambda a: np.where(np.arange(a.size).reshape(a.shape) == 3, a + 5, a)), "IMPLAUSIBLE"),
    "all weights large": (spoil(lambda a: a * 100), "IMPLAUSIBLE"),
    "a filter silenced": (one_filter(0.0), "IMPLAUSIBLE"),
    "a filter made uniform": (one_filter(0.05), "IMPLAUSIBLE"),
    "a filter turned up": (one_filter(lambda row: row * 1.2), "IMPLAUSIBLE"),
    "a number that is none": (one_filter(float("nan")), "NOT_FINITE"),
    "other bytes": (lambda packed: b"x" * 40, "FORMAT"),
    "a pickle": (lambda packed: b"\x80\x04\x95" + packed, "FORMAT"),
    "one tensor more": (lambda packed: save({**load(packed), "more": np.zeros(2, np.float32)}), "KEYS"),
    "another shape": (spoil(lambda a: a[None]), "SHAPE"),
    "another type": (spoil(lambda a: a.astype(np.float64)), "DTYPE"),
    "much too large": (lambda packed: packed + b"\0" * (2 << 20), "SIZE"),
}


@pytest.mark.parametrize("attack", FISHING)
def test_crafted_weights_are_refused(site: Site, attack: str) -> None:
    """A fishing coordinator changes nothing but parameters: here of an honest second round."""
    craft, code = FISHING[attack]
    site.admit(1, initial())
    honest = trained(site.study, initial(), number=1)
    assert site.refused(2, craft(honest)) == f"WEIGHTS_{code}"  # type: ignore[operator]
    site.admit(2, honest)


def test_round_that_changes_one_layer_only_is_refused(site: Site) -> None:
    """The classifier alone was replaced: a step of every layer is what a round is."""
    site.admit(1, initial())
    assert site.refused(2, changed(initial(), model__0__conv__weight=lambda a: a + 0.001)) == "WEIGHTS_IMPLAUSIBLE"
    assert site.refused(2, initial()) == "WEIGHTS_IMPLAUSIBLE"


@pytest.mark.parametrize("norm", ["instance", "instance-affine", "batch"])
def test_honest_run_passes_to_its_evaluation(tmp_path: Path, norm: str) -> None:
    """Three rounds, each asked twice, and the final model."""
    network = architecture(norm=norm)
    first = initial_weights(network, seed=7)
    sha256 = hashlib.sha256(first).hexdigest()
    study = manifest(architecture=network, state_dict=state_dict_spec(network), initial_weights_sha256=sha256)
    site, packed = Site(tmp_path, study), first
    for number in (1, 2, 3):
        site.admit(number, packed)
        site.admit(number, packed)
        packed = trained(study, packed, number=number)
    site.admit(3, packed, kind="evaluate")
    assert len(list((tmp_path / "seen").iterdir())) == 1


def test_site_that_missed_rounds_judges_by_all_of_them(site: Site) -> None:
    """Not sampled in the second round, or away: two rounds of way are allowed, and no more."""
    site.admit(1, initial())
    packed = trained(site.study, trained(site.study, initial(), number=1), number=2)
    assert site.refused(3, changed(packed, model__0__conv__weight=lambda a: a + 2)) == "WEIGHTS_IMPLAUSIBLE"
    site.admit(3, packed)


def test_site_that_joins_late_judges_by_the_initial_weights(site: Site) -> None:
    """Without them, or with others in their place, it trains nothing."""
    packed = trained(site.study, initial(), number=1)
    assert site.refused(2, packed) == "WEIGHTS_MISSING"
    site.initial.write_bytes(packed)
    assert site.refused(2, packed) == "INITIAL_WEIGHTS"
    site.initial.write_bytes(initial())
    site.admit(2, packed)


def test_resumed_run_may_only_ask_the_same(site: Site) -> None:
    """Killed between log and answer: the same weights again pass, others or earlier ones do not."""
    site.admit(1, initial())
    second = trained(site.study, initial(), number=1)
    site.admit(2, second)
    site.admit(2, second)
    assert site.refused(2, trained(site.study, initial(), number=2)) == "WEIGHTS_IMPLAUSIBLE"
    site.seen.keep(RUN, 3, Weights(second, ""))
    assert site.refused(2, second) == "WEIGHTS_IMPLAUSIBLE"


def test_tensors_that_stay_at_the_site_are_not_judged(tmp_path: Path) -> None:
    """The node puts its own back before it trains; what stands there in the message is not used."""
    network = architecture(norm="instance-affine")
    first = initial_weights(network, seed=7)
    scales = tuple(t.name for t in state_dict_spec(network) if t.name.endswith("adn.N.weight"))
    assert scales
    study = manifest(
        architecture=network,
        state_dict=state_dict_spec(network),
        initial_weights_sha256=hashlib.sha256(first).hexdigest(),
        strategy="fedbn",
        strategy_options={"release": "aggregated"},
        local_tensors=scales,
    )
    site = Site(tmp_path, study)
    site.admit(1, first)
    arrays = load(trained(study, first, number=1))
    site.admit(2, save({n: a * 50 if n in scales else a for n, a in arrays.items()}))


def test_bound_is_of_the_optimiser_that_trains() -> None:
    """One constant on both sides of the wall between torch and the executor."""
    assert step_bound.BETAS == TRAINED_WITH


def test_weights_that_lie_in_a_file_are_not_written_again(tmp_path: Path) -> None:
    """Another name of the same bytes, also twice; they stay when the file's first name goes."""
    file, seen = tmp_path / "came.in", SeenWeights(tmp_path / "seen")
    file.write_bytes(initial())
    weights = Weights(memoryview(initial()), hashlib.sha256(initial()).hexdigest(), file)
    for _ in range(2):
        seen.keep(RUN, 1, weights)
    (kept,) = (tmp_path / "seen").iterdir()
    assert kept.samefile(file)
    file.unlink()
    found = seen.last(RUN)
    assert found is not None
    assert (found.position, found.packed) == (1, initial())


def test_file_system_without_links_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing half-made is left."""

    def refuses(*_: object) -> None:
        raise OSError(18, "another device")

    monkeypatch.setattr(Path, "hardlink_to", refuses)
    seen = SeenWeights(tmp_path / "seen")
    seen.keep(RUN, 1, Weights(initial(), "", tmp_path / "came.in"))
    (kept,) = (tmp_path / "seen").iterdir()
    assert kept.read_bytes() == initial()
