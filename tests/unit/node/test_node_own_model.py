"""A site's own model: only for an approved study, from the named weights, measured on unseen subjects only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save
from site_factories import NOW, FakeCoordinator, demo_site, enrol, study, write_labels

import myofed_node.own_model
from myofed_node.coordinator_api import CoordinatorApi
from myofed_node.own_model import evaluate_models, train_own_model, train_personal_model
from myofed_node.site_setup import Site
from myofed_node.study_desk import StudyDesk
from myofed_schemas.canonical import digest
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import MuscleScore, TaskMetrics

WEIGHTS = b"weights"
SCORES = (MuscleScore(muscle="VL", dice_sum=0.5, subjects=1),)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made, coordinator = demo_site(tmp_path / "a"), FakeCoordinator()
    enrol(made, coordinator)
    coordinator.models[hashlib.sha256(WEIGHTS).hexdigest()] = WEIGHTS
    coordinator.offer(study(WEIGHTS))
    for number in range(6):
        write_labels(made.folder.dataset, f"S{number}")
    StudyDesk(made, CoordinatorApi(coordinator)).fetch()  # type: ignore[arg-type]
    return made


def _approve(site: Site) -> StudyDesk:
    coordinator = FakeCoordinator()
    coordinator.models[hashlib.sha256(WEIGHTS).hexdigest()] = WEIGHTS
    desk = StudyDesk(site, CoordinatorApi(coordinator))  # type: ignore[arg-type]
    desk.approve("thigh", by="pi", now=NOW)
    return desk


def test_study_that_nobody_approved_trains_nothing(site: Site) -> None:
    """Neither a training nor a measurement is made."""
    for call in (lambda: train_own_model(site, "thigh"), lambda: evaluate_models(site, "thigh", models=[])):
        with pytest.raises(MyofedError) as caught:
            call()
        assert caught.value.code == "NOT_APPROVED"


def test_model_file_that_is_not_there_or_too_large_is_refused(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before memory is taken."""
    _approve(site)
    monkeypatch.setattr(myofed_node.own_model, "LARGEST_MODEL_BYTES", 3)
    (tmp_path / "large").write_bytes(b"1234")
    for path in (tmp_path / "none", tmp_path / "large", tmp_path):
        with pytest.raises(MyofedError) as caught:
            evaluate_models(site, "thigh", models=[path])
        assert caught.value.code == "MODEL_UNREADABLE"


def test_own_model_starts_from_the_studys_weights_and_never_sees_test_subjects(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same start and the same split as the federated training."""
    roles = _approve(site).approvals.roles("thigh")
    metrics = TaskMetrics(examples=1, steps=200, loss=1.0, scores=())

    def train_local(weights: bytes, **named: Any) -> tuple[bytes, TaskMetrics]:
        assert weights == WEIGHTS
        assert named["subjects"] == roles
        return b"trained", metrics

    monkeypatch.setattr(myofed_node.own_model, "train_local", train_local)
    trained = train_own_model(site, "thigh")
    assert (trained.weights, trained.metrics) == (b"trained", metrics)


def _personal(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, run_id: str | None = None) -> bytes:
    """Of a study that keeps tensor `b` at the sites: what the training starts from."""
    desk = _approve(site)
    manifest = desk.approved_manifest("thigh").model_copy(update={"local_tensors": ("b",)})
    monkeypatch.setattr(StudyDesk, "approved_manifest", lambda _self, _study: manifest)
    model = tmp_path / "federated"
    model.write_bytes(save({"a": np.ones(1, np.float32), "b": np.ones(1, np.float32)}))
    seen: list[bytes] = []

    def train_local(weights: bytes, **named: Any) -> tuple[bytes, TaskMetrics]:
        assert named["personal"]
        seen.append(weights)
        return b"trained", TaskMetrics(examples=1, steps=1, loss=1.0, scores=())

    monkeypatch.setattr(myofed_node.own_model, "train_local", train_local)
    assert train_personal_model(site, "thigh", model=model, run_id=run_id).weights == b"trained"
    return seen[0]


def _keep(site: Site, run_id: str, value: float) -> None:
    folder = site.folder.study("thigh") / "local-tensors" / run_id
    folder.mkdir(parents=True)
    (folder / "0001.safetensors").write_bytes(save({"b": np.full(1, value, np.float32)}))


def test_personal_model_of_several_runs_asks_which(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is guessed: none named, or one that is not there."""
    _keep(site, "run-aaaaaaaa", 2.0)
    _keep(site, "run-bbbbbbbb", 3.0)
    for run_id in (None, "run-cccccccc"):
        with pytest.raises(MyofedError) as caught:
            _personal(site, tmp_path, monkeypatch, run_id=run_id)
        assert caught.value.code == "RUN_UNNAMED"
    assert load(_personal(site, tmp_path, monkeypatch, run_id="run-bbbbbbbb"))["b"].tolist() == [3.0]


def test_personal_model_begins_with_the_sites_own_tensors(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the only run; a site that never trained begins with what was released, and cannot name a run."""
    assert load(_personal(site, tmp_path, monkeypatch))["b"].tolist() == [1.0]
    with pytest.raises(MyofedError) as caught:
        _personal(site, tmp_path, monkeypatch, run_id="run-aaaaaaaa")
    assert caught.value.code == "RUN_UNNAMED"
    _keep(site, "run-aaaaaaaa", 2.0)
    found = load(_personal(site, tmp_path, monkeypatch))
    assert (found["a"].tolist(), found["b"].tolist()) == ([1.0], [2.0])


def test_models_are_measured_on_the_test_subjects_of_the_stored_split(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each model by its digest, in the order asked for; the split's digest tells which subjects without naming one."""
    roles = _approve(site).approvals.roles("thigh")
    seen: list[Sequence[str]] = []

    def evaluate_model(_weights: bytes, **named: Any) -> tuple[MuscleScore, ...]:
        seen.append(named["subjects"])
        return SCORES

    monkeypatch.setattr(myofed_node.own_model, "evaluate_model", evaluate_model)
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    found = evaluate_models(site, "thigh", models=[tmp_path / "two", tmp_path / "one"])
    assert [sha256 for sha256, _ in found.scores] == [hashlib.sha256(name).hexdigest() for name in (b"two", b"one")]
    assert seen == [roles.test, roles.test]
    assert (found.split_sha256, found.test_subjects) == (digest(roles), len(roles.test))
