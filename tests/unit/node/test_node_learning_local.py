"""A site's own model does what the federation does, without the federation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from learning_factories import initial, manifest, stripes

from myofed_node.learning import local
from myofed_node.learning.local import evaluate_model, train_local, train_task
from myofed_node.learning.protocol import Roles, TrainRequest
from myofed_schemas.errors import MyofedError
from myofed_schemas.federation import mean_dice

ROLES = Roles(train=("a", "b"), validation=("c",), test=("d",))


class Subjects:
    """Subjects out of thin air, and a list of who was read."""

    read_names: list[str] = []  # noqa: RUF012  reset by the fixture

    def read(
        self, dataset: Path, subjects: tuple[str, ...], *, manifest: object, labels: object = None
    ) -> list[object]:
        self.read_names.extend(subjects)
        return [stripes(seed=ord(name)) for name in subjects]


@pytest.fixture(autouse=True)
def made_up_subjects(monkeypatch: pytest.MonkeyPatch) -> None:
    Subjects.read_names = []
    monkeypatch.setattr(local, "SubjectCache", Subjects)


def test_evaluation_of_foreign_weights_is_refused() -> None:
    """A model file that does not fit the study is not loaded."""
    with pytest.raises(MyofedError) as refusal:
        evaluate_model(b"x" * 40, manifest=manifest(), dataset=Path("d"), subjects=("d",))
    assert refusal.value.code == "WEIGHTS_FORMAT"


def test_own_model_never_reads_a_test_subject() -> None:
    """Training reads those who train and those who validate, and nobody else."""
    train_local(initial(), manifest=manifest(), dataset=Path("d"), subjects=ROLES)
    assert sorted(Subjects.read_names) == ["a", "b", "c"]


def test_own_model_takes_as_many_steps_as_a_whole_run() -> None:
    """Rounds x local_steps, in one go."""
    _, metrics = train_local(initial(), manifest=manifest(), dataset=Path("d"), subjects=ROLES)
    assert metrics.steps == 3 * 4


def test_federation_of_one_round_and_one_site_is_the_own_model() -> None:
    """With one round both do the same steps on the same draws: the same bytes."""
    study = manifest(rounds=1)
    request = TrainRequest(manifest=study, dataset="d", subjects=ROLES, round=1)
    together = train_task(request, initial(), cache=Subjects(), device=torch.device("cpu"))
    assert together == train_local(initial(), manifest=study, dataset=Path("d"), subjects=ROLES)


def test_trained_model_scores_better_on_subjects_it_never_saw() -> None:
    """Evaluation sees what training did."""
    study = manifest(rounds=10)
    weights, _ = train_local(initial(), manifest=study, dataset=Path("d"), subjects=ROLES)
    before, after = (
        mean_dice(evaluate_model(w, manifest=study, dataset=Path("d"), subjects=ROLES.test))
        for w in (initial(), weights)
    )
    assert after > before + 0.2


def test_personal_model_starts_from_the_federated_one_and_takes_twice_the_steps_of_a_run() -> None:
    """Who tests is not read here either."""
    study = manifest(rounds=3)
    arguments = {"manifest": study, "dataset": Path("d"), "subjects": ROLES}
    _, metrics = train_local(initial(), personal=True, **arguments)
    assert metrics.steps == 2 * 3 * 4
    assert "d" not in Subjects.read_names
    assert train_local(initial(), personal=True, **arguments) != train_local(initial(), **arguments)
